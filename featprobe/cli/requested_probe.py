"""The probe that --preset, or --probe and --set, ask a verb for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from featprobe.cli.probing import values

if TYPE_CHECKING:
    from featprobe.features.feature_set import FeatureSet
    from featprobe.features.wanted import Wanted
    from featprobe.probes.base import Probe
    from featprobe.probes.presets import Preset

preset_option = click.option(
    "--preset", metavar="NAME",
    help="Probe, views and choosing of a study: rad-linear, wacv-linear, medmnist-linear, "
    "dinov2-linear, dinov2-logreg, freeze, or rad-knn, wacv-knn, medmnist-knn, dinov2-knn. "
    "--features and --set come first.",
)  # fmt: skip


@dataclass(frozen=True)
class RequestedProbe:
    """What was asked for.

    ``name``: of ``--probe``; ``settings``: the texts of ``--set``; ``study``: the preset, which
    names the probe itself; ``provided``: parameters that have an option of their own, ``options``:
    what these are called.
    """

    name: str
    settings: tuple[str, ...] = ()
    study: Preset | None = None
    provided: Mapping[str, Any] = field(default_factory=dict)
    options: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(
        cls, ctx: click.Context, name: str, settings: tuple[str, ...], study: Preset | None,
        provided: Mapping[str, Any] | None = None, options: Mapping[str, str] | None = None,
    ) -> RequestedProbe:  # fmt: skip
        """The same, looked at before anything is read.

        Raises :class:`click.UsageError` for ``--probe`` beside ``--preset`` and for an option that
        the probe does not have, and what a probe of such parameters does.
        """
        if study is not None and ctx.get_parameter_source("probe") == ParameterSource.COMMANDLINE:
            raise click.UsageError("--preset names the probe: leave --probe out", ctx)
        made = cls(name, settings, study, provided or {}, options or {})
        made.on()
        return made

    @property
    def title(self) -> str:
        """What a table of it is headed by."""
        return self.study.name if self.study else self.name

    @property
    def refit(self) -> bool:
        """Whether the chosen one is fitted again with val."""
        return self.study is None or self.study.refit

    @property
    def how(self) -> dict[str, Any]:
        """How val chooses in the study."""
        return self.study.how if self.study else {}

    def views(self, given: tuple[str, ...]) -> tuple[str, ...] | Wanted:
        """Those of ``--features``, else of the study."""
        return given or (self.study.views if self.study else given)

    def on(self, features: FeatureSet | None = None) -> Probe:
        """The probe for a backbone and a task, which a preset may have variants for."""
        from featprobe.evaluation.evaluate import make_probe
        from featprobe.probes.registry import PROBES

        study = self.study.on(features) if self.study and features is not None else self.study
        name = study.probe if study else self.name
        known = PROBES.get(name)().get_params()
        for option in self.provided:
            if option not in known:
                raise click.UsageError(f"{self.options[option]} is not an option of --probe {name}")
        params = {**(study.params if study else {}), **self.provided}
        return make_probe(name, **{**params, **values(self.settings, name)})
