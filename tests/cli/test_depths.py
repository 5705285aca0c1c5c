"""--each-block: a run for each single block, and the curve of them."""

from __future__ import annotations

import json

import numpy as np
import pytest

from featprobe.evaluation import results
from featprobe.figures.lines import over_blocks, over_depth
from tests.conftest import make_tiny


@pytest.fixture
def films(class_folders, cache):
    import featprobe as fp

    return fp.extract(make_tiny(), fp.load_dataset(class_folders), blocks=2, cache=cache)


def test_all_stored_blocks_are_probed_apart_and_drawn_as_a_curve(run, films, cache) -> None:
    code, out, err = run("linear", "--C", 1, "--layers", "all", "--resamples", 20, "--json")
    assert code == 0, err
    found = [json.loads(line) for line in out.splitlines()]
    assert [r["view"] for r in found] == ["cls@-2", "cls@-1"]
    kept = results.read(cache)
    (panel,) = over_depth(kept)
    (line,) = panel.lines
    assert line.x.tolist() == [-2, -1]
    assert line.y.tolist() == [r["metrics"]["auroc"] for r in found]
    assert panel.x == "block, counted from the end"
    assert over_blocks(kept) == []
    code, out, _ = run("linear", "--C", 1, "--features", "cls", "--resamples", 20, "--json")
    assert json.loads(out)["metrics"] == found[1]["metrics"]


def test_blocks_are_named_from_either_end_and_views_are_joined(run, films) -> None:
    code, out, err = run("knn", "--k", 3, "--features", "cls+mean", "--each-block", -1, 1,
                         "--resamples", 20, "--json")  # fmt: skip
    assert code == 0, err
    views = [json.loads(line)["view"] for line in out.splitlines()]
    assert views == ["cls@-1+mean@-1", "cls@1+mean@1"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--each-block", "first"], "all, or numbers as 6 or -3"),
        (["--each-block", "0"], "all, or numbers as 6 or -3"),
        (["--each-block", "all", "--features", "cls:2"], "names blocks already"),
        (["--each-block", "99"], "the network has blocks 1 to"),
        (["--each-block", "all", "--save", "p.safetensors"], "leave --each-block out"),
    ],
)
def test_mistakes_are_one_line(run, films, words, said) -> None:
    code, _, err = run("linear", "--C", "1", *words)
    assert code == 2
    assert said in err
    assert np.all([line.startswith(("featprobe", "Usage")) for line in err.splitlines()])
