"""featprobe show map, as a user meets it."""

from __future__ import annotations

import csv
import json

import numpy as np
import pytest
from PIL import Image

from tests.cli.test_main import one_line
from tests.report.test_map_page import held, unpacked
from tests.support.cached import cached

N = 40


@pytest.fixture
def films(cache):
    """A feature set of four classes in the cache."""
    y = np.arange(N) % 4
    x = 3 * np.eye(4, 6)[y] + np.random.default_rng(0).normal(size=(N, 6))
    ids = np.array([f"film-{i:03d}" for i in range(N)])
    groups = np.array([f"Doe^{i // 2:02d}" for i in range(N)])
    split = np.where(np.arange(N) // 2 % 4 == 0, "test", "train")
    return cached(cache, {"cls": x}, y, ids=ids, groups=groups, split=split, group_origin="given",
                  split_origin="given")  # fmt: skip


def said(done: tuple[int, str, str]) -> str:
    """The one line of a mistake."""
    assert done[0] == 2
    return one_line(done[2])


def test_page_csv_json_and_figure_carry_the_same_map(run, films, tmp_path) -> None:
    table = tmp_path / "more.csv"
    table.write_text("id,site\n" + "".join(f"{i},=site{k % 2}\n" for k, i in enumerate(films.ids)))
    page, rows, figure = (tmp_path / n for n in ("m/map.html", "map.csv", "map.png"))
    code, out, err = run(
        "show", "map", "--data", "films", "--model", "net", "--method", "pca", "tsne", "--colour",
        f"{table}:site", "--html", page, "--csv", rows, "--out", figure, "--json",
    )  # fmt: skip
    assert code == 0, err
    lines = [json.loads(line) for line in out.splitlines()]
    with rows.open(newline="") as f:
        cells = list(csv.DictReader(f))
    of = held(page.read_text())
    assert [c["id"] for c in cells] == [r["id"] for r in lines] == films.ids.tolist()
    for layout, name in zip(of["layouts"], ("pca", "tsne")):
        xy = unpacked(layout["xy"], "f4").reshape(-1, 2)
        for column, axis in ((0, "x"), (1, "y")):
            for found in (cells, lines):
                values = np.array([float(r[f"{name}_{axis}"]) for r in found], np.float32)
                np.testing.assert_array_equal(values, xy[:, column])
    assert [r["patient"] for r in lines] == films.groups.tolist()
    assert {c["site"] for c in cells} == {"'=site0", "'=site1"}  # no formula of a spreadsheet
    assert {r["site"] for r in lines} == {"=site0", "=site1"}
    assert "Doe" not in page.read_text()
    assert "film-0" not in page.read_text()
    assert Image.open(figure).size[0] > 500
    assert "PCA: Trustworthiness" in err
    assert f"wrote {page}: 40 items, 0.0 MB\n" in err


def test_the_page_stands_where_one_is_without_being_asked(
    run, films, tmp_path, monkeypatch
) -> None:
    monkeypatch.chdir(tmp_path)
    code, out, _ = run("show", "map", "--data", "films", "--model", "net", "--ids")
    assert (code, out) == (0, "")
    assert held((tmp_path / "map.html").read_text())["ids"] == films.ids.tolist()
    (tmp_path / "map.html").unlink()
    assert run("show", "map", "--data", "films", "--model", "net", "--csv", "x.csv")[0] == 0
    assert not (tmp_path / "map.html").exists()


def test_wrong_predictions_are_of_a_result_or_of_a_saved_probe(run, films, tmp_path) -> None:
    probe = tmp_path / "p.safetensors"
    common = ("--data", "films", "--model", "net")
    assert run("linear", *common, "--resamples", "20", "--save", probe)[0] == 0
    code, out, err = run("show", "map", *common, "--wrong", "logistic", probe, "--json")
    assert code == 0, err
    rows = [json.loads(line) for line in out.splitlines()]
    words = [r["prediction of logistic"] for r in rows]
    test = films.split == "test"
    assert [w is None for w in words] == (~test).tolist()
    assert [r["prediction of logistic (2)"] is None for r in rows] == [False] * N
    why = said(run("show", "map", *common, "--wrong", "knn"))
    assert "--wrong 'knn' is no file, no id of a result" in why
    assert "there are: logistic" in why


def test_thumbnails_are_there_when_asked_for(run, cache, tmp_path, tiny_backbone) -> None:
    import featprobe as fp

    rng = np.random.default_rng(0)
    for i in range(12):
        folder = tmp_path / "xrays" / f"c{i % 2}"
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 255, (40, 50), np.uint8)).save(folder / f"{i}.png")
    data = fp.load_dataset(tmp_path / "xrays")
    fp.extract(tiny_backbone, data, progress=False)
    page = tmp_path / "map.html"
    common = ("show", "map", "--model", tiny_backbone.name, "--html", page)
    code, _, err = run(*common, "--data", tmp_path / "xrays", "--thumbnails")
    assert code == 0, err
    assert "12 pictures of them (patient images)" in err
    thumbs = held(page.read_text())["thumbs"]
    assert len(thumbs) == 12
    assert all(t.startswith("data:image/jpeg;base64,") and len(t) < 4000 for t in thumbs.values())
    assert (
        run(*common, "--data", tmp_path / "xrays", "--thumbnails", "--most-thumbnails", 3)[0] == 0
    )
    assert list(held(page.read_text())["thumbs"]) == ["0", "6", "11"]
    assert run(*common, "--data", "xrays")[0] == 0
    assert held(page.read_text())["thumbs"] == {}
    (tmp_path / "xrays" / "c0" / "0.png").write_bytes(
        (tmp_path / "xrays" / "c1" / "1.png").read_bytes()
    )
    code, _, err = run(*common, "--data", tmp_path / "xrays", "--thumbnails")
    changed, error = err.splitlines()
    assert code == 2
    assert "1 changed" in changed
    assert "not the frames that the features" in error


def test_mistakes_are_one_line(run, films, cache, tmp_path, monkeypatch) -> None:
    import sys

    common = ("show", "map", "--data", "films", "--model", "net")
    assert "no features of data set 'flims'" in said(
        run("show", "map", "--data", "flims", "--model", "net")
    )
    assert "no such table" in said(run(*common, "--colour", "none.csv:site"))
    (tmp_path / "file").write_text("")
    assert "cannot be written" in said(run(*common, "--html", tmp_path / "file" / "m.html"))
    assert "cannot be written" in said(run(*common, "--csv", tmp_path / "file" / "m.csv"))
    assert "written as .png, .svg or .pdf" in said(run(*common, "--out", tmp_path / "m.bmp"))
    assert "'l1' is not one of" in run(*common, "--metric", "l1")[2]
    monkeypatch.setitem(sys.modules, "umap", None)
    assert "pip install 'featprobe[map]'" in said(run(*common, "--method", "umap"))
    cached(cache, {"mean": np.ones((N, 3))}, np.arange(N) % 4)
    why = said(run(*common))
    assert "has 2 feature sets: name one by --model: net-" in why
    name = why.rpartition(" ")[2]
    assert run("show", "map", "--data", "films", "--model", name, "--json")[0] == 0
