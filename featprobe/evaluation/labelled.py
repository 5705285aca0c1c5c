"""The labelled items of a feature set under the split of a protocol."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Any

import numpy as np

from featprobe.core.errors import InputError
from featprobe.evaluation.fitted import Data, View
from featprobe.evaluation.protocols import Protocol
from featprobe.features.augmented import BOTH, TRAIN, check_use
from featprobe.features.feature_set import FeatureSet
from featprobe.features.labeled_items import LabeledItems, unlabeled
from featprobe.features.prepare import Prepare
from featprobe.probes.base import Probe
from featprobe.probes.registry import PROBES
from featprobe.splits.partition import VERSION, Partitioner, known_targets

KEPT_VIEWS, SMALL = 8, 20_000  # of sets with so few items several views stay in memory


def labelled(
    features: FeatureSet, protocol: Protocol, views: Sequence[View], probe: Probe | None = None,
    prepare: Prepare | None = None, augmented: str = "",
) -> Data:  # fmt: skip
    """Select the items with a known label, under the split of a protocol, with their features.

    Raises :class:`InputError` for what cannot be probed (see :func:`evaluate`).
    """
    data, rows = split_items(features, protocol, probe)
    where = f"{features.dataset} / {features.backbone}"
    check_use(augmented, features.augmented_views, where)
    if probe is not None and probe.bags and augmented:
        raise InputError(f"{probe.name} takes bags of frames, in one view: leave --augmented out")
    if probe is not None and augmented in (TRAIN, BOTH) and not probe.epochs_of_views:
        raise InputError(
            f"{probe.name} is not trained in epochs, so there are none for the views: use --probe "
            "sgd, or --augmented test"
        )

    @lru_cache(maxsize=KEPT_VIEWS if len(rows) <= SMALL else 1)
    def read(view: View, seen: int = 0) -> Any:
        bags = view.pool == "bag"
        x: Any = features.bags(view.name) if bags else features.x(view.name, view.pool, seen)
        x = x if len(rows) == len(x) else x[rows]
        finite = np.isfinite(x.frames if bags else x).all(1)
        bad = np.flatnonzero(~(np.logical_and.reduceat(finite, x.offsets[:-1]) if bags else finite))
        if len(bad):
            raise InputError(
                f"{where}: features of {len(bad)} items are NaN or infinite, first "
                f"{str(data.ids[bad[0]])!r}; extract again, or leave such items out"
            )
        return x

    return replace(
        data, read=read, views=views, prepare=prepare or Prepare(), augmented=augmented,
        stored=features.augmented_views,
    )  # fmt: skip


def split_items(
    labeled: LabeledItems, protocol: Protocol, probe: Probe | None = None
) -> tuple[Data, np.ndarray]:
    """Select the items with a known label, without features; also returns their rows.

    Raises as :func:`labelled`.
    """
    problem = unlabeled(labeled)
    if problem:
        raise InputError(problem)
    y, task = labeled.y, labeled.task
    assert y is not None
    assert task is not None
    where = f"{labeled.dataset} / {labeled.backbone}"
    if probe is not None and task not in probe.tasks:
        able = [n for n, kind in PROBES.all().items() if task in kind().tasks]
        raise InputError(
            f"{where}: {probe.name} is not for {task} targets; use one of {', '.join(able)}"
        )
    known = known_targets(y)
    if not known.any():
        raise InputError(f"{where}: every label is unknown")
    if np.isinf(y).any():
        first = labeled.ids[np.flatnonzero(np.isinf(y.reshape(len(y), -1)).any(1))[0]]
        raise InputError(f"{where}: the target of {str(first)!r} is infinite; relabel it")
    y, groups, ids = y[known], labeled.groups[known], labeled.ids[known]
    try:
        partitioner = Partitioner(
            y, groups, ids, getattr(protocol, "split_version", VERSION),
            labeled.items.group_origin, labeled.classes,
        )  # fmt: skip
        split = protocol.split(partitioner, labeled.split[known], labeled.items.split_origin)
    except InputError as error:
        raise InputError(f"{where}: {error}") from error
    if y.ndim == 1 and task != "regression":
        for part in ("train", "test"):
            rows = getattr(split, part)
            present = np.unique(y[rows] if len(rows) else y)
            if len(present) < 2:
                raise InputError(
                    f"{where}: {part} holds one class only "
                    f"({labeled.classes[present[0]] if len(present) else 'none'})"
                )
    data = Data(
        _none, (), y, groups, ids, task, len(labeled.classes), split, int((~known).sum())
    )  # fmt: skip
    return data, np.flatnonzero(known)


def _none(view: View, seen: int = 0) -> Any:
    raise AssertionError("these items have no features")
