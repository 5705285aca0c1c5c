"""The page: one HTML file with everything in it, which asks for nothing from anywhere."""

from __future__ import annotations

import time
from collections.abc import Collection, Sequence
from pathlib import Path

from featprobe.core._version import __version__
from featprobe.core.errors import InputError
from featprobe.evaluation.results import Result
from featprobe.figures import points
from featprobe.figures.colours import clean
from featprobe.figures.embedding.embedding_map import EmbeddingMap
from featprobe.leaderboard import legends
from featprobe.leaderboard.board import Row
from featprobe.leaderboard.compare import Comparison, compare
from featprobe.leaderboard.differences import HEADS, legend_of, rows_of
from featprobe.leaderboard.footnotes import Footnotes
from featprobe.report import figures
from featprobe.report.map_section import SCRIPTS, section
from featprobe.report.overlay_figures import WARNING, overlay_figures
from featprobe.report.privacy import Hide, hiding
from featprobe.report.rows import as_json, data
from featprobe.report.shell import asset, policy, whole
from featprobe.report.svg import element, text_of

COMPARED = 120  # results: of more, pairs are not listed


def page(
    board: Sequence[Row], cache: Path, metric: str | None = None, across: Collection[str] = (),
    name: str = "Results", maps: Sequence[EmbeddingMap] = (),
    overlays: Path | None = None,
) -> str:  # fmt: skip
    """The page of a leaderboard: its table with details, and all figures that its results have.

    ``cache``: where scores and stores are kept; what is not there is not drawn. ``across``: as of
    :func:`~featprobe.leaderboard.board.build`. ``maps``: shown in a section of their own.
    ``overlays``: a folder of pictures of segmented items, which are patient images.

    The file loads nothing and its policy forbids it to (Content-Security-Policy); texts from data
    are escaped; names of patients and items do not occur (:class:`Hide`).
    """
    found = [row.result for row in board]
    hide = hiding(cache, found)
    known = points.costs(found, cache)
    sections = [
        ("figures", "By data set", "".join(figures.by_league(board, cache, hide))),
        ("curves", "Curves", _grid(figures.curves(found, metric))),
        ("sets", "Across data sets",
         "".join(figures.over_sets(found, cache, metric, list(across), hide))),
        ("costs", "Training and cost", _grid(figures.clouds(found, known, metric))),
        ("tests", "Paired tests", _tests(cache, found, metric, across, hide)),
        ("overlays", "Segmented items", _overlays(overlays, hide)),
        ("maps", "Maps", _maps(maps)),
        ("notes", "Notes", _notes(board, hide)),
    ]  # fmt: skip
    shown = [(key, title, body) for key, title, body in sections if body]
    script = asset("theme.js", "page.js", *(SCRIPTS if maps else ()))
    links = "".join(
        element("li", element("a", text_of(title), href=f"#{key}"))
        for key, title in [("results", "Results"), *((k, t) for k, t, _ in shown)]
    )
    parts = {
        "title": text_of(name),
        "policy": policy(script, overlays is not None),
        "style": asset("page.css", *(["map.css"] if maps else [])),
        "links": links,
        "what": text_of(_summary(found)),
        "sections": "".join(
            element("section", element("h2", text_of(title)) + body, id=key)
            for key, title, body in shown
        ),
        "version": text_of(__version__),
        "closed": ", and holds no name of a patient or an item" if overlays is None else "",
        "data": as_json(_cleaned(data(board, metric, known, hide))),
        "script": script,
    }
    return whole("page.html", parts)


def _summary(found: Sequence[Result]) -> str:
    counts = [
        (len(found), "result", "results"),
        (len({r.backbone for r in found}), "backbone", "backbones"),
        (len({r.dataset for r in found}), "data set", "data sets"),
    ]
    parts = [f"{n} {one if n == 1 else more}" for n, one, more in counts]
    made = time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime())
    return f"{parts[0]} of {parts[1]} on {parts[2]}. {made}."


def _tests(
    cache: Path, found: Sequence[Result], metric: str | None, across: Collection[str], hide: Hide
) -> str:
    """Each result against the best of its league, with what the tests of all pairs say."""
    if len(found) > COMPARED:
        return ""
    try:
        made, notes = compare(cache, found, metric, between="all", across=across)
    except InputError:  # one result a league, or scores are gone
        return ""
    lines = [*legend_of(made), *(f"left aside: {n}" for n in dict.fromkeys(notes))]
    return _differences(made) + _list(hide.all(lines))


def _differences(made: Sequence[Comparison]) -> str:
    # of a narrow page: the data set, both results, the difference, its p in the family
    wide = {i for i, head in enumerate(HEADS) if head in ("metric", "values", "p")}

    def cell(i: int, text: str, kind: str) -> str:
        body = f"<bdi>{text_of(text)}</bdi>"
        shown = ("wide " if i in wide else "") + ("num" if i > 3 else "name")
        more = {"scope": "col"} if kind == "th" else {}
        return element(kind, body, class_=shown, **more)

    head = "".join(cell(i, h, "th") for i, h in enumerate(HEADS))
    rows = (
        "".join(cell(i, t, "td") for i, t in enumerate([c.one.dataset, *values]))
        for c, values in zip(made, rows_of(made))
    )
    body = "".join(element("tr", r, class_="row") for r in rows)
    table = element("thead", element("tr", head)) + element("tbody", body, class_="league")
    of = {"aria_label": "Paired differences"}
    return element(
        "div", element("table", table, **of), class_="scroll", tabindex="0", role="region", **of
    )


def _notes(board: Sequence[Row], hide: Hide) -> str:
    found = [row.result for row in board]
    return _list(hide.all([*legends.of_board(board), *Footnotes(found).lines()]))


def _overlays(folder: Path | None, hide: Hide) -> str:
    if folder is None:
        return ""
    return element("p", text_of(WARNING)) + "".join(overlay_figures(folder, hide))


def _maps(maps: Sequence[EmbeddingMap]) -> str:
    return "".join(
        element("h3", f"<bdi>{text_of(of.dataset)}</bdi>, {text_of(of.backbone)}") + section(of)
        for of in maps
    )


def _list(lines: Sequence[str]) -> str:
    items = "".join(element("li", f"<bdi>{text_of(t)}</bdi>") for t in lines)
    return element("ul", items, class_="said") if items else ""


def _grid(of: Sequence[str]) -> str:
    return element("div", "".join(of), class_="figures") if of else ""


def _cleaned(value: dict[str, object]) -> dict[str, object]:
    """All texts in one line."""
    return value | {"strings": [clean(t) for t in value["strings"]]}  # type: ignore[attr-defined]
