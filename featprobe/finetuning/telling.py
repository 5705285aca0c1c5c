"""What a fine-tuning tells: parameters, costs and notes of its Result, and of its backbone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from featprobe.evaluation.fitted import View
from featprobe.evaluation.results import Result
from featprobe.evaluation.run_protocol import Cell
from featprobe.finetuning.recipes.base import Recipe
from featprobe.finetuning.settings import Training
from featprobe.finetuning.trial import Task, Trial
from featprobe.metrics import measures as metrics

STEPS = 5  # fewer are told


def cell_of(task: Task, trial: Trial, scores: np.ndarray, lrs: Sequence[float]) -> Cell:
    """What becomes the Result of a trial with these scores (n, C) of the test items."""
    t, data, run = task.training, task.data, trial.run
    params = {"recipe": task.recipe.name, **task.recipe.to_dict(), **t.to_dict(), "lr": run.lr}
    for name in ("seed", "refit", "select"):  # the protocol and the settings have them
        params.pop(name, None)
    val = {metrics.ranking(data.task): trial.standing.val} if len(data.split.val) else {}
    view = "+".join(n if b == 1 else f"{n}:{b}" for n, b in run.network.wanted.items())
    return Cell(
        params, [scores], len(run.fit), View(view, t.pool),
        val=val, notes=notes_of(task, trial), select={"select": data.criterion.by} if val else {},
        chosen={"lr": run.lr} if len(lrs) > 1 else {}, fits=[run.fit],
    )  # fmt: skip


def cost_of(trial: Trial) -> dict[str, float]:
    """Parameters, seconds, bytes and rate of a trial, as of
    :class:`~featprobe.evaluation.results.Result`.
    """
    run, standing = trial.run, trial.standing
    images = standing.step * min(run.training.batch, len(run.fit))
    return {
        "trainable": trial.count.trainable,
        "parameters": trial.count.total,
        "seconds": round(standing.seconds, 3),
        "peak_memory": trial.peak,
        "images_per_second": round(images / max(standing.seconds - standing.judging, 1e-9), 3),
    }


def notes_of(task: Task, trial: Trial) -> list[str]:
    """What a reader of the Result should know."""
    notes = idle(task)
    if trial.unreached:
        few = ", ".join(trial.unreached[:4]) + (", ..." if len(trial.unreached) > 4 else "")
        notes.append(f"not trained, for the features do not depend on them: {few}")
    y = task.data.y[trial.run.fit]
    if y.ndim == 1 and task.data.task != "regression":
        counts = np.bincount(y, minlength=task.data.classes)
        names = [repr(task.subject.classes[c]) for c in np.flatnonzero(counts == 1)]
        more = f" and {len(names) - 4} more" if len(names) > 4 else ""
        if names:
            notes.append(f"one training item of class {', '.join(names[:4])}{more}")
    if trial.standing.step < STEPS:
        notes.append(f"the training had {trial.standing.step} steps in all")
    return notes


def idle(task: Task) -> list[str]:
    """Changed settings without effect: beside others, with the recipe, or on the data."""
    t, recipe, usual = task.training, task.recipe, Training()
    changed = {k for k, v in t.to_dict().items() if v != usual.to_dict().get(k)}
    said = [*t.idle(), *recipe.idle()]
    said += [
        f"{name}={getattr(t, name)} has no effect with recipe {recipe.name}"
        for name in recipe.idles
        if name in changed
    ]
    if task.subject.frames.count.max(initial=0) <= 1:
        said += [
            f"{name}={getattr(t, name)} has no effect: every item has one frame"
            for name in ("train_frames", "pool")
            if name in changed
        ]
    return said


def about(result: Result, recipe: Recipe) -> dict[str, Any]:
    """What an exported backbone says of its training."""
    return {
        "recipe": recipe.name, "options": recipe.to_dict(), "dataset": result.dataset,
        "backbone": result.backbone, "params": result.params, "split": result.split,
        "result": result.id, "metrics": result.metrics,
    }  # fmt: skip
