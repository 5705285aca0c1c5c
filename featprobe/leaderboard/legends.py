"""What is said below a table: of intervals, splits, subgroups, draws."""

from __future__ import annotations

import math
from collections.abc import Sequence

from featprobe.core.display import ends
from featprobe.evaluation.results import Result
from featprobe.leaderboard import cost, uncertainty
from featprobe.leaderboard.board import Row
from featprobe.leaderboard.columns import with_interval
from featprobe.leaderboard.rank_legend import legend
from featprobe.leaderboard.row_labels import SEEN, Among, probe_name, row
from featprobe.metrics import measures as metrics

RANDOM = "random: weights drawn from a seed, not pretrained"


def of_board(board: Sequence[Row]) -> list[str]:
    """Lines below a leaderboard."""
    shown = [row.result for row in board]
    return [*of_results(shown), *gaps(shown), *legend(board)]


def of_results(results: Sequence[Result]) -> list[str]:
    """Lines below any table of results."""
    lines = uncertainty.legend(results)
    if any(r.shots and not r.ci_method for r in results):
        lines.append("Few-shot: mean over tries; the interval is that of the mean.")
    if any(probe_name(r).startswith("linear") for r in results):
        lines.append("linear: the linear probe, logistic regression with an L2 penalty.")
    if any(r.random for r in results):
        lines.append(RANDOM + ".")
    lines += [
        f"{SEEN} {r.dataset} / {r.backbone}: not unseen data for this backbone, {r.overlap}"
        for r in results
        if r.overlap
    ]
    splits = {(r.dataset, r.split.get("digest")): r for r in reversed(results)}
    for r in reversed(splits.values()):
        parts = f"train / val / test {r.sizes['train']} / {r.sizes['val']} / {r.sizes['test']}"
        if r.protocol == "cv":
            parts = f"{r.sizes['test']} items, each tested once; metrics are means over folds"
        lines.append(
            f"{r.dataset}: split {r.split['origin']}; patients {r.split['grouping']}; {parts}"
        )
    for r in results:
        if r.left_out:
            lines.append(f"{r.dataset}: {r.left_out} items are left out, unreadable")
        if "level" in r.settings:
            lines.append(
                f"{r.dataset}: metrics of {r.sizes['test_units']} units by {r.settings['level']}, "
                f"the {r.settings['level_by']} of the scores of their items"
            )
    if any(r.cost for r in results):
        lines.append(cost.EXPLAINED)
    among = Among(results)
    if any(among.several(r) for r in results):
        lines.append("#: features of one backbone made in different ways (frames, blocks, ...)")
    return list(dict.fromkeys(lines))


def gap(r: Result, metric: str) -> str:
    """What a probe of another data set gains there: ``-0.128 [-0.165, -0.050]``, or a dash."""
    apart = r.gap.get(metric, math.nan)
    if math.isnan(apart):
        return "-"
    return f"{apart:+.3f}{ends(r.gap_ci.get(metric, (math.nan, math.nan)))}"


def gaps(results: Sequence[Result]) -> list[str]:
    """A line for each result on another data set than that trained on."""
    lines = []
    for r in results:
        by = metrics.ranking(r.task)
        if by in r.gap:
            lines.append(
                f"{row(r)}: {metrics.about(by).label} "
                f"{gap(r, by)} against the test items of {r.settings['source']}"
            )
    return lines


def subgroups(results: Sequence[Result]) -> list[str]:
    """A line for each result with subgroups: each value, the worst one named."""
    lines = []
    for r in results:
        if not r.subgroups:
            continue
        by, label = r.subgroups["metric"], metrics.about(r.subgroups["metric"]).label
        parts = []
        for name, part in r.subgroups["values"].items():
            parts.append(
                f"{name} {with_interval(part['metrics'], part['ci'], by)} "
                f"({'; '.join([str(part['units']), *part.get('notes', [])])})"
            )
        worst = f"; worst {r.subgroups['worst']}" if r.subgroups["worst"] is not None else ""
        without = r.subgroups["without"]
        worst += f"; {without} items without a value" if without else ""
        lines.append(f"{row(r)}: {label} by {r.subgroups['column']}: {', '.join(parts)}{worst}")
    return lines


def components(results: Sequence[Result]) -> list[str]:
    """A line for each mean over tries: what of its uncertainty is draws, and what patients."""
    lines = []
    for r in results:
        by = metrics.ranking(r.task)
        if r.shots is None or by not in r.components:
            continue
        sd = {k: math.sqrt(v) for k, v in r.components[by].items()}
        lines.append(
            f"{row(r)}: standard deviation of "
            f"{metrics.about(by).label} {sd['tries']:.3f} between tries, {sd['mean']:.3f} left in "
            f"their mean, {sd['patients']:.3f} from patients"
        )
    return lines
