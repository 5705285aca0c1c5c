"""The sections of figures: by league, of curves, over data sets, of trainings and costs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from pathlib import Path

import numpy as np

from featprobe.core.display import ends
from featprobe.core.errors import InputError
from featprobe.evaluation import results as kept
from featprobe.evaluation.results import Result
from featprobe.figures import intervals, lines, points, scores, sets
from featprobe.leaderboard.across import across, competitor
from featprobe.leaderboard.board import Row
from featprobe.leaderboard.row_labels import Among
from featprobe.leaderboard.set_means import means
from featprobe.metrics import measures as metrics
from featprobe.metrics.item_scores import ItemScores
from featprobe.report import charts
from featprobe.report.privacy import Hide
from featprobe.report.svg import element, text_of
from featprobe.stats.confusion import confusion_matrix, has_decisions

TOP = 4  # results of a league whose curves are drawn
RESAMPLES = 200  # of bands
AFFORDABLE = 200_000  # scores of a result: of as many no curve is drawn in a page
MOST = 14  # models of a win matrix


def by_league(board: Sequence[Row], cache: Path, hide: Hide) -> list[str]:
    """For each league its forest plot, and what kept scores of its first rows show."""
    out = []
    blocks = intervals.of_board(board)
    groups = [list(rows) for _, rows in groupby(board, key=lambda row: row.league)]
    for i, (block, rows) in enumerate(zip(blocks, groups)):
        more = len(block.values) - 20
        left = f" The first 20 of {len(block.values)}." if more > 0 else ""
        figures = [
            _figure(
                charts.forest(block), "Forest plot",
                f"filled: what may be the first by the tests; dotted: chance.{left}",
            )
        ]  # fmt: skip
        figures += _of_scores(rows, cache)
        r = rows[0].result
        single = intervals.of_classes(r)
        if single.values:
            figures.append(_figure(charts.forest(single), "Per class", f"of {single.title}"))
        for r in [row.result for row in rows if row.result.subgroups][:2]:
            found = intervals.of_subgroups(r)
            values = [intervals.Value(hide(v.label), v.value, v.low, v.high) for v in found.values]
            shown = intervals.Block(found.title, found.metric, values)
            figures.append(_figure(charts.forest(shown), "Subgroups", f"of {found.title}"))
        name = text_of(rows[0].data)
        body = element("summary", name) + _grid(figures)
        out.append(f"<details{' open' if i == 0 else ''}>{body}</details>")
    return out


def _of_scores(rows: Sequence[Row], cache: Path) -> list[str]:
    """ROC, precision-recall, calibration and confusion of the first rows with scores."""
    among = Among(row.result for row in rows)
    found: list[tuple[str, ItemScores, Result]] = []
    for row in rows[:TOP]:
        try:
            scored = kept.scored(cache, row.result)
        except InputError:
            continue
        if has_decisions(scored.task) and sum(p.size for p in scored.tries) <= AFFORDABLE:
            found.append((competitor(row.result, among), scored, row.result))
    if not found:
        return []
    roc = [(n, scores.roc(s, resamples=RESAMPLES)) for n, s, _ in found]
    pr = [(n, scores.precision_recall(s, resamples=RESAMPLES)) for n, s, _ in found]
    cal = [(n, scores.calibration(s, resamples=RESAMPLES)) for n, s, _ in found[:2]]
    of = "mean of classes; bands: 95 % by patient"
    if found[0][1].y.ndim == 1 and found[0][1].tries[0].shape[1] == 2:
        of = f"of {found[0][1].classes[1] if found[0][1].classes else 'the second class'}; bands: "
        of += "95 % by patient"
    out = [
        _figure(charts.bands(roc, "1 - specificity", "sensitivity", True), "ROC", of),
        _figure(charts.bands(pr, "recall", "precision", False), "Precision and recall", of),
        _figure(charts.reliability(cal), "Calibration", "size: share of the items"),
    ]
    name, first, _ = found[0]
    if first.y.ndim == 1 and len(first.classes) <= 20:
        of_rows = confusion_matrix(first, resamples=RESAMPLES)
        counts, shade = of_rows.counts, np.nan_to_num(of_rows.share)
        names = first.classes or tuple(map(str, range(len(counts))))
        titles = [[_share(*cell) for cell in zip(*row)] for row in zip(*of_rows[1:])]
        chart = charts.matrix(counts, shade, names, names, "decided", "true", titles=titles)
        out.append(_figure(chart, "Confusion", f"items, of {name}; shares of the row in the cells"))
    return out


def _share(share: float, low: float, high: float) -> str:
    """``0.812 [0.770, 0.851] of the row``; nothing of a row without items."""
    return "" if np.isnan(share) else f"{share:.3f}{ends((low, high))} of the row"


def curves(results: Sequence[Result], metric: str | None) -> list[str]:
    """Few-shot, data-fraction and layer curves, then trainings."""
    kinds = (
        ("Few-shot", lines.over_shots(results, metric)),
        ("Data fraction", lines.over_fractions(results, metric)),
        ("Blocks", lines.over_blocks(results, metric)),
        ("Depth", lines.over_depth(results, metric)),
        ("Training", lines.training(results)),
    )
    out = []
    for name, panels in kinds:
        for panel in panels:
            left = f", the first 12 of {len(panel.lines)}" if len(panel.lines) > 12 else ""
            bands = "" if name == "Training" else "; bands: 95 %"
            out.append(_figure(charts.lines(panel), name, panel.title + bands + left))
    return out


def clouds(
    results: Sequence[Result], known: Mapping[str, Mapping[str, float]], metric: str | None
) -> list[str]:
    """Frozen against trained, and quality against every cost that is known."""
    out = [
        _figure(
            charts.cloud(c, False, True), "Frozen and trained",
            "above the diagonal training has paid; over the linear probe where there is one",
        )
        for c in points.pairs(results, metric)
    ]  # fmt: skip
    for cost, name in points.COSTS.items():
        found = points.over_cost(results, known, cost, metric)
        out += [_figure(charts.cloud(c, True), f"Quality and {name}", c.title) for c in found[:8]]
    return out


def over_sets(
    results: Sequence[Result], cache: Path, metric: str | None, over: Sequence[str], hide: Hide
) -> list[str]:
    """For each protocol ranks, wins, and means over data sets with the kept scores."""
    out = []
    for table in across(results, metric, over):
        found = sets.ranks(table)
        k, n = len(found.table.models), len(found.table.sets)
        figures = [
            _figure(charts.ranks(found), "Mean ranks", "intervals: t over the data sets"),
        ]
        w = found.won[:MOST, :MOST]
        names = [str(i + 1) for i in range(len(w))]
        chart = charts.matrix(w, w / n, names, names, "is worse", "is better", "g")
        more = f" The first {MOST} of {k}." if k > MOST else ""
        figures.append(
            _figure(chart, "Wins", f"on how many data sets; numbers as of the mean ranks.{more}")
        )
        if table.common is not None:
            ranked = sets.boxes(found.table)[:20]
            about = metrics.about(table.common)
            figures.append(_figure(charts.boxes(ranked, about.label), "Over data sets", ""))
            figures += _means(found, cache)
        left = "".join(element("li", text_of(hide(t))) for t in found.table.left_out[:40])
        left = element("ul", left, class_="said") if left else ""
        title = element("h3", text_of(table.protocol))
        out.append(
            title + element("p", text_of(sets.ranks_sentence(found))) + _grid(figures) + left
        )
    return out


def _means(found: sets.Ranks, cache: Path) -> list[str]:
    """The mean over data sets, where scores of all are there and few enough."""
    table = found.table
    cells = [r for row in table.cells for cell in row for r in cell]
    if len(cells) > 200 or not all(kept.scores_file(cache, r).is_file() for r in cells):
        return []
    made = means(cache, table, resamples=RESAMPLES)
    values = [
        intervals.Value(*v) for v in zip(table.models, made.mean, made.low, made.high)
    ]  # fmt: skip
    block = intervals.Block("all data sets", str(table.common), values[:20])
    words = "of the values of all data sets; intervals resample patients and seeds together"
    return [_figure(charts.forest(block), "Mean over data sets", words)]


def _figure(chart: str, title: str, words: str) -> str:
    caption = element("b", text_of(title)) + (f" {text_of(words)}" if words else "")
    return element("figure", chart + element("figcaption", caption))


def _grid(figures: Iterable[str]) -> str:
    return element("div", "".join(figures), class_="figures")
