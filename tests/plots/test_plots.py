"""Figures through matplotlib."""

from __future__ import annotations

import builtins
import re
import sys
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import featprobe.plots as plots
from featprobe.core.errors import InputError, MissingExtra, UnknownName
from featprobe.evaluation import results
from featprobe.figures.colours import PALETTE, shortened
from featprobe.plots import gallery
from featprobe.plots.style import COLUMN, PAGE, figure_of
from tests.figures.made import linear
from tests.leaderboard.test_board import with_auroc

HOSTILE = (
    "<script>alert(1)</script>", 'quotes "and" \'apostrophes\'', "two\nlines\tand a tab",
    "\u202eright to left\u202c \u05d0\u05d1\u05d2",
    "Pneumonoultramicroscopicsilicovolcanoconiosis" * 5, "$x_1$ and $y$ & 50 %",
)  # fmt: skip


def texts(ax) -> list:
    """All texts that are seen, with their boxes in pixels."""
    figure = figure_of(ax)
    figure.canvas.draw()
    from matplotlib.axis import Tick
    from matplotlib.text import Text

    renderer = figure.canvas.get_renderer()
    out = []
    # ticks beyond the ends of an axis are kept, but not drawn
    shown = {t for a in figure.axes for axis in (a.xaxis, a.yaxis) for t in axis._update_ticks()}
    beyond = {x for t in figure.findobj(Tick) if t not in shown for x in t.findobj(Text)}
    for text in figure.findobj(Text):
        if text not in beyond and text.get_visible() and text.get_text().strip():
            box = text.get_window_extent(renderer)
            if box.width > 0:
                out.append((text.get_text(), box))
    return out


def assert_readable(ax, name: str = "") -> None:
    """No text on another one, none cut off by the edge."""
    found = texts(ax)
    assert found
    edge = figure_of(ax).bbox
    for (one, a), (other, b) in combinations(found, 2):
        wide = min(a.x1, b.x1) - max(a.x0, b.x0)
        high = min(a.y1, b.y1) - max(a.y0, b.y0)
        assert wide < 1 or high < 1, f"{name}: {one!r} on {other!r}"
    for text, box in found:
        inside = box.x0 >= -1 and box.y0 >= -1 and box.x1 <= edge.x1 + 1 and box.y1 <= edge.y1 + 1
        assert inside, f"{name}: {text!r} is cut off"


@pytest.mark.slow
def test_no_text_of_any_figure_covers_another_or_is_cut(study) -> None:
    found, cache = study
    drawn = set()
    for name, draw in gallery.figures(found, cache):
        kind = name.split("-")[0]
        more = "skin" in name and kind in ("confusion", "per", "forest")
        if (kind, more) in drawn:  # one of a kind is enough
            continue
        drawn.add((kind, more))
        ax = draw()
        assert_readable(ax, name)
        assert figure_of(ax).get_size_inches()[0] in (COLUMN, PAGE)
    assert {k for k, _ in drawn} == {
        "forest", "roc", "precision", "calibration", "confusion", "per", "subgroups", "few",
        "data", "blocks", "training", "frozen", "seconds", "ranks", "mean", "wins", "boxes",
    }  # fmt: skip


@pytest.mark.slow
def test_names_of_any_kind_are_text_in_one_line_and_fit(cache) -> None:
    found = [
        linear(cache, data, name, 0.4 + 0.1 * i, classes=HOSTILE[:3])
        for data in HOSTILE[:2] for i, name in enumerate(HOSTILE)
    ]  # fmt: skip
    drawn = set()
    for name, draw in gallery.figures(found, cache):
        kind = name.split("-")[0]
        if kind in drawn:
            continue
        drawn.add(kind)
        ax = draw()
        assert_readable(ax, name)
        for text, _ in texts(ax):
            assert "\n" not in text
            assert "\u202e" not in text


def test_every_figure_is_written_under_a_plain_name(cache, monkeypatch) -> None:
    found = [linear(cache, d, b, 0.5, n=40, patients=20) for d in HOSTILE[:3] for b in HOSTILE[:2]]
    results.scores_file(cache, found[0]).unlink()
    paths, without = gallery.save_all(found, cache, cache / "out", "svg")
    assert any("scores of this result are not there" in w for w in without)
    assert len({p.name for p in paths}) == len(paths) > 8
    assert all(re.fullmatch(r"[\w.+-]+", p.name) for p in paths)
    assert all("<script>" not in p.read_text() for p in paths)


def test_a_forest_draws_the_numbers_of_the_results_and_fills_what_may_be_first(study) -> None:
    found, cache = study
    films = [r for r in found if r.dataset == "fundus"]
    ax = plots.forest(films, cache=cache)
    values = sorted(line.get_xdata()[0] for line in ax.lines if line.get_marker() == "o")
    np.testing.assert_allclose(values, sorted(r.metrics["auroc"] for r in films))
    ends = [tuple(line.get_xdata()) for line in ax.lines if line.get_linestyle() == "-"]
    assert sorted(e for e in ends if len(e) == 2) == sorted(r.ci["auroc"] for r in films)
    filled = [li.get_markerfacecolor() for li in ax.lines if li.get_marker() == "o"]
    assert 1 < filled.count(PALETTE[0]) < len(films)
    by_value = plots.forest(films)
    faces = [li.get_markerfacecolor() for li in by_value.lines if li.get_marker() == "o"]
    assert faces.count(PALETTE[0]) == 1


def test_a_learning_curve_has_the_means_and_ends_of_its_results(study) -> None:
    found, _ = study
    ax = plots.few_shot(found)
    assert [t.get_text() for t in ax.get_xticklabels()] == ["1", "2", "4", "8", "16"]
    line = next(li for li in ax.lines if li.get_label() == "dino, fewshot logistic")
    shots = sorted((r for r in found if r.shots and r.backbone == "dino"), key=lambda r: r.shots)
    np.testing.assert_allclose(line.get_ydata(), [r.metrics["auroc"] for r in shots])
    band = ax.collections[0].get_paths()[0].vertices
    assert band[:, 1].max() == max(r.ci["auroc"][1] for r in shots)
    assert len(plots.data_fraction(found).get_legend().get_texts()) == 3
    assert list(plots.by_block(found).lines[0].get_xdata()) == [1, 2, 4]


def test_a_user_s_axes_are_drawn_into(study) -> None:
    from matplotlib.figure import Figure

    found, cache = study
    fundus = [r for r in found if r.dataset == "fundus"]
    axes = Figure().subplots(1, 2)
    assert plots.roc(fundus[:2], axes[0], cache=cache, resamples=20) is axes[0]
    assert plots.mean_ranks(fundus + [r for r in found if r.dataset == "skin"], axes[1]) is axes[1]
    assert axes[0].get_xlabel() == "1 - specificity"


@pytest.mark.parametrize("kind", ["png", "svg", "pdf"])
def test_files_have_the_width_of_a_column_and_are_the_same_twice(study, tmp_path, kind) -> None:
    found, _ = study
    ax = plots.few_shot(found)
    paths = [plots.save(ax, tmp_path / f"{i}.{kind}") for i in "ab"]
    assert paths[0].read_bytes() == paths[1].read_bytes()
    if kind == "png":
        assert Image.open(paths[0]).width == round(300 * COLUMN)
    if kind == "svg":
        assert "dino, fewshot logistic" in paths[0].read_text()  # text is text
    if kind == "pdf":
        assert paths[0].read_bytes().startswith(b"%PDF")


def test_what_cannot_be_drawn_says_why(study, tmp_path) -> None:
    found, cache = study
    with pytest.raises(InputError, match="no few-shot results of two shots"):
        plots.few_shot([r for r in found if not r.shots])
    with pytest.raises(InputError, match="no protocol under which two models"):
        plots.win_matrix(found[:1])
    with pytest.raises(InputError, match="scores of this result are not there"):
        plots.roc([with_auroc(0.5)], cache=cache)
    with pytest.raises(InputError, match="no subgroups; probe with --subgroup"):
        plots.subgroups(found[1])
    with pytest.raises(InputError, match="no val of a fine-tuning"):
        plots.training_curves([found[0]], of="val")
    with pytest.raises(UnknownName, match="no cost 'parametres'. Did you mean 'parameters'"):
        plots.cost_quality(found, cost="parametres")
    with pytest.raises(UnknownName, match=r"figures are written as .png, .svg or .pdf"):
        plots.save(plots.few_shot(found), tmp_path / "x.jpg")
    with pytest.raises(InputError, match=r"no axis|no common axis"):
        plots.forest([*found[:2], with_auroc(0.5, task="regression", metrics={"r2": 0.1})])


def test_without_matplotlib_one_line_says_what_to_install(study, monkeypatch) -> None:
    found, _ = study
    there = builtins.__import__

    def refuse(name, *args, **kwargs):
        if name.partition(".")[0] == "matplotlib":
            raise ImportError(name)
        return there(name, *args, **kwargs)

    for name in [n for n in sys.modules if n.partition(".")[0] == "matplotlib"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(builtins, "__import__", refuse)
    with pytest.raises(MissingExtra, match=r"pip install 'featprobe\[plots\]'"):
        plots.few_shot(found)


def test_every_public_figure_is_there() -> None:
    assert all(callable(getattr(plots, n)) for n in plots.__all__)
    assert set(dir(plots)) == set(plots.__all__)
    with pytest.raises(AttributeError, match="no attribute 'pie'"):
        plots.pie  # noqa: B018


def test_long_names_keep_their_ends() -> None:
    assert shortened("a" * 30 + "END", 12) == "aaaaaaa\u2026aEND"
    assert shortened("short", 12) == "short"
    assert len(shortened("x" * 500, 36)) == 36


def test_the_figure_of_costs(study, tmp_path: Path) -> None:
    found, _ = study
    tuned = [r for r in found if r.cost and r.dataset == "films"]
    tuned[0].cost["parameters"] = 8e7
    ax = plots.cost_quality(tuned)
    assert ax.get_xscale() == "log"
    assert ax.get_xlabel() == "parameters"
    assert_readable(ax)
