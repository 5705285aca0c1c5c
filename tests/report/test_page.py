"""The page as a file: what is in it, and what is not."""

from __future__ import annotations

import json
import re
import time
import xml.etree.ElementTree as ElementTree
from html.parser import HTMLParser

import numpy as np
import pytest

from featprobe.evaluation import results
from featprobe.leaderboard import latex, records, table
from featprobe.leaderboard.board import build
from featprobe.leaderboard.columns import value
from featprobe.report.page import page
from featprobe.report.privacy import HIDDEN, hiding
from featprobe.report.rows import as_json
from featprobe.report.shell import write
from tests.evaluation.test_results import result
from tests.figures.large import benchmark
from tests.figures.made import kept, linear
from tests.plots.test_plots import HOSTILE

VOID = {"meta", "input", "br", "link", "img"}


class Reader(HTMLParser):
    """Every element with its attributes, balanced; scripts apart."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.elements: list[tuple[str, dict]] = []
        self.scripts: list[str] = []
        self.feed(text)
        assert not self.open, self.open

    def handle_starttag(self, tag, attrs) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)
        if tag == "script":
            self.scripts.append("")

    def handle_startendtag(self, tag, attrs) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data) -> None:
        if self.open and self.open[-1] == "script":
            self.scripts[-1] += data


def data_of(text: str) -> dict:
    return json.loads(Reader(text).scripts[0])


def test_it_holds_everything_and_loads_nothing(study) -> None:
    _, _, path = study
    text = path.read_text()
    read = Reader(text)
    for tag, attributes in read.elements:
        assert tag not in ("link", "img", "iframe", "object", "base", "form", "embed")
        for name in ("src", "srcset", "action", "data", "background", "xlink:href", "style"):
            assert name not in attributes, (tag, name)
        assert not [a for a in attributes if a.startswith("on")]
        assert attributes.get("href", "#").startswith("#")
    assert len(read.scripts) == 2
    assert "@import" not in text
    assert not re.search(r"url\(", text)
    policy = next(a["content"] for t, a in read.elements if a.get("http-equiv"))
    assert policy.startswith("default-src 'none'")
    assert "unsafe-eval" not in policy
    for chart in re.findall(r"(?s)<svg .*?</svg>", text):
        ElementTree.fromstring(chart)  # every figure is well formed
    assert text.count("<svg ") > 30
    for title in ("Forest plot", "ROC", "Precision and recall", "Calibration", "Confusion",
                  "Per class", "Subgroups", "Few-shot", "Data fraction", "Blocks", "Training",
                  "Frozen and trained", "Mean ranks", "Wins", "Over data sets",
                  "Mean over data sets", "Quality and seconds of fit"):  # fmt: skip
        assert f"<b>{title}</b>" in text, title
    assert "Paired differences" in text


def test_no_name_of_a_patient_or_an_item_is_in_it(cache) -> None:
    found = [
        linear(cache, d, b, 0.5, group="Doe^Jane-", n=60, patients=20)
        for d in ("films", "skin") for b in ("dino", "mae")
    ]  # fmt: skip
    scored = results.scored(cache, found[0])
    names = {*scored.ids.tolist(), *scored.groups.tolist()}
    assert "Doe^Jane-001" in names
    found[0].notes = [
        f"80 of 80 items are shown all white, first {scored.ids[3]}: choose another --intensity",
        f"no thresholds of decisions: on val {scored.groups[2]}: its items have different targets "
        f"({scored.ids[1]}: no, {scored.ids[4]}: yes), so it has no single one",
        "all white, first other/never_scored_7.dcm: look",
        "5 of 20 test items are odd",
        f"only '{scored.groups[5]}', ({scored.groups[6]}); {scored.groups[7]}.",
    ]
    found[0].split["grouping"] = f"names such as {scored.groups[1]}"
    found[1].subgroups = {
        "column": "who", "without": 0, "metric": "auroc", "worst": "Doe^Jane-003",
        "values": {
            g: {"units": 3, "patients": 1, "metrics": {"auroc": 0.5}, "ci": {}, "notes": []}
            for g in ("Doe^Jane-003", "Doe^Jane-004")
        },
    }  # fmt: skip
    text = page(build(found), cache)
    for name in names:
        assert name not in text
    assert "Doe" not in text
    assert "never_scored" not in text
    assert "5 of 20 test items are odd" in text
    assert HIDDEN in text


def test_numbers_that_are_counts_are_not_hidden(cache) -> None:
    made = kept(cache, "films", "b", 0.5, group="", n=60, patients=20)  # patients 000, 001, ...
    hide = hiding(cache, [made])
    assert hide("001 of 019 items") == "001 of 019 items"
    assert hide("item i0003, (i0004)") == f"item {HIDDEN}, ({HIDDEN})"
    assert hide("i00035 stays") == "i00035 stays"


def test_names_of_any_kind_are_text(cache) -> None:
    found = [
        linear(cache, data, name, 0.3 + 0.1 * i, classes=HOSTILE[:3])
        for data in HOSTILE for i, name in enumerate(HOSTILE[:3])
    ]  # fmt: skip
    found[0].notes = ["</script><script>alert(2)</script>", "<!-- \u2028 ]]>"]
    text = page(build(found), cache, name="</title><script>alert(3)</script>")
    read = Reader(text)
    assert len(read.scripts) == 2
    assert not [t for t, _ in read.elements if t not in KNOWN]
    strings = data_of(text)["strings"]
    assert "</script><script>alert(2)</script>" in strings
    assert "<script>alert(1)</script>" in strings
    assert not any("\n" in s or "\u202e" in s for s in strings)
    for chart in re.findall(r"(?s)<svg .*?</svg>", text):
        ElementTree.fromstring(chart)


KNOWN = {
    "html", "head", "meta", "title", "style", "body", "a", "header", "div", "h1", "h2", "h3",
    "button", "p", "nav", "ul", "li", "main", "section", "label", "input", "select", "option",
    "span", "noscript", "details", "summary", "figure", "figcaption", "b", "bdi", "svg", "path",
    "text", "line", "rect", "circle", "table", "thead", "tbody", "tr", "th", "td", "footer",
    "script",
}  # fmt: skip


def test_page_csv_latex_terminal_and_json_carry_the_same_numbers(study, capsys) -> None:
    board, _, path = study
    held = data_of(path.read_text())
    strings, (of,) = held["strings"], held["tables"]
    rows = [row for league in of["leagues"] for row in league["rows"]]
    assert len(rows) == len(board)
    table.print_board(board)
    printed, tex = capsys.readouterr().out, latex.latex(board)
    markdown = table.markdown(board)
    frame = records.as_frame(board)
    for row, (cells, ends, first, _, thousandths), (_, line) in zip(board, rows, frame.iterrows()):
        r = row.result
        texts = [strings[c] for c in cells]
        said = value(r, "auroc")
        assert said in texts
        for text in (printed, tex, markdown):
            assert said in text
        assert texts[0] == row.place
        assert ends[0] == pytest.approx(r.metrics["auroc"], rel=1e-5)
        assert line["auroc"] == json.loads(r.to_json())["metrics"]["auroc"]
        assert bool(first) == row.may_be_first
        names = dict(zip(of["names"], np.reshape(thousandths, (-1, 3))))
        for name, label in (("auroc", "AUROC"), ("accuracy", "accuracy"), ("f1", "F1")):
            told = [f"{v / 1000:.3f}" for v in names[label] if v is not None]
            assert told == re.findall(r"-?\d+\.\d+", value(r, name))
    assert [strings[x["name"]] for x in of["leagues"]] == list(
        dict.fromkeys(row.data for row in board)
    )


def test_details_say_where_a_result_comes_from(cache) -> None:
    r = result(
        provenance={
            "key": {"weights": "ab" * 32, "precision": "float32", "dtype": "float16",
                    "preprocess": {"resize": [256, 256], "crop": None, "mean": [0.5]}},
            "backbone": {"name": "net", "revision": "cafe", "source": "/home/somebody/weights"},
            "versions": {"torch": "2.13.0"}, "folder": "/home/somebody/run",
        },
        versions={"featprobe": "0.1.0"}, seconds=1.25,
    )  # fmt: skip
    held = data_of(page(build([r]), cache))
    text = " | ".join(held["strings"])
    for said in ("ab" * 8, "cafe", "resize 256x256", "float32/float16", "torch 2.13.0", "1.25"):
        assert said in text
    assert "somebody" not in text
    titles = [held["strings"][b[0]] for b in held["blocks"]]
    assert titles == ["Features", "Data and split", "Probe", "Run"]


def test_regressions_and_classes_are_tables_of_their_own(cache) -> None:
    ages = [
        result(dataset=d, backbone=b, task="regression", metrics={"r2": v, "mae": 5 * v}, ci={},
               chance={"r2": 0.0}, classes=0)
        for d in ("age", "weight") for b, v in (("x", 0.5), ("y", 0.4))
    ]  # fmt: skip
    text = page(build([*ages, result()]), cache)
    assert [t["metric"] for t in data_of(text)["tables"]] == ["R2", "AUROC"]
    assert "<b>ROC</b>" not in text
    assert "<b>Mean ranks</b>" in text


@pytest.mark.slow
def test_a_large_benchmark_is_a_small_page_and_grows_no_faster_than_its_rows(cache) -> None:
    sizes, seconds = [], []
    page(build(benchmark(2, 2)), cache)  # what is imported once
    for models in (25, 50):
        board = build(benchmark(models))
        start = time.process_time()
        text = page(board, cache)
        seconds.append(time.process_time() - start)
        sizes.append(len(text.encode()))
    assert len(board) == 7200
    assert sizes[1] < 5e6
    assert sizes[1] < 2.1 * sizes[0]
    assert seconds[1] < 3.5 * seconds[0]
    rows = [r for t in data_of(text)["tables"] for x in t["leagues"] for r in x["rows"]]
    assert len(rows) == 7200


def test_json_in_a_script_ends_neither_it_nor_a_line() -> None:
    value = {"a": ["</script>", "<!--", "\u2028\u2029", "\u05d0 & é"]}
    text = as_json(value)
    assert not set("<>&\u2028\u2029") & set(text)
    assert json.loads(text) == value


def test_it_is_written_where_there_is_no_folder_yet(tmp_path) -> None:
    path = write(tmp_path / "new" / "page.html", "x")
    assert path.read_text() == "x"
