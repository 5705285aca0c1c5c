"""What the probing verbs share: which features, how results are reported, the run itself."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from featprobe.cli.common import (
    cache_option,
    choice_options,
    json_option,
    note,
    split_version_option,
)
from featprobe.cli.depths import depths
from featprobe.cli.feature_sets import feature_sets
from featprobe.cli.level_options import level_options, read_level
from featprobe.cli.saving import can_save, save
from featprobe.cli.seeds import called, joined, seeded, seeds_option
from featprobe.cli.verb import options

if TYPE_CHECKING:
    from featprobe.evaluation.results import Result
    from featprobe.features.feature_set import FeatureSet

R = TypeVar("R", bound=Any)

set_option = click.option(
    "--set", "settings", multiple=True, metavar="NAME=VALUE...",
    help="Parameters of the probe, as in Python: lr=[0.01,0.1] width=256.",
)  # fmt: skip
save_option = click.option(
    "--save", "save_to", type=click.Path(path_type=Path), metavar="FILE",
    help="Write the chosen probe, fitted, to FILE.safetensors for 'featprobe predict' (not with "
    "--normalize or --pca).",
)  # fmt: skip
bootstrap_options = options(
    click.option(
        "--resamples", default=1000, show_default=True, type=click.IntRange(10, 1_000_000),
        help="Of the patient-clustered bootstrap.",
    ),
    cache_option,
    json_option,
    group="Metrics and intervals",
)  # fmt: skip
feature_options = options(
    click.option(
        "--features", "view", multiple=True, metavar="VIEW...",
        help="cls, mean, cls:4 (last 4 blocks joined), cls+mean, cls@6 (the sixth block alone), "
        "cls@-3 (the third from the end), ...; of several backbones side by side 'A:cls + B:mean', "
        "each row of a part at length 1 as 'unit(A:cls)'; of several, val chooses."
        "  [default: cls, or mean]",
    ),
    options(
        click.option(
            "--pool", multiple=True, default=("mean",), show_default=True,
            type=click.Choice(["mean", "max", "mean+std"]),
            help="How the slices of a volume become one row; of several, val chooses.",
        ),
        click.option("--normalize", is_flag=True, help="Scale each row to unit length."),
        click.option(
            "--pca", type=click.IntRange(min=1), metavar="D",
            help="Keep the first D principal components of the fitted items.",
        ),
        group="Features",
    ),
)  # fmt: skip
draw_options = options(
    click.option(
        "--seed", default=0, show_default=True, type=click.IntRange(min=0),
        help="Of the split and of all draws.",
    ),
    split_version_option,
    group="Split and selection",
)  # fmt: skip
depth_option = options(
    click.option(
        "--each-block", "--layers", "each_block", multiple=True, metavar="[all|N...]",
        help="One run for each single block of --features: of all that are stored, or of these "
        "(6, or -3 from the end). The page draws a curve.",
    ),
    group="Features",
)  # fmt: skip
augmented_option = options(
    click.option(
        "--augmented", type=click.Choice(["train", "test", "both"]), default=None,
        help="What the views of 'extract --views' are for: epochs of sgd (train), the mean score "
        "of each item (test).  [default: none, frames as they are]",
    ),
    group="Features",
)  # fmt: skip
probe_options = options(
    choice_options,
    feature_options,
    augmented_option,
    depth_option,
    level_options,
    options(seeds_option, split_version_option, group="Split and selection"),
    bootstrap_options,
)


def read_settings(settings: Sequence[str]) -> dict[str, Any]:
    """The values of ``--set`` by name: JSON where it is, text otherwise."""
    from featprobe.core.errors import InputError

    out: dict[str, Any] = {}
    for text in settings:
        name, sign, value = text.partition("=")
        if not sign or not name:
            raise InputError(f"--set {text!r} is written NAME=VALUE")
        try:
            out[name] = json.loads(value)
        except ValueError:
            out[name] = value
    return out


def values(settings: Sequence[str], probe: str) -> dict[str, Any]:
    """The parameters of ``--set`` for a probe; those it does not have are left for it to refuse.

    Raises :class:`InputError` for a value that the parameter's annotation does not allow.
    """
    from typing import get_type_hints

    from featprobe.core.options import checked
    from featprobe.probes.registry import PROBES

    known = get_type_hints(PROBES.get(probe).__init__)
    provided = read_settings(settings)
    return {
        name: checked(name, value, known[name], f"probe {probe}") if name in known else value
        for name, value in provided.items()
    }


def run_probe(
    probe: Callable[[FeatureSet], Any],
    protocols: Sequence[Any],
    *,
    data: Sequence[str],
    model: Sequence[str],
    cache: str | None,
    as_json: bool,
    title: str,
    save_to: Path | None = None,
    how: Mapping[str, Any] | None = None,
    **requested: Any,
) -> None:
    """Run a probe, made for each feature set, under each protocol; keep and show the results.

    ``how`` val chooses, as of :func:`~featprobe.cli.selection_options.chosen_by`; ``options``: the
    values of the other :data:`probe_options`. A feature set that cannot be probed is named on
    standard error and the rest goes on; when none can, the first reason is the error. So is one of
    several protocols under which it cannot.
    """
    from featprobe.core.errors import FeatprobeError
    from featprobe.evaluation.evaluate import evaluate

    sets = feature_sets(data, model, requested["view"], cache)
    can_save(save_to, len(sets), len(protocols), requested)
    if save_to and requested["each_block"]:
        raise click.UsageError("--save is of one view: leave --each-block out")
    reported = {**_reported(requested), **(how or {})}
    blocks = requested["each_block"]

    def run(features: FeatureSet, wanted: Any) -> list[Result]:
        out: list[Result] = []
        problems = []
        for protocol, view in product(protocols, depths(features, wanted, blocks)):
            made = seeded(probe(features), protocols, protocol)
            options = {**reported, "view": view}
            try:
                found = evaluate(features, made, protocol, cache=cache, save=True, **options)
            except FeatprobeError as error:
                problems.append((protocol, error))
                continue
            if save_to is not None:
                note(f"saved {save(features, made, protocol, found, save_to)}")
            out += found
        if not out:
            raise problems[0][1]
        for protocol, why in problems:
            where = f"{features.dataset} / {features.backbone}"
            text = str(why).removeprefix(f"{where}: ")
            note(f"left aside: {where}, {called(protocol, protocols)}: {text}")
        return joined(out, [p.seed for p in protocols], cache)

    show_results(on_each(sets, run, as_json), as_json, title)


def on_each(
    sets: Sequence[tuple[FeatureSet, Any]], run: Callable[[FeatureSet, Any], Sequence[R]],
    as_json: bool,
) -> list[R]:  # fmt: skip
    """What ``run`` gives on each feature set with the views asked of it; with ``as_json`` each is
    printed when it is there.

    A set on which it fails is named on standard error and the rest goes on; when all fail, the
    first reason is the error.
    """
    from featprobe.core.errors import FeatprobeError

    done: list[R] = []
    problems: list[FeatprobeError] = []
    for features, view in sets:
        try:
            found = run(features, view)
        except FeatprobeError as error:
            problems.append(error)
            if len(sets) > 1:
                where = f"{features.dataset} / {features.backbone}"
                line = str(error) if where in str(error) else f"{where}: {error}"
                note(f"left aside: {line}")
            continue
        done.extend(found)
        if as_json:
            for result in found:
                print(result.to_json(), flush=True)
    if not done:
        raise problems[0]
    if as_json:  # a table has them below
        for text in dict.fromkeys(notes_of(done)):
            note(text)
    return done


def show_results(shown: Sequence[Result], as_json: bool, title: str) -> None:
    """The table, where JSON has not been asked for.

    Raises :class:`InputError` behind it where results could not be written: no leaderboard will
    have them.
    """
    if not as_json:
        from featprobe.leaderboard.table import print_results

        print_results(shown, title)
    raise_lost(shown)


def raise_lost(shown: Sequence[Result]) -> None:
    """Raise :class:`InputError` where results could not be written, with the reason."""
    from featprobe.core.errors import InputError
    from featprobe.evaluation.results import NOT_KEPT

    lost = [text for r in shown for text in r.notes if text.startswith(NOT_KEPT)]
    if lost:
        raise InputError(f"{len(lost)} of {len(shown)} results are {lost[0]}; then run it again")


def _reported(options: Mapping[str, Any]) -> dict[str, Any]:
    """The keyword arguments of ``evaluate`` that the options stand for."""
    provided = {n: options[n] for n in ("pool", "normalize", "pca", "resamples")}
    provided["augmented"] = options["augmented"] or ""
    return {**provided, "view": options["view"] or None, **read_level(options)}


def notes_of(shown: Iterable[Any]) -> Iterable[str]:
    """What a reader of results should know."""
    for r in shown:
        if getattr(r, "left_out", 0):
            yield f"{r.dataset} / {r.backbone}: {r.left_out} items are left out, unreadable"
        yield from (f"{r.dataset} / {r.backbone}: {text}" for text in r.notes)
