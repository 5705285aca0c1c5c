"""The patient-clustered bootstrap of AUROC against a loop of scikit-learn's over the resamples.

As many images, patients and labels, about as frequent, as the test set of NIH ChestX-ray14 has.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence

import numpy as np

from featprobe.metrics.item_scores import ItemScores
from featprobe.stats.paired_tests import differ
from featprobe.stats.resampling import RESAMPLES, block_size, bootstrap, draws
from tests.benchmarks.rows import Row, side_by_side

IMAGES, PATIENTS = 25_000, 2_800
PREVALENCE = (0.128, 0.042, 0.182, 0.239, 0.068, 0.063, 0.022, 0.104, 0.071, 0.036, 0.043, 0.017,
              0.045, 0.003)  # fmt: skip
LOOPED = 10  # of the resamples: all of them are minutes
MANY = 1_000_000  # items that are each their own patient
SECONDS = 30  # for all resamples of so many with all labels: the goal, on two cores


def rows(runs: int, parts: Sequence[str] = ("patients", "million")) -> Iterator[Row]:
    """As many as a test set has, by patient; a million items, once."""
    if "patients" in parts:
        yield from patients(runs)
    if "million" in parts:
        yield from million()


def patients(runs: int) -> Iterator[Row]:
    """The same resamples by both, then a paired test, which scikit-learn has no loop for."""
    one, other = films(0), films(1)
    found = bootstrap(one, wanted=["auroc"])["auroc"]
    expected = looped(one, LOOPED)
    np.testing.assert_allclose(found[:LOOPED], expected, atol=1e-12)
    ours, theirs = side_by_side(
        lambda: bootstrap(one, wanted=["auroc"]), lambda: looped(one, LOOPED), runs
    )
    labels = len(PREVALENCE)
    note = f"loop: {LOOPED} of {RESAMPLES} resamples timed, scaled; same values"
    yield Row(
        f"bootstrap of AUROC, {IMAGES} x {labels}, {RESAMPLES} resamples",
        RESAMPLES / ours, LOOPED / theirs, "resamples/s", must=50, note=note, runs=runs,
    )  # fmt: skip
    ours, theirs = side_by_side(lambda: bootstrap(one), lambda: looped(one, LOOPED), runs)
    yield Row(
        "the same, all metrics, against the loop of AUROC alone",
        RESAMPLES / ours, LOOPED / theirs, "resamples/s", runs=runs,
    )  # fmt: skip
    ours, theirs = side_by_side(
        lambda: differ([one, other], "auroc", [(0, 1)]), lambda: looped(one, LOOPED), runs
    )
    yield Row(
        f"paired permutation test of AUROC, {RESAMPLES} swaps, two models a swap",
        2 * RESAMPLES / ours, LOOPED / theirs, "AUROCs/s", runs=runs,
    )  # fmt: skip


def million() -> Iterator[Row]:
    """All resamples of so many items against the goal, and against one by scikit-learn."""
    labels = len(PREVALENCE)
    many = films(0, MANY, np.arange(MANY))
    begin, spent = time.perf_counter(), time.process_time()
    found = bootstrap(many, wanted=["auroc"])["auroc"]
    ours, spent = time.perf_counter() - begin, time.process_time() - spent
    begin = time.perf_counter()
    np.testing.assert_allclose(found[:1], looped(many, 1), atol=1e-12)
    theirs = RESAMPLES * (time.perf_counter() - begin)
    name = f"bootstrap of AUROC, {MANY} x {labels}, {RESAMPLES} resamples"
    yield Row(f"{name} / {SECONDS} s", ours, SECONDS, "s", 1, more=False, runs=1,
              note=f"CPU: {spent:.1f} s")  # fmt: skip
    note = "loop: 1 of them timed, scaled; same value"
    yield Row(f"{name}, against the loop", RESAMPLES / ours, RESAMPLES / theirs, "resamples/s",
              note=note, runs=1)  # fmt: skip


def films(seed: int, images: int = IMAGES, patient: np.ndarray | None = None) -> ItemScores:
    """Targets that all seeds share, and scores of a model."""
    rng = np.random.default_rng(0)
    if patient is None:
        patient = rng.integers(0, PATIENTS, images)
    y = (rng.random((images, len(PREVALENCE))) < PREVALENCE).astype(float)
    rng = np.random.default_rng([seed, 1])
    p = (rng.random(y.shape) + 0.3 * y) / 1.3
    return ItemScores("multilabel", np.arange(images).astype(str), y, patient, [p])


def looped(scored: ItemScores, resamples: int) -> np.ndarray:
    """The mean AUROC under the first resamples of seed 0, each sample repeated as it was drawn."""
    from sklearn.metrics import roc_auc_score

    block = block_size(len(scored.ids), RESAMPLES)
    counts = next(draws(scored.patients, resamples, np.random.default_rng([0, 0xB007]), block))
    y, p = scored.y.astype(int), scored.tries[0]
    out = []
    for b in range(resamples):
        drawn = np.repeat(np.arange(len(y)), counts[scored.code, b].astype(int))
        out.append(roc_auc_score(y[drawn], p[drawn], average="macro"))
    return np.array(out)
