"""Ranked tables of Results: terminal, Markdown, CSV."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from featprobe.errors import InputError, UnknownName, nearest, reason
from featprobe.fingerprint import write_text_atomic
from featprobe.metrics import NAMES
from featprobe.results import Result

LABELS = {"auroc": "AUROC", "accuracy": "accuracy", "balanced_accuracy": "bal. acc.", "f1": "F1"}
RANDOM = "random: weights drawn from a seed, not pretrained"
SEEN = "†"


@dataclass(frozen=True)
class Row:
    """A result with its rank among the results of one data set under one protocol."""

    rank: int
    result: Result


def setting(r: Result) -> str:
    """The setting of a result in a few characters: ``k=20``, ``C=0.01``, ``4 shots x 20``."""
    if r.shots is not None:
        unit = "patients" if r.settings.get("by") == "patient" else "shots"
        return f"{r.shots} {unit} x {r.settings['tries']}"
    for key, name in (("k", "k"), ("Cs", "C")):
        value = r.params.get(key)
        if isinstance(value, list):  # the folds of a cross-validation, each with its own
            return f"{len(value)} folds"
        if value is not None:
            return f"{name}={value:.3g}"
    return f"{r.settings['folds']} folds" if r.protocol == "cv" else ""


def probe_name(r: Result) -> str:
    """The verb of a result: ``knn``, ``linear``, ``fewshot logistic``; other views are said."""
    name = f"fewshot {r.probe}" if r.protocol == "fewshot" else r.probe
    name = "linear" if name == "logistic" else name
    view = "" if r.view in ("cls", "mean") else f" {r.view}"
    return name + view + ("" if r.pool == "mean" else f" pool {r.pool}")


def value(r: Result, metric: str) -> str:
    """``0.812 [0.770, 0.851]``, with a dash where the metric is not defined."""
    if math.isnan(r.metrics[metric]):
        return "-"
    low, high = r.ci[metric]
    return f"{r.metrics[metric]:.3f} [{low:.3f}, {high:.3f}]"


def build(
    results: Sequence[Result],
    metric: str,
    data: Sequence[str] = (),
    model: Sequence[str] = (),
    where: Path | None = None,
) -> list[Row]:
    """Rank results by a metric, within a data set, a protocol and a number of shots.

    Equal values share a rank. Raises :class:`InputError` where there are no results,
    :class:`UnknownName` for a data set or backbone without any.
    """
    if not results:
        raise InputError(
            f"no results in {where}; run 'featprobe knn', 'fewshot' or 'linear' on extracted "
            "features first"
        )
    for wanted, known in (
        (data, {r.dataset for r in results}),
        (model, {r.backbone for r in results}),
    ):
        for name in wanted:
            if name not in known:
                raise UnknownName(
                    f"no results for {name!r}.{nearest(name, known)} There: "
                    f"{', '.join(sorted(known))}"
                )
    chosen = [
        r for r in results
        if (not data or r.dataset in data) and (not model or r.backbone in model)
    ]  # fmt: skip
    leagues: dict[tuple[str, str, int], list[Result]] = {}
    for r in chosen:
        leagues.setdefault(_league(r), []).append(r)
    rows = []
    for key in sorted(leagues):
        values = [_sortable(r, metric) for r in leagues[key]]
        for r in sorted(leagues[key], key=lambda r: -_sortable(r, metric)):
            rows.append(Row(1 + sum(v > _sortable(r, metric) for v in values), r))
    return rows


def _league(r: Result) -> tuple[str, str, int]:
    """Results that are ranked together: one protocol, one split, one number of shots."""
    order = {"full": "0", "cv": "1"}.get(r.protocol, f"2 {r.settings.get('by')}")
    return r.dataset, f"{order} {r.split.get('digest', '')}", r.shots or 0


def _sortable(r: Result, metric: str) -> float:
    return -1.0 if math.isnan(r.metrics[metric]) else r.metrics[metric]


def print_results(results: Sequence[Result], title: str) -> None:
    """The table of one probing command; the candidate chosen on val is marked."""
    several = any(not r.selected for r in results)
    table = _table(title, ["data", "backbone", "setting", *_metric_heads(), "test (patients)"])
    for r in results:
        mark = " *" if several and r.selected else ""
        name = backbone_name(r, results)
        table.add_row(r.dataset, name, setting(r) + mark, *_metric_cells(r), _size(r))
    _print(table, results)
    if several:
        print("* chosen on validation data; the other rows are shown, not selected on test")


def print_board(board: Sequence[Row], metric: str) -> None:
    """The leaderboard in the terminal."""
    table = _table(
        f"leaderboard, ranked by {LABELS[metric]}",
        ["data", "#", "backbone", "probe", "setting", *_metric_heads(metric), "test (patients)"],
    )
    last = None
    shown = [row.result for row in board]
    for row in board:
        r = row.result
        if last is not None and last != _league(r):
            table.add_section()
        name = "" if last == _league(r) else r.dataset
        table.add_row(
            name,
            str(row.rank),
            backbone_name(r, shown),
            probe_name(r),
            setting(r),
            *_metric_cells(r, metric),
            _size(r),
        )
        last = _league(r)
    _print(table, [row.result for row in board])


def write(board: Sequence[Row], metric: str, stem: Path) -> list[Path]:
    """Write STEM.md and STEM.csv; the CSV has every metric, interval, chance level and size."""
    paths = [stem.with_name(stem.name + s) for s in (".md", ".csv")]
    try:
        stem.parent.mkdir(parents=True, exist_ok=True)
        write_text_atomic(paths[0], markdown(board, metric))
        write_text_atomic(paths[1], as_csv(board))
    except OSError as error:
        raise InputError(f"{stem}: cannot be written: {reason(error)}") from error
    return paths


def markdown(board: Sequence[Row], metric: str) -> str:
    """The leaderboard as a Markdown table."""
    heads = [
        "data",
        "rank",
        "backbone",
        "probe",
        "setting",
        *_metric_heads(metric),
        "test (patients)",
    ]
    shown = [row.result for row in board]
    lines = [
        f"# Leaderboard, ranked by {LABELS[metric]}",
        "",
        "| " + " | ".join(h.replace("\n", " ") for h in heads) + " |",
        "|" + " --- |" * len(heads),
    ]
    for row in board:
        r = row.result
        cells = [
            r.dataset, str(row.rank), backbone_name(r, shown), probe_name(r), setting(r),
            *_metric_cells(r, metric),
            _size(r),
        ]  # fmt: skip
        lines.append("| " + " | ".join(c.replace("|", "\\|") for c in cells) + " |")
    return "\n".join([*lines, "", *_legend([row.result for row in board]), ""])


def as_csv(board: Sequence[Row]) -> str:
    """The leaderboard as CSV, full precision."""
    out = io.StringIO()
    writer = csv.writer(out)
    heads = ["data", "rank", "backbone", "random", "overlap", "probe", "setting", "view", "pool"]
    for n in NAMES:
        heads += [n, f"{n}_low", f"{n}_high", f"{n}_chance", f"{n}_spread"]
    writer.writerow([*heads, "train", "val", "test", "test_patients", "split", "id"])
    for row in board:
        r = row.result
        cells = [
            r.dataset, row.rank, r.backbone, r.random, r.overlap, probe_name(r), setting(r), r.view,
            r.pool,
        ]  # fmt: skip
        for n in NAMES:
            cells += [r.metrics[n], *r.ci[n], r.chance[n], r.spread.get(n, "")]
        sizes = [r.sizes[n] for n in ("train", "val", "test", "test_groups")]
        writer.writerow([*cells, *sizes, r.split["origin"], r.id])
    return out.getvalue()


def _metric_heads(metric: str = "balanced_accuracy") -> list[str]:
    """AUROC and accuracy with interval and chance, and balanced accuracy or the ranking metric."""
    return ["AUROC [95 %]", "chance", "accuracy [95 %]", "chance", LABELS[_third(metric)]]


def _metric_cells(r: Result, metric: str = "balanced_accuracy") -> list[str]:
    third = r.metrics[_third(metric)]
    return [
        value(r, "auroc"), f"{r.chance['auroc']:.2f}", value(r, "accuracy"),
        f"{r.chance['accuracy']:.2f}", "-" if math.isnan(third) else f"{third:.3f}",
    ]  # fmt: skip


def _third(metric: str) -> str:
    return metric if metric == "f1" else "balanced_accuracy"


def _size(r: Result) -> str:
    return f"{r.sizes['test']} ({r.sizes['test_groups']})"


def _legend(results: Sequence[Result]) -> list[str]:
    lines = ["Intervals: 95 %, bootstrap over patients of the test set."]
    if any(r.shots for r in results):
        lines.append("Few-shot: mean over tries; the interval is that of the mean.")
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
        lines += [f"{r.dataset} / {r.backbone}: {n}" for n in r.notes if "patients on both" in n]
    if any("#" in backbone_name(r, results) for r in results):
        lines.append("#: features of one backbone made in different ways (frames, blocks, ...)")
    return list(dict.fromkeys(lines))


def backbone_name(r: Result, among: Sequence[Result]) -> str:
    """The backbone; marked where the same one appears with features made otherwise, or was
    pretrained on the data."""
    same = {o.variant for o in among if (o.dataset, o.backbone) == (r.dataset, r.backbone)}
    name = r.backbone if len(same) == 1 else f"{r.backbone} #{r.variant[:4]}"
    return f"{name} {SEEN}" if r.overlap else name


def _table(title: str, heads: Sequence[str]) -> Any:
    from rich import box
    from rich.table import Table

    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    for h in heads:
        table.add_column(h, no_wrap=True)
    return table


def _print(table: Any, results: Sequence[Result]) -> None:
    from rich.console import Console

    console = Console(width=240)  # rows stay whole, in a pipe and in a narrow window
    with console.capture() as text:
        console.print(table)
    print(*(line.rstrip() for line in text.get().splitlines()), sep="\n")
    print(*_legend(results), sep="\n")
