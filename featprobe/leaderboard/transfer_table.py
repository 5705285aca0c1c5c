"""Results of probes on data sets that they were not fitted to, as tables and lines."""

from __future__ import annotations

from collections.abc import Sequence

from featprobe.evaluation.results import Result
from featprobe.leaderboard import legends, uncertainty
from featprobe.leaderboard.columns import by_columns, number, value
from featprobe.leaderboard.footnotes import Footnotes
from featprobe.leaderboard.row_labels import Among, backbone_name, setting
from featprobe.leaderboard.terminal import make_table, show
from featprobe.leaderboard.threshold_metrics import threshold_metrics
from featprobe.metrics import measures as metrics

EXPLAINED = (
    "gap: the value minus that on the test items of the data set trained on; its interval is under "
    "new patients of both, for this fit."
)


def print_transfers(results: Sequence[Result]) -> None:
    """A table of all pairs, where there are several a matrix before it, and what is below."""
    noted, among = Footnotes(results), Among(results)
    for names, part in by_columns((r, None) for r in results):
        rows = [r for r, _ in part]
        for matrix in matrices(rows, names[0]):
            _print_matrix(matrix, names[0])
        first, second = names[:2]
        heads = ["trained on", "tested on", "backbone", "setting"]
        for n in (first, second):
            heads += [f"{metrics.about(n).label} [95 %]", "gap [95 %]"]
        table = make_table("transfer", [*heads, "test (patients)"])
        last = None
        for r in rows:
            if last is not None and r.in_domain != last.id:
                table.add_section()
            last = r if not r.in_domain else last
            table.add_row(
                r.settings["source"], r.dataset, backbone_name(r, among), _setting(r),
                value(r, first), legends.gap(r, first), value(r, second), legends.gap(r, second),
                uncertainty.size(r) + noted.marks(r),
            )  # fmt: skip
        show(table)
    print(*legends.of_results(results), EXPLAINED, *threshold_metrics(results), sep="\n")
    for line in noted.lines():
        print(line)


def _setting(r: Result) -> str:
    """Its setting without the data set trained on, which has a column."""
    return setting(r).removeprefix(f"trained on {r.settings['source']}").removeprefix(", ")


def matrices(results: Sequence[Result], metric: str) -> list[dict[tuple[str, str], Result]]:
    """Trained on x tested on, one for each backbone and probe with more than one pair."""
    found: dict[tuple[str, ...], dict[tuple[str, str], Result]] = {}
    for r in results:
        if metric in r.metrics:
            of = (r.backbone, r.variant, r.probe, str(sorted(r.settings["classes"])))
            found.setdefault(of, {})[r.settings["source"], r.dataset] = r
    return [m for m in found.values() if sum(a != b for a, b in m) > 1]


def _print_matrix(matrix: dict[tuple[str, str], Result], metric: str) -> None:
    sources, tested = (list(dict.fromkeys(pair[k] for pair in matrix)) for k in (0, 1))
    one = next(iter(matrix.values()))
    print(f"{metrics.about(metric).label}, {one.backbone}, {one.probe}: trained on, tested on")
    table = make_table("", ["trained on", *tested])
    for a in sources:
        cells = [
            number(matrix[a, b].metrics, metric) if (a, b) in matrix else "-" for b in tested
        ]  # fmt: skip
        table.add_row(a, *cells)
    show(table)
