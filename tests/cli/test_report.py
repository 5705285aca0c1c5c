"""featprobe report, and the page and LaTeX of a leaderboard, as a user meets them."""

from __future__ import annotations

import base64
import io
import json
import os
import re
import shutil
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from featprobe.evaluation.results import scores_file
from tests.cli.test_main import one_line
from tests.cli.test_scripts import BIN
from tests.evaluation.test_results import result, save
from tests.leaderboard.test_compare import keep
from tests.support.cached import cached


@pytest.fixture
def kept(cache):
    """Three backbones on two data sets, with scores."""
    for dataset in ("films", "skin"):
        for name, gain in (("good", 1.55), ("best", 1.6), ("bad", 0.1)):
            keep(cache, name, gain, dataset=dataset, n=80, patients=40)


def test_the_page_goes_into_the_cache_or_where_it_is_asked_for(run, kept, cache, tmp_path) -> None:
    code, out, err = run("report")
    assert (code, err) == (0, "")
    assert out == f"wrote {cache / 'report.html'}\n"
    whole = (cache / "report.html").read_text()
    assert "6 results of 3 backbones on 2 data sets" in whole
    assert "Mean ranks" in whole
    code, _, _ = run(
        "report", "--data", "skin", "--model", "good", "best", "--out", tmp_path / "p" / "x.html"
    )
    assert code == 0
    some = (tmp_path / "p" / "x.html").read_text()
    assert "2 results of 2 backbones on 1 data set." in some
    assert "films" not in some


def test_maps_of_data_sets_are_in_the_page_where_they_are_asked_for(run, cache, tmp_path) -> None:
    y = np.arange(60) % 3
    ids = np.array([f"film-{i:03d}" for i in range(60)])
    groups = np.array([f"Doe^{i // 2:02d}" for i in range(60)])
    split = np.where(np.arange(60) // 2 % 3 == 0, "test", "train")
    for name in ("films", "skin"):
        x = 2 * np.eye(3, 6)[y] + np.random.default_rng(0).normal(size=(60, 6))
        cached(cache, {"cls": x}, y, dataset=name, ids=ids, groups=groups, split=split,
               split_origin="given", group_origin="given")  # fmt: skip
    assert run("knn", "--resamples", 20)[0] == 0
    save(cache, result(dataset="gone"))
    code, _, err = run("report", "--map", "pca", "--no-ties", "--out", tmp_path / "p.html")
    assert (code, err) == (
        0, "no map of gone: no features of its results are in the cache\n",
    )  # fmt: skip
    text = (tmp_path / "p.html").read_text()
    maps = re.findall(r'(?s)data-part="data">(.*?)</script>', text)
    assert len(maps) == 2
    columns = {c["name"]: c for c in json.loads(maps[0])["columns"]}
    assert "prediction of knn" in columns
    assert "Doe" not in text
    assert "film-0" not in text
    assert run("report", "--no-ties", "--out", tmp_path / "p.html")[0] == 0
    assert "data-part" not in (tmp_path / "p.html").read_text()


def test_overlays_are_in_the_page_where_they_are_asked_for(run, kept, tmp_path) -> None:
    folder, page = tmp_path / "overlays", tmp_path / "p.html"
    assert "segment --overlays" in said(run("report", "--overlays", folder))
    folder.mkdir()
    assert "it holds no picture" in said(run("report", "--overlays", folder))
    Image.fromarray(np.zeros((500, 2400, 3), np.uint8)).save(folder / "b_<i>.png")
    Image.fromarray(np.full((50, 60), 200, np.uint8)).save(folder / "a_net_linear.png")
    (folder / "notes.txt").write_text("no picture")
    assert run("report", "--no-ties", "--overlays", folder, "--out", page)[0] == 0
    text = page.read_text()
    uris = re.findall(r'<img src="data:image/jpeg;base64,([^"]+)" alt="Overlays: ([^"]+)"', text)
    assert [name for _, name in uris] == ["a_net_linear", "b_&lt;i&gt;"]
    sizes = [Image.open(io.BytesIO(base64.b64decode(u))).size for u, _ in uris]
    assert sizes == [(60, 50), (1200, 250)]
    assert "img-src data:" in text
    assert "These are images of patients" in text
    assert "holds no name" not in text
    (folder / "c.png").write_bytes(b"no")
    assert "c.png: not a readable picture" in said(run("report", "--overlays", folder))


def test_every_figure_is_a_file(run, kept, tmp_path) -> None:
    code, out, _ = run(
        "report", "--data", "skin", "--figures", tmp_path / "f", "--format", "svg", "--out",
        tmp_path / "p.html",
    )  # fmt: skip
    assert code == 0
    names = sorted(p.name for p in (tmp_path / "f").iterdir())
    assert f"wrote {len(names)} figures to {tmp_path / 'f'}" in out
    assert {"forest-skin.svg", "roc-skin.svg", "confusion-skin.svg"} <= set(names)


def test_a_leaderboard_writes_its_page_and_latex(run, kept, tmp_path) -> None:
    page, tex = tmp_path / "page.html", tmp_path / "table.tex"
    code, out, _ = run("leaderboard", "--html", page, "--latex", tex, "--out", tmp_path / "board")
    assert code == 0
    assert out.endswith(f"wrote {tex}\nwrote {page}\n")
    assert tex.read_text().count(r"\toprule") == 1
    assert "Results" in page.read_text()


def test_segmentations_have_a_page_too(run, cache) -> None:
    for name, dice in (("a", 0.8), ("b", 0.7)):
        values = {"dice": dice, "iou": dice - 0.1, "hd95": 4.5, "asd": 1.2, "dice:liver": dice}
        r = save(
            cache, result(task="segmentation", backbone=name, probe="segment", metrics=values,
                          ci={}, chance={}, params={"decoder": "linear"}, searched=[]),
        )  # fmt: skip
        scores_file(cache, r).unlink()
    code, _, err = run("report", "--no-ties")
    assert (code, err) == (0, "")
    text = (cache / "report.html").read_text()
    assert "segment linear" in text
    assert "<b>ROC</b>" not in text
    assert "Per class" in text


def said(done: tuple[int, str, str]) -> str:
    """The one line of a mistake."""
    assert done[0] == 2
    return one_line(done[2])


def test_mistakes_are_one_line(run, kept, cache, tmp_path) -> None:
    assert "no results for" in said(run("report", "--data", "flims"))
    assert "no metric 'aurok'" in said(run("report", "--metric", "aurok"))
    (tmp_path / "file").write_text("")
    assert "file/x.html: cannot be written" in said(
        run("report", "--out", tmp_path / "file" / "x.html")
    )
    shutil.rmtree(cache / "results")
    assert "no results in" in said(run("report"))


def test_quickstart_ends_with_the_page_and_says_its_path(kept, cache, tmp_path) -> None:
    home = tmp_path / "clone"
    (home / "bin").mkdir(parents=True)
    (home / ".venv" / "bin").mkdir(parents=True)
    shutil.copy(BIN / "quickstart", home / "bin")
    program = f'#!/bin/sh\nexec "{sys.executable}" -m featprobe.cli.main "$@"\n'
    for name, text in (
        ("bin/setup", "#!/bin/sh\n"), ("bin/leaderboard", "#!/bin/sh\n"),
        (".venv/bin/featprobe", program),
    ):  # fmt: skip
        (home / name).write_text(text)
        (home / name).chmod(0o755)
    done = subprocess.run(
        [home / "bin" / "quickstart"], capture_output=True, text=True,
        env={**os.environ, "FEATPROBE_CACHE": str(cache)}, check=True,
    )  # fmt: skip
    page = cache / "report.html"
    assert done.stdout.splitlines()[-1] == f"The page of all results: {page}"
    assert "6 results of 3 backbones" in page.read_text()
