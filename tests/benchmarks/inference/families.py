"""How often paired tests call equal models different, and how often they find a difference.

Equal models, whose best the data choose, in families of 2 to 20; pairs of backbones that were tried
on few shots; DeLong's and McNemar's families; and beside each the share of studies in which a model
that is better is found, since a test that never rejects never errs. An error of at most 5 % is
asked for, the Monte Carlo error of two standard errors aside.
"""

from __future__ import annotations

import math
import multiprocessing
from collections.abc import Callable, Iterator
from functools import partial
from itertools import combinations, product

import numpy as np

from featprobe.metrics.item_scores import ItemScores
from featprobe.stats.influence import Influence, influence
from featprobe.stats.maxt import together
from featprobe.stats.paired_tests import differ
from featprobe.stats.power import Spread
from tests.benchmarks.rows import Rate
from tests.stats.models import models

COUNTS = (2, 5, 10, 20)
METRICS = ("auroc:yes", "accuracy", "quadratic_kappa")
SWAPS = 199
SHOTS, TRIES = 2, 5


def rows(runs: int) -> Iterator[Rate]:
    """Every cell with as many simulated studies, in two processes."""
    cells: list[Callable[[], list[Rate]]] = [
        partial(families, metric, n, each, runs)
        for metric, n, each in product(METRICS, (20, 50, 200), (1, 4))
    ]
    cells += [partial(named, "delong", "auroc:yes", 100, 1, runs)]
    cells += [partial(named, "delong", "auroc:yes", 100, 4, runs)]
    cells += [partial(named, "mcnemar", "accuracy", 100, 1, runs)]
    cells += [partial(few_shot, count, runs) for count in (2, 5)]
    cells += [partial(planned, runs)]
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        for made in pool.imap(_called, cells):
            yield from made


def _called(cell: Callable[[], list[Rate]]) -> list[Rate]:
    return cell()


def at_most(share: float, runs: int) -> float:
    """A share with two standard errors of as many runs on top."""
    return share + 2 * math.sqrt(share * (1 - share) / runs)


def families(metric: str, patients: int, each: int, runs: int) -> list[Rate]:
    """All pairs of 2, 5, 10 and 20 equal models; then one of five that is better."""
    task = "ordinal" if metric == "quadratic_kappa" else "multiclass"
    errors, found, real = dict.fromkeys(COUNTS, 0), 0, max(1, runs // 5)
    for run in range(runs):
        rng = np.random.default_rng([run, patients, each, 1])
        of = influence(models(rng, max(COUNTS), patients, each, task=task), metric)
        for count in COUNTS:
            errors[count] += _least(_first(of, count), run) < 0.05
        if run >= real:
            continue
        better = models(rng, 5, patients, each, task=task, better=[_gain(patients)])
        found += _least(influence(better, metric), run, against=0) < 0.05
    name = f"{metric}, {patients} patients x {each}"
    rates = [
        Rate(f"any of {c} equal models called different, {name}", e / runs, runs, None,
             at_most(0.05, runs))
        for c, e in errors.items()
    ]  # fmt: skip
    # one image of 20 patients: an AUROC of 1 is hardly told from one of 0.75, so nothing is asked
    least = None if (metric, patients, each) == ("auroc:yes", 20, 1) else 0.3
    return [*rates, Rate(f"a better one among 5 found, {name}", found / real, real, least)]


def _gain(patients: int) -> float:
    """Of the better model: less of it is found by more patients."""
    return {20: 3.0, 50: 2.0, 200: 0.8}.get(patients, 1.0)


def _first(of: Influence, count: int) -> Influence:
    return Influence(of.value[:count], of.units[:, :count], of.tries[:, :count])


def _least(of: Influence, seed: int, against: int | None = None) -> float:
    """The smallest p of the family of all pairs, or of those of one model in it."""
    pairs = list(combinations(range(len(of.value)), 2))
    p = together(of, pairs, resamples=SWAPS, seed=seed).joint_p
    return min(v for v, pair in zip(p, pairs) if against is None or against in pair)


def named(test: str, metric: str, patients: int, each: int, runs: int) -> list[Rate]:
    """All pairs of ten models by a test of its own family."""
    pairs = list(combinations(range(10), 2))
    errors = found = 0
    for run in range(runs):
        rng = np.random.default_rng([run, patients, each, 2])
        null = models(rng, 10, patients, each)
        errors += differ(null, metric, pairs, test, seed=run).joint_p.min() < 0.05
        real = models(rng, 10, patients, each, better=[2.0])
        p = differ(real, metric, pairs, test, seed=run).joint_p
        found += min(v for v, pair in zip(p, pairs) if 0 in pair) < 0.05
    name = f"{test}, {metric}, {patients} patients x {each}"
    return [
        Rate(f"any of 10 equal models called different, {name}", errors / runs, runs, None,
             at_most(0.05, runs)),
        Rate(f"a better one among 10 found, {name}", found / runs, runs, 0.5),
    ]  # fmt: skip


def few_shot(count: int, runs: int) -> list[Rate]:
    """Backbones whose vectors are equally good, tried on the same draws of two shots."""
    errors, found, real = 0, 0, max(1, runs // 5)
    for run in range(runs):
        rng = np.random.default_rng([run, count, 3])
        null = prototypes(rng, [1.0] * count)
        errors += _least(influence(null, "auroc:yes"), run) < 0.05
        if run < real:
            better = prototypes(rng, [1.6, *[1.0] * (count - 1)])
            found += _least(influence(better, "auroc:yes"), run, against=0) < 0.05
    name = f"{SHOTS} shots x {TRIES} tries, 200 patients"
    return [
        Rate(f"any of {count} equal backbones called different, {name}", errors / runs, runs, None,
             at_most(0.05, runs)),
        Rate(f"a better one among {count} found, {name}", found / real, real, 0.3),
    ]  # fmt: skip


def prototypes(rng: np.random.Generator, signals: list[float], test: int = 200) -> list[ItemScores]:
    """Nearest-prototype scores of ``test`` patients in 16 dimensions, of backbones in which the
    classes are so far apart; all use the same draws of the same 60 training patients."""
    y = np.arange(60 + test) % 2
    draws = [
        np.r_[rng.choice(np.arange(0, 60, 2), SHOTS, replace=False),
              rng.choice(np.arange(1, 60, 2), SHOTS, replace=False)]
        for _ in range(TRIES)
    ]  # fmt: skip
    common = rng.normal(size=(len(y), 16))
    ids = np.arange(test).astype(str)
    out = []
    for signal in signals:
        x = 0.6 * common + 0.8 * rng.normal(size=common.shape)
        x[:, 0] += signal * (2 * y - 1)
        tries = []
        for drawn in draws:
            centres = [x[drawn[y[drawn] == c]].mean(0) for c in (0, 1)]
            far = [np.square(x[60:] - c).sum(1) for c in centres]
            second = 1 / (1 + np.exp((far[1] - far[0]) / 8))
            tries.append(np.stack([1 - second, second], axis=1))
        out.append(ItemScores("multiclass", ids, y[60:], ids, tries, classes=("no", "yes")))
    return out


def planned(runs: int) -> list[Rate]:
    """A difference is found as often as the plan of each study says on average."""
    rng = np.random.default_rng(4)
    big = influence(models(rng, 2, 20_000, better=[0.5]), "auroc:yes")
    true, chance, found = float(big.value[0] - big.value[1]), 0.0, 0
    for run in range(runs):
        of = influence(models(np.random.default_rng([run, 5]), 2, 100, better=[0.5]), "auroc:yes")
        test = together(of, [(0, 1)], resamples=SWAPS, seed=run)
        chance += Spread(float(test.patients[0]), 100).power(true) / runs
        found += test.p[0] < 0.05
    off = 0.04 + 2 * math.sqrt(0.25 / runs)
    name = f"AUROC {true:.3f} apart found, 100 patients (planned: {chance:.3f})"
    return [Rate(name, found / runs, runs, chance - off, chance + off)]
