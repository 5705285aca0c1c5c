"""A study in the terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from featprobe.leaderboard.grid import Grid
from featprobe.leaderboard.probe_request import ProbeRequest
from featprobe.leaderboard.terminal import make_table, show
from featprobe.studies.beside import Row
from featprobe.studies.decoding import Decoding
from featprobe.studies.published import label
from featprobe.studies.run import StudyRun
from featprobe.studies.study import Study


def print_study(study: Study, grid: Grid, decodings: Sequence[Decoding] = ()) -> None:
    """What it is, its settings, and its published numbers."""
    print(f"{study.name}: {study.title}")
    for text in filter(None, (study.paper, study.code and f"code: {study.code}")):
        print(f"  {text}")
    print(f"  leaderboard: {study.board}")
    data = {c.data.name: c.data for c in grid.cells}
    table = make_table("data", ["name", "data set", "as"])
    for name, d in data.items():
        told = [f"{k} {v}" for k, v in d.loading.items() if k != "name"]
        table.add_row(name, d.text, ", ".join(told) or "as it is")
    show(table)
    models = dict.fromkeys(c.model for c in grid.cells)
    print(f"backbones: {', '.join(m.name for m in models)}")
    protocols = dict.fromkeys(c.protocol.name or "full" for c in grid.cells)
    print(f"protocols: {'; '.join(protocols)}")
    print(f"seeds: {', '.join(map(str, grid.seeds))}; metric: {grid.metric or 'of the task'}")
    views = make_table("probes", ["probe", "views, the first that a backbone has", "settings"])
    for request in grid.probes:
        views.add_row(*_settings(request))
    for name in dict.fromkeys(t.name for _, t in grid.finetune):
        views.add_row(name, "-", "trained end to end")
    show(views)
    if decodings:
        print("segmented:", *(f"  {d.name}" for d in decodings), sep="\n")
    _print_published(study)
    _print_words(study, grid)


def _settings(request: ProbeRequest) -> tuple[str, str, str]:
    wanted = request.how["view"]
    options = getattr(wanted, "options", None)
    views = [" ".join(o) for o in options] if options else [" ".join(wanted or ("usual",))]
    params = ", ".join(f"{k} {v}" for k, v in request.probe.get_params().items() if v is not None)
    name = request.study.name if request.study else request.name
    return name, " | ".join(views), f"{request.probe.name}: {params}"


def _print_published(study: Study) -> None:
    for name in dict.fromkeys(p.table for p in study.published):
        table = make_table(f"published: {name}", ["backbone", "data", "train", "metric", "value"])
        for p in study.published:
            if p.table == name:
                part = "all" if p.shots is None else f"{p.shots} shots"
                table.add_row(p.model, p.data, part, label(p.metric), _text(p.value))
        show(table)


def print_report(report: StudyRun) -> None:
    """Ours beside theirs, what differs by intention, what is not here, what failed."""
    study, rows = report.study, report.beside.rows
    if rows:
        show(_table(f"{study.name}: ours beside theirs", rows))
        held = [r.agrees for r in rows if r.agrees is not None]
        if held:
            print(f"{sum(held)} of {len(held)} published numbers lie in our 95 % intervals.")
    _print_words(study, report.part.grid)
    part = report.part
    print_missing(part.missing, len(part.without) + len(part.undecoded))


def _table(title: str, rows: Sequence[Row]) -> object:
    table = make_table(
        title, ["data", "backbone", "probe", "train", "metric", "ours", "95 % interval", "theirs",
                "difference", "of"],
    )  # fmt: skip
    for r in rows:
        ends = r.interval if r.interval and r.interval[0] == r.interval[0] else None
        table.add_row(
            r.data, r.model, r.probe, r.protocol or "all", label(r.metric),
            "-" if r.ours is None else _text(r.ours),
            f"{_text(ends[0])} to {_text(ends[1])}" if ends else "-",
            "-" if r.theirs is None else _text(r.theirs),
            "-" if r.difference is None else f"{r.difference:+.3f}",
            "; ".join(filter(None, (r.table, r.why, *r.notes))),
        )  # fmt: skip
    return table


def _print_words(study: Study, grid: Grid) -> None:
    if study.differs:
        print("what differs by intention:", *(f"  {t}" for t in study.differs), sep="\n")
    sources = {r.study.name: r.study.source for r in grid.probes if r.study is not None}
    if sources:
        print("settings:", *(f"  {n}: {t}" for n, t in sources.items()), sep="\n")
    if study.elsewhere:
        print("run by other commands:", *(f"  {t}" for t in study.elsewhere), sep="\n")


def print_missing(missing: Mapping[str, str], without: int) -> None:
    """What is not on this machine, and where it is to be had."""
    if not missing:
        return
    table = make_table("not on this machine", ["what", "where it is to be had"])
    for what, why in missing.items():
        table.add_row(what, why)
    show(table)
    print(f"{without} cells need these and did not run")


def _text(value: float) -> str:
    return f"{value:.3f}"
