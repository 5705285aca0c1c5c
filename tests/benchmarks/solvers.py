"""Logistic paths, labels and few-shot draws against everything else, over the grid of cells.

A cell is n, d, classes, how well these are told apart, whether features are standardised, and how
frequent classes are. Ours is a whole path; each rival is timed at three values of C that stand for
all, the slow ones in every eighth cell. ``--minutes`` takes cells in an order in which every level
comes soon, and ends in time; ``--cache`` keeps what is done, so that a run that was cut goes on.
``--cpu`` compares seconds of the processor, which another process slows less than the wall's.
"""

from __future__ import annotations

import itertools
import json
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from featprobe.core.threads import cores
from featprobe.probes.logistic import CS, LogisticProbe
from featprobe.solvers.logistic import logistic_path
from tests.benchmarks.rivals import RIVALS, Clock, able, objective, objective_of, timed
from tests.benchmarks.rows import Row

APART = {"none": 0.0, "weak": 2.0, "strong": 6.0, "complete": 20.0}  # distance of class means
LARGEST = 400_000_000  # n * d * classes: one pass of a rival takes seconds beyond it
RATE = 3e9  # n * d * classes of all rivals' fits in a second, to plan by
SHOTS, TRIES, QUERIES = 8, 20, 1000
SLOW = ("lbfgs 1e-6", "torch")  # 3 to 1200 times ours, so that they take most of the time
EVERY = 8  # cells of which one has the slow rivals beside it
SHORT = 10  # seconds of a cell for which it may
MEDIAN, ROUNDS = 20, 100  # goals: over the default loop at 45 values of C, and fewer evaluations
BUSY = 0.9  # goal: of the cores, in every cell


@dataclass(frozen=True)
class Cell:
    """``kind``: path, labels or fewshot; ``Cs``: how many values of C, from 1e-6 to 1e5."""

    kind: str
    n: int
    d: int
    classes: int
    apart: str
    standardized: bool
    imbalanced: bool = False
    Cs: int = len(CS)

    def __str__(self) -> str:
        more = [self.apart, "standardised" if self.standardized else "raw"]
        more += ["imbalanced"] if self.imbalanced else []
        more += [] if self.kind == "fewshot" else [f"{self.Cs} C"]
        return f"{self.kind} {self.n} x {self.d}, {self.classes}, {', '.join(more)}"

    @property
    def seconds(self) -> float:
        """About what its measurement takes."""
        return 3 + self.n * self.d * self.classes * 1500 / RATE


NAMED = (  # slower than, or hardly faster than scikit-learn once
    Cell("path", 5_000, 384, 10, "weak", False, Cs=15),
    Cell("path", 5_000, 384, 10, "weak", True, Cs=15),
    Cell("path", 1_000, 384, 2, "weak", True),
)


def grid() -> list[Cell]:
    """All cells that can be compared, the named ones first."""
    sizes = list(itertools.product((200, 1_000, 5_000, 50_000), (64, 384, 1_024, 4_096)))
    kinds = [("path", k) for k in (2, 5, 10, 100, 1_000)] + [("labels", 5), ("labels", 14)]
    kinds += [("fewshot", 2), ("fewshot", 10)]
    made = [
        Cell(kind, n, d, k, apart, standardized, imbalanced)
        for (n, d), (kind, k), apart in itertools.product(sizes, kinds, APART)
        for standardized, imbalanced in ((True, False), (False, False), (True, True))
        if n * d * k <= LARGEST and n >= 5 * k and not (kind == "fewshot" and n != 5_000)
    ]
    return list(dict.fromkeys([*NAMED, *made]))


def balanced(cells: Sequence[Cell]) -> Iterator[Cell]:
    """The cells in an order in which levels of every factor come equally soon, cheap ones first."""
    seen: Counter[tuple[str, Any]] = Counter()
    names = [f.name for f in fields(Cell)]
    yield from (c for c in cells if c in NAMED)
    left = {c: [(n, getattr(c, n)) for n in names] for c in cells if c not in NAMED}
    while left:
        best = min(left, key=lambda c: (sum(seen[level] for level in left[c]), c.seconds))
        seen.update(left.pop(best))
        yield best


def data(cell: Cell) -> tuple[np.ndarray, np.ndarray]:
    """Features (n, d) float32, rotated, with a spectrum that falls as 1 / rank; targets."""
    rng = np.random.default_rng([cell.n, cell.d, cell.classes])
    share = 1 / np.arange(1, cell.classes + 1) if cell.imbalanced else np.ones(cell.classes)
    y = rng.choice(cell.classes, size=cell.n, p=share / share.sum())
    y[: cell.classes] = np.arange(cell.classes)
    spread = np.arange(1, cell.d + 1) ** -0.5
    means = rng.normal(size=(cell.classes, cell.d)) * (APART[cell.apart] / np.sqrt(cell.d))
    target: np.ndarray = y
    levels = means[y]
    if cell.kind == "labels":
        rare = np.linspace(0.05, 0.5, cell.classes) if cell.imbalanced else 0.5
        target = (rng.random((cell.n, cell.classes)) < rare).astype(float)
        target[0], target[1] = 0, 1
        levels = target @ means
    x = (rng.normal(size=(cell.n, cell.d)) + levels) * spread
    for _ in range(3):  # reflections: a rotation without a product of d^3
        v = rng.normal(size=cell.d)
        x -= np.outer(x @ v, 2 * v / (v @ v))
    x += rng.normal(size=cell.d)
    if cell.standardized:
        x = (x - x.mean(0)) / x.std(0)
    return x.astype(np.float32), target


def measure(cell: Cell, rivals: Sequence[str] = tuple(RIVALS)) -> dict[str, Any]:
    """Clocks of ours and of each rival, rounds, and how far ours is above the best objective."""
    if cell.kind == "fewshot":
        return _few_shot(cell)
    x, y = data(cell)
    Cs = np.geomspace(CS[0], CS[-1], cell.Cs)
    positions = np.array([2 * cell.Cs // 15, cell.Cs // 2, 13 * cell.Cs // 15])
    targets = list(y.T.astype(int)) if y.ndim == 2 else [y]
    ours = Clock()
    with ours.running():
        path = logistic_path(x, y, Cs)
    found: dict[str, Any] = {"ours": asdict(ours), "rounds": int(path.iterations.max()), "gap": 0.0}
    for name in rivals:
        if not able(name, cell.d, 2 if y.ndim == 2 else cell.classes):
            continue
        clock, fits = timed(name, x, targets, Cs, positions)
        found[name] = asdict(clock)
        for k, models in enumerate(fits):
            for place, model in zip(positions, models):
                rows = slice(k, k + 1) if y.ndim == 2 else slice(None)
                best = objective(model, x, targets[k], Cs[place])
                reached = objective_of(
                    path.coef[place][rows], path.intercept[place][rows], x, targets[k], Cs[place]
                )
                found["gap"] = max(found["gap"], reached / best - 1)
    return found


def _few_shot(cell: Cell) -> dict[str, Any]:
    x, y = data(cell)
    rng = np.random.default_rng(0)
    order = [np.flatnonzero(y == k) for k in range(cell.classes)]
    draws = [
        np.concatenate([rng.choice(o, min(SHOTS, len(o)), replace=False) for o in order])
        for _ in range(TRIES)
    ]
    ours, theirs = Clock(), Clock()
    probe = LogisticProbe(1.0)
    with ours.running():
        list(probe.score_tries(x, y, draws, x[:QUERIES]))
    with theirs.running():
        for rows in draws[:5]:
            model = make_pipeline(StandardScaler(), LogisticRegression())
            model.fit(x[rows], y[rows]).predict_proba(x[:QUERIES])
    return {"ours": asdict(ours), "lbfgs": asdict(theirs.times(TRIES / 5)), "rounds": 0, "gap": 0.0}


def rows(
    runs: int = 1, minutes: float | None = None, cache: str | None = None, cpu: bool = False
) -> Iterator[Row]:
    """A row a cell as it is done; then the worst ten again, and what holds of all."""
    begin = time.monotonic()
    kept = Path(cache) / "solvers.jsonl" if cache else None
    done: dict[str, dict[str, Any]] = {}
    if kept and kept.exists():
        for line in kept.read_text().splitlines():
            known = json.loads(line)
            done[known["cell"]] = known["found"]
            yield row(known["cell"], known["found"], cpu)
    for cell in balanced(grid()):
        spent = (time.monotonic() - begin) / 60
        if str(cell) in done or (minutes and spent + cell.seconds / 60 > minutes):
            continue
        patient = len(done) % EVERY == 0 and cell.seconds < SHORT
        rivals = [r for r in RIVALS if r not in SLOW or patient]
        found = done[str(cell)] = measure(cell, rivals)
        if kept:
            kept.parent.mkdir(parents=True, exist_ok=True)
            with kept.open("a") as file:
                file.write(json.dumps({"cell": str(cell), "found": found}) + "\n")
        yield row(str(cell), found, cpu)
    if done:
        yield from overall(done, cpu)


def overall(done: dict[str, dict[str, Any]], cpu: bool) -> Iterator[Row]:
    """The worst ten cells, and the goals that are of all of them."""
    kind = "cpu" if cpu else "wall"
    worst = sorted((row(name, found, cpu) for name, found in done.items()), key=lambda r: r.ratio)
    yield from (replace(r, name=f"worst {i}: {r.name}") for i, r in enumerate(worst[:10], 1))
    median = float(np.median([f["lbfgs"][kind] / f["ours"][kind] for f in done.values()]))
    yield Row(f"median of {len(done)} cells, default loop / ours", median, 1, "", MEDIAN)
    name, found = max(done.items(), key=lambda one: one[1]["rounds"])
    yield Row(f"most rounds of {len(done)} cells / {ROUNDS}", found["rounds"], ROUNDS, "rounds",
              1 - 1 / ROUNDS, more=False, note=name)  # fmt: skip
    name, found = min(done.items(), key=lambda one: busy(one[1]))
    yield Row(f"cores busy, least of {len(done)} cells", busy(found), cores(), "cores", BUSY,
              note=name)  # fmt: skip


def busy(found: dict[str, Any]) -> float:
    """On how many cores ours ran in a cell."""
    return float(found["ours"]["cpu"] / found["ours"]["wall"])


def row(name: str, found: dict[str, Any], cpu: bool) -> Row:
    """The best rival's seconds over ours; what is beside it is in the note."""
    kind = "cpu" if cpu else "wall"
    theirs = {k: found[k][kind] for k in RIVALS if k in found}
    best, ours = min(theirs, key=lambda k: theirs[k]), found["ours"][kind]
    each = ", ".join(f"{k} {v / ours:.1f}" for k, v in theirs.items())
    note = f"{'of CPU, ' if cpu else ''}best {best} ({each}); {found['rounds']} rounds; "
    note += f"{busy(found):.1f} of {cores()} cores; gap {found['gap']:.0e}"
    return Row(f"{name}: best / ours", theirs[best], ours, "s", 1, note=note, runs=1)
