"""Every figure that results have, into a folder."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from featprobe.core.errors import FeatprobeError
from featprobe.evaluation.results import Result
from featprobe.figures import lines, points, sets
from featprobe.leaderboard.across import across
from featprobe.leaderboard.board import sortable
from featprobe.leaderboard.leagues import distinctions, leagues
from featprobe.metrics import measures as metrics
from featprobe.plots import blocks, clouds, curves, decisions, over_sets, style
from featprobe.stats.confusion import has_decisions

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MOST = 6  # results of a league whose curves are drawn into one figure
Draw = Callable[[], "Axes"]


def figures(
    results: Sequence[Result], cache: Path, metric: str | None = None
) -> Iterator[tuple[str, Draw]]:
    """Names, and what draws the figure of each: by data set first, then over data sets.

    A figure that results cannot have (scores are gone, one model) is passed over when it is drawn,
    with a :class:`~featprobe.core.errors.FeatprobeError`.
    """
    apart = distinctions(results)
    for key, members in sorted(leagues(results).items()):
        by = metric or metrics.ranking(members[0].task)
        best = sorted(members, key=lambda r: -sortable(r, by))
        of = f"{key[0]}-{apart[key]}" if apart[key] else key[0]
        yield f"forest-{of}", partial(blocks.forest, members, metric=metric, cache=cache)
        if not has_decisions(members[0].task):
            continue
        top = best[:MOST]
        yield f"roc-{of}", partial(decisions.roc, top, cache=cache)
        yield f"precision-recall-{of}", partial(decisions.precision_recall, top, cache=cache)
        yield f"calibration-{of}", partial(decisions.calibration, top[:3], cache=cache)
        yield f"confusion-{of}", partial(decisions.confusion_matrix, best[0], cache=cache)
        yield f"per-class-{of}", partial(blocks.per_class, best[0])
        for r in [r for r in best if r.subgroups][:1]:
            yield f"subgroups-{of}", partial(blocks.subgroups, r)
    kinds = (
        ("few-shot", lines.over_shots(results, metric)),
        ("data-fraction", lines.over_fractions(results, metric)),
        ("blocks", lines.over_blocks(results, metric)),
        ("depth", lines.over_depth(results, metric)),
        ("training", lines.training(results)),
    )
    for name, panels in kinds:
        for panel in panels:
            yield f"{name}-{panel.title}", partial(curves.draw, panel, None)
    if points.pairs(results, metric):
        yield "frozen-unfrozen", partial(clouds.frozen_unfrozen, results, metric=metric)
    known = points.costs(results, cache)
    for cost in points.COSTS:
        for cloud in points.over_cost(results, known, cost, metric):
            yield f"{cost}-{cloud.title}", partial(clouds.draw_costs, cloud, None)
    for table in across(results, metric):
        of = table.protocol
        ranks = sets.ranks(table)
        yield f"ranks-{of}", partial(over_sets.draw_ranks, ranks, None)
        yield f"mean-ranks-{of}", partial(over_sets.draw_mean_ranks, ranks, None)
        yield f"wins-{of}", partial(over_sets.draw_wins, ranks, None)
        if table.common is not None:
            yield f"boxes-{of}", partial(over_sets.draw_boxes, table, None)


def save_all(
    results: Sequence[Result], cache: Path, folder: Path, kind: str = "pdf",
    metric: str | None = None,
) -> tuple[list[Path], list[str]]:  # fmt: skip
    """Write every figure; the files, and which figures there are not, with the reason."""
    style.library()
    written: dict[str, Path] = {}
    without = []
    for name, draw in figures(results, cache, metric):
        plain = re.sub(r"[^\w.+-]+", "-", name)[:80].strip("-")
        unique = plain
        while unique in written:
            unique = f"{plain}-{len(written)}"
        try:
            written[unique] = style.save(draw(), folder / f"{unique}.{kind}")
        except FeatprobeError as error:
            without.append(f"{name}: {error}")
    return list(written.values()), without
