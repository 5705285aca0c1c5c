"""What tables say of intervals, and of how many patients stand behind them."""

from __future__ import annotations

from collections.abc import Sequence

from featprobe.evaluation.results import Result
from featprobe.metrics import measures as metrics
from featprobe.stats.intervals import NONE

FIELDS = ("rarest_class", "rarest_items", "rarest_patients")


def legend(results: Sequence[Result]) -> list[str]:
    """How the intervals of the rows were made, by metric."""
    by: dict[str, list[str]] = {}
    for r in results:
        for name, method in r.ci_method.items():
            by.setdefault(name, []).append(method)
    groups: dict[str, list[str]] = {}
    for name, methods in by.items():
        # where single rows have none, their notes say why
        for method in dict.fromkeys(m for m in methods if m != NONE) or [NONE]:
            groups.setdefault(method, []).append(metrics.label(name))
    lines = []
    if groups:
        described = "; ".join(f"{', '.join(names)}: {method}" for method, names in groups.items())
        lines.append(f"Intervals: 95 %, under new test patients. {described}.")
        lines += _beyond(results)
    if any(r.ci and not r.ci_method for r in results):
        lines.append(
            "Intervals of results kept by earlier versions: 95 %, percentile bootstrap over "
            "patients, too short with few patients or errors."
        )
    return lines


def _beyond(results: Sequence[Result]) -> list[str]:
    """What the intervals hold beside new patients, and what they do not."""
    described = [r for r in results if r.ci_method]
    lines = []
    if any(r.shots for r in described):
        lines.append("Few-shot: mean over tries; its interval is under new draws too.")
    if any("repeats" in r.settings for r in described):
        lines.append("Splits: mean over them; its interval is under new training sets too.")
    if any(r.seeds for r in described):
        lines.append(
            "Seeds: mean ± standard deviation over them; the interval is under new seeds and new "
            "patients together. Seeds are not more patients."
        )
    single = [r for r in described if not r.shots and "repeats" not in r.settings and not r.seeds]
    if any(r.sizes.get("fit") for r in single):
        lines.append(
            "Intervals of one fit (or of folds) are of what was fitted here: another training set "
            "would add to them, see --repeats."
        )
    return lines


def rarest(r: Result) -> tuple[str, int, int] | None:
    """The class (label) with the fewest test patients, its items and patients; None if unknown."""
    if not r.class_sizes:
        return None
    name = min(r.class_sizes, key=lambda n: [r.class_sizes[n][k] for k in ("patients", "items")])
    return name, r.class_sizes[name]["items"], r.class_sizes[name]["patients"]


def size(r: Result) -> str:
    """``200 (120), rarest 12 (7)``: test items and patients, and those of the rarest class."""
    least = rarest(r)
    described = f"{r.sizes['test']} ({r.sizes['test_groups']})"
    return described if least is None else f"{described}, rarest {least[1]} ({least[2]})"
