"""What is amiss is seen wherever a result is: table, JSON, leaderboard, CSV."""

from __future__ import annotations

import csv
import io
import json

import numpy as np
import pytest


@pytest.fixture
def probed(run, cache, tmp_path):
    """Features in the cache of a data set of two findings, one of which a single patient has."""
    rng = np.random.default_rng(0)
    patient = np.repeat(np.arange(60), 2)
    x = (rng.normal(size=(60, 6))[patient] + rng.normal(size=(120, 6))).astype(np.float32)
    rare = np.isin(np.arange(120), [100])
    part = np.where(patient < 36, "train", np.where(patient < 48, "val", "test"))
    x[110] = x[0]
    np.save(tmp_path / "x.npy", x)
    with (tmp_path / "items.csv").open("w", newline="") as f:
        out = csv.writer(f)
        out.writerow(["id", "group", "split", "common", "rare"])
        for i in range(120):
            common, label = int(x[i, 0] > 0), int(rare[i])
            out.writerow([f"i{i}", f"p{patient[i]}", part[i], common, label])
    given = [tmp_path / "x.npy", "--items", tmp_path / "items.csv", "--name", "films"]
    code, _, err = run("import", *given, "--backbone", "net")
    assert code == 0, err
    return run


SAID = (
    "no training positive of label 'rare': it is scored 0, absent",
    "1 of 24 test items have exactly the features of an item that was fitted to",
)


@pytest.mark.parametrize("verb", ["linear --C 1", "knn --k 5", "linear --probe ridge"])
def test_a_row_its_json_and_the_leaderboard_say_it(probed, tmp_path, verb: str) -> None:
    code, out, err = probed(*verb.split(), "--data", "films")
    assert code == 0, err
    row = next(line for line in out.splitlines() if line.strip().startswith("films"))
    for sentence in SAID:
        (line,) = (n for n in out.splitlines() if sentence in n)
        assert f" {line.split()[0]} " in row  # the mark
    _, out, _ = probed(*verb.split(), "--data", "films", "--json")
    found = json.loads(out.splitlines()[0])
    assert all(any(s in n for n in found["notes"]) for s in SAID)
    assert found["metrics"]["accuracy:rare"] == pytest.approx(23 / 24)
    assert found["metrics"]["auroc:rare"] == 0.5
    code, out, err = probed("leaderboard", "--out", tmp_path / "board")
    assert code == 0, err
    text = (tmp_path / "board.md").read_text()
    table = next(csv.DictReader(io.StringIO((tmp_path / "board.csv").read_text())))
    for sentence in SAID:
        assert out.count(sentence) == text.count(sentence) == table["notes"].count(sentence) == 1
