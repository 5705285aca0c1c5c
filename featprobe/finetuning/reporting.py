"""What a fine-tuning tells: its Result with parameters, costs and notes."""

from __future__ import annotations

import numpy as np

from featprobe.core.versions import versions_of
from featprobe.evaluation.fitted import View
from featprobe.evaluation.reporting import result_of
from featprobe.evaluation.results import Result
from featprobe.evaluation.run_protocol import Cell
from featprobe.finetuning.experiment import Experiment
from featprobe.finetuning.settings import Training
from featprobe.finetuning.state import TrainState
from featprobe.finetuning.validation import scores
from featprobe.metrics import measures as metrics

PROBE = "finetune"  # what Results are called
STEPS = 5  # fewer are told
LIBRARIES = ("torch", "transformers", "accelerate", "peft")


def view_of(state: TrainState) -> View:
    """What the head sees, as a probe's view is written."""
    wanted = state.network.wanted.items()
    name = "+".join(n if b == 1 else f"{n}:{b}" for n, b in wanted)
    return View(name, state.experiment.training.pool)


def cell_of(state: TrainState) -> Cell:
    """The scores of the test items, and of val's where these were not trained on."""
    experiment = state.experiment
    t, data, recipe = experiment.training, experiment.data, experiment.recipe
    tested, val = data.split.test, data.split.val
    params = {"recipe": recipe.name, **recipe.to_dict(), **t.to_dict(), "lr": experiment.lr}
    for name in ("seed", "refit", "select"):  # the protocol and the settings have them
        params.pop(name, None)
    cell = Cell(
        params, [scores(state, tested)], len(experiment.fit), view_of(state),
        val={metrics.ranking(data.task): state.val} if len(val) else {},
        notes=notes_of(state), select={"select": data.criterion.by} if len(val) else {},
        chosen={"lr": experiment.lr} if len(experiment.lrs) > 1 else {}, fits=[experiment.fit],
    )  # fmt: skip
    if len(val) and not t.refit:  # it has not been trained on
        cell.on_val = [(val, scores(state, val))]
    return cell


def report(state: TrainState, cell: Cell, rule: str, resamples: int, label: str) -> Result:
    """The Result of the trial that was chosen."""
    experiment = state.experiment
    searched = ["lr"] if len(experiment.lrs) > 1 else []
    result = result_of(
        experiment.labeled, PROBE, searched, experiment.protocol, experiment.data, cell, resamples,
        experiment.reading, rule,
    )  # fmt: skip
    if searched:
        result.settings["lrs"] = sorted(experiment.lrs)
    result.settings |= {"label": label} if label else {}
    say_training(result, state)
    return result


def say_training(result: Result, state: TrainState) -> None:
    """Put what is of a training, whatever its targets, into a Result."""
    experiment = state.experiment
    own, usual = experiment.recipe.to_dict(), type(experiment.recipe)().to_dict()
    result.settings["usual"] = [k for k, v in own.items() if v == usual[k]]
    result.cost = cost_of(state)
    result.versions |= versions_of(LIBRARIES)
    result.provenance |= {"history": state.history, "folder": str(experiment.folder)}


def cost_of(state: TrainState) -> dict[str, float]:
    """Parameters, seconds, bytes and rate of a training, as of
    :class:`~featprobe.evaluation.results.Result`.
    """
    experiment = state.experiment
    images = state.step * min(experiment.training.batch, len(experiment.fit))
    return {
        "trainable": state.count.trainable,
        "parameters": state.count.total,
        "seconds": round(state.seconds, 3),
        "peak_memory": state.peak,
        "images_per_second": round(images / max(state.seconds - state.judging, 1e-9), 3),
    }


def notes_of(state: TrainState) -> list[str]:
    """What a reader of the Result should know."""
    experiment, notes = state.experiment, notes_of_training(state)
    y = experiment.y[experiment.fit]
    if y.ndim == 1 and experiment.data.task != "regression":
        counts = np.bincount(y, minlength=experiment.data.classes)
        names = [repr(experiment.labeled.classes[c]) for c in np.flatnonzero(counts == 1)]
        more = f" and {len(names) - 4} more" if len(names) > 4 else ""
        if names:
            notes.append(f"one training item of class {', '.join(names[:4])}{more}")
    return notes


def notes_of_training(state: TrainState) -> list[str]:
    """The same, whatever the targets are."""
    notes = idle(state.experiment)
    if state.unreached:
        few = ", ".join(state.unreached[:4]) + (", ..." if len(state.unreached) > 4 else "")
        notes.append(f"not trained, for the features do not depend on them: {few}")
    if state.step < STEPS:
        notes.append(f"the training had {state.step} steps in all")
    return notes


def idle(experiment: Experiment) -> list[str]:
    """Changed settings without effect: beside others, with the recipe, or on the data."""
    t, recipe, usual = experiment.training, experiment.recipe, Training()
    changed = {k for k, v in t.to_dict().items() if v != usual.to_dict().get(k)}
    notes = [*t.idle(), *recipe.idle()]
    notes += [
        f"{name}={getattr(t, name)} has no effect with recipe {recipe.name}"
        for name in recipe.idles
        if name in changed
    ]
    if experiment.labeled.frames.count.max(initial=0) <= 1:
        notes += [
            f"{name}={getattr(t, name)} has no effect: every item has one frame"
            for name in ("train_frames", "pool")
            if name in changed
        ]
    return notes
