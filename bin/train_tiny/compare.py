"""The trained backbone against its own random initialisation, on the same test samples."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

import featprobe as fp
from featprobe.evaluation import results
from featprobe.evaluation.protocols import CrossVal, Full
from featprobe.evaluation.results import Result
from featprobe.stats.resampling import bootstrap, interval

PROBES = {"kNN": fp.KNNProbe, "linear": fp.LogisticProbe}


@dataclass(frozen=True)
class Row:
    """One comparison; ``difference`` is trained minus random, ``interval`` its 95 % interval."""

    data: str
    probe: str
    trained: Result
    twin: Result
    difference: float
    interval: tuple[float, float]


def compare(
    folder: Path, data: Sequence[str], *, cache: Path, view: str | None = None,
    folds: int | None = None, metric: str = "auroc", seed: int = 0, resamples: int = 10_000,
    device: str = "cpu", show: bool = True,
) -> list[Row]:  # fmt: skip
    """Extract with both, probe both, and bootstrap the difference of their stored scores.

    ``data``: names or paths. The protocol is featprobe's: the official split or 60/20/20 by
    patient, or ``folds`` of a cross-validation. Both backbones have the same split, and every
    resample draws the same patients for both. ``seed`` is that of the random weights.
    """
    protocol = CrossVal(folds) if folds else Full()
    rows = []
    for name in data:
        dataset = fp.load_dataset(name)
        made: dict[str, list[Result]] = {}
        for init in (None, "random"):
            backbone = fp.load_backbone(folder, init=init, seed=seed)
            features = fp.extract(
                backbone, dataset, cache=cache, device=device, progress=show
            )  # fmt: skip
            for probe, build in PROBES.items():
                made.setdefault(probe, []).extend(
                    fp.evaluate(features, build(), protocol, view=view, cache=cache, save=True)
                )
        for probe, (trained, twin) in made.items():
            values = [boot(r, cache, metric, resamples) for r in (trained, twin)]
            rows.append(
                Row(
                    features.dataset,
                    probe,
                    trained,
                    twin,
                    trained.metrics[metric] - twin.metrics[metric],
                    interval(values[0] - values[1], trained.sizes["test_groups"]),
                )
            )
    return rows


def boot(result: Result, cache: Path, metric: str, resamples: int) -> np.ndarray:
    """Metric values (resamples,) from stored scores; one seed for all, so that they are paired."""
    scored = results.scored(cache, result)
    return bootstrap(scored, wanted=[metric], resamples=resamples)[metric]


def markdown(rows: Sequence[Row], metric: str) -> str:
    """The comparison as a Markdown table, with how many intervals exclude zero."""
    lines = [
        f"| data | probe | {metric}, trained | {metric}, random | difference | 95 % interval | "
        "test (patients) |",
        "|" + " --- |" * 7,
    ]
    for r in rows:
        size = f"{r.trained.sizes['test']} ({r.trained.sizes['test_groups']})"
        low, high = r.interval
        cells = [
            r.data, r.probe, f"{r.trained.metrics[metric]:.3f}", f"{r.twin.metrics[metric]:.3f}",
            f"{r.difference:+.3f}", f"{low:+.3f} to {high:+.3f}", size,
        ]  # fmt: skip
        lines.append("| " + " | ".join(cells) + " |")
    above = sum(r.interval[0] > 0 for r in rows)
    below = sum(r.interval[1] < 0 for r in rows)
    lines += ["", f"{above} of {len(rows)} intervals lie above zero, {below} below."]
    return "\n".join(lines) + "\n"
