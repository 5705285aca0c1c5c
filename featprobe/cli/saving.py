"""Saving the probe of a probing command."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from featprobe.evaluation.results import Result
    from featprobe.features.feature_set import FeatureSet


def can_save(save_to: Path | None, stores: int, protocols: int, options: Mapping[str, Any]) -> None:
    """Raise :class:`InputError` for what cannot be saved."""
    from featprobe.core.errors import InputError

    if save_to is None:
        return
    if stores > 1:
        raise InputError(
            f"--save is of one feature set, not {stores}: choose by --data and --model"
        )
    if protocols > 1:
        raise InputError(f"--save is of one --subset and --seed, not {protocols}: give one")
    if options["normalize"] or options["pca"]:
        raise InputError("--save keeps the probe, not --normalize or --pca: leave those out")


def save(
    features: FeatureSet, probe: Any, protocol: Any, found: Sequence[Result], path: Path
) -> Path:
    """Fit the probe of a Result again, to the same items, and write it with its features."""
    from featprobe.core.errors import InputError
    from featprobe.evaluation.predict import source_of
    from featprobe.evaluation.protocols import Full
    from featprobe.evaluation.refitting import fit_chosen
    from featprobe.features.augmented import BOTH, TEST
    from featprobe.probes.saving import save_probe

    if not isinstance(protocol, Full):
        raise InputError("--save fits to train and val: leave --folds and --loo out")
    best = next(r for r in found if r.selected)
    fitted = fit_chosen(features, probe, protocol, best)
    source = source_of(features, best.view, best.pool, best.thresholds)
    averaged = best.settings.get("augmented", "") in (TEST, BOTH)
    return save_probe(fitted, path, replace(source, augmented=averaged))
