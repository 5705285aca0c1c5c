"""Scores of validation items, kept beside those of test: by them weights of an ensemble are chosen.

In ``results/scores/<id>.npz`` each item of val is there once: ``val_ids``, ``val_y`` and
``val_groups`` (V,). ``val_scores`` (n, C) float32 are of the items at ``val_at`` (n,) in the try or
fold ``val_try`` (n,): a cross-validation looks at each item in one fold, few shots at all in every
try. They are of the fit to train alone that was chosen, before it was fitted again with val.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from featprobe.core.errors import InputError, reason
from featprobe.evaluation import results
from featprobe.evaluation.commands import command_of
from featprobe.evaluation.fitted import Data
from featprobe.evaluation.results import Result
from featprobe.evaluation.run_protocol import Cell
from featprobe.metrics.item_scores import ItemScores

ARRAYS = ("val_ids", "val_y", "val_groups", "val_at", "val_try", "val_scores")
CHOOSING = ("full", "cv", "transfer")  # that look at val; few shots where they say so


def val_arrays(data: Data, cell: Cell) -> dict[str, np.ndarray]:
    """What is kept of a cell's validation scores; nothing where val was not looked at."""
    if not cell.on_val:
        return {}
    rows = np.concatenate([r for r, _ in cell.on_val])
    items, at = np.unique(rows, return_inverse=True)
    tries = np.repeat(np.arange(len(cell.on_val)), [len(r) for r, _ in cell.on_val])
    return {
        "val_ids": data.ids[items],
        "val_y": data.y[items],
        "val_groups": data.groups[items],
        "val_at": at.astype(np.int32),
        "val_try": tries.astype(np.int32),
        "val_scores": np.concatenate([p for _, p in cell.on_val]).astype(np.float32),
    }


def val_scored(cache: Path, result: Result) -> ItemScores:
    """The kept validation scores of a result, by item whatever its metrics are of.

    Raises :class:`InputError` that says what to run again where there are none: the protocol did
    not look at val, nothing had to be chosen there, or the result is of an earlier version.
    """
    if result.seeds:
        return ItemScores.tried([val_scored(cache, r) for r in result.by_seed()])
    file = results.scores_file(cache, result)
    try:
        with np.load(file, allow_pickle=False) as f:
            arrays = {n: f[n] for n in ARRAYS if n in f}
    except Exception as error:  # of a damaged archive numpy and zipfile raise of many kinds
        raise InputError(f"{file}: cannot be read: {reason(error)}") from None
    if len(arrays) < len(ARRAYS):
        raise InputError(f"{file}: no validation scores are kept; {_remedy(result)}")
    at, of, p = (arrays[f"val_{n}"] for n in ("at", "try", "scores"))
    each = [of == t for t in range(int(of.max()) + 1)]
    return ItemScores(
        result.task, arrays["val_ids"], arrays["val_y"], arrays["val_groups"],
        [p[e] for e in each], [at[e] for e in each],
    )  # fmt: skip


def _remedy(result: Result) -> str:
    if result.protocol in CHOOSING:
        refit = result.protocol != "cv" and result.settings.get("refit", True)
        how = ", with --no-refit where one candidate leaves nothing to choose" if refit else ""
        command = command_of(result.probe, result.protocol, result.task)
        return f"run '{command}' again to keep them{how}"
    if result.protocol == "fewshot":
        return "few shots look at val where they are run with --choose-on-val"
    return f"{result.protocol} does not look at val"
