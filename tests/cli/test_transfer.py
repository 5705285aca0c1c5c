"""featprobe transfer, as a user meets it."""

from __future__ import annotations

import csv
import json
import re

import numpy as np
import pytest

from featprobe.core import paths
from tests.support.cached import cached


@pytest.fixture
def sets(cache):
    """Three data sets, the last one harder, of two backbones; the second lacks one data set."""
    rng = np.random.default_rng(0)
    for backbone in ("net", "other"):
        for name, gain, classes in (
            ("nih", 1.5, ("normal", "sick")), ("pad", 1.2, ("Normal", "Sick")),
            ("kids", 0.3, ("healthy", "sick")),
        ):  # fmt: skip
            if (backbone, name) == ("other", "kids"):
                continue
            y = np.arange(120) // 2 % 2
            x = rng.normal(size=(120, 8)) + gain * np.outer(y, np.r_[1, 1, np.zeros(6)])
            groups = np.array([f"{name}-{i // 2}" for i in range(120)])
            cached(paths.feature_root(None), {"cls": x}, y, dataset=name, backbone=backbone,
                   classes=classes, groups=groups)  # fmt: skip


def test_a_pair_is_shown_with_its_gap_and_kept_for_every_table(run, sets, tmp_path) -> None:
    code, out, _ = run("transfer", "--train", "nih", "--test", "pad", "--model", "net",
                       "--resamples", 50)  # fmt: skip
    assert code == 0
    row = next(line for line in out.splitlines() if re.match(r" nih +pad", line))
    assert re.search(r"[+-]0\.\d{3} \[-?0\.\d{3}, -?0\.\d{3}\]", row)
    assert "gap: the value minus that on the test items" in out
    assert "sens." in out
    code, out, _ = run("leaderboard", "--out", tmp_path / "board")
    assert code == 0
    assert "trained on nih" in out
    assert re.search(r"pad / net, trained on nih.*: AUROC [+-]0\.\d{3} \[.*against the test", out)
    rows = list(csv.DictReader((tmp_path / "board.csv").open()))
    (there,) = [r for r in rows if r["data"] == "pad"]
    assert there["source"] == "nih"
    assert float(there["gap_low"]) < float(there["gap"]) < float(there["gap_high"])
    (home,) = [r for r in rows if r["data"] == "nih"]
    assert (home["source"], home["gap"]) == ("nih", "")
    page = tmp_path / "page.html"
    assert run("report", "--out", page)[0] == 0
    assert "against the test items of nih" in page.read_text()


def test_every_ordered_pair_is_a_matrix(run, sets) -> None:
    code, out, err = run("transfer", "--data", "nih", "pad", "kids", "--map", "healthy=normal",
                         "--model", "net", "--resamples", 20)  # fmt: skip
    assert (code, err) == (0, "")
    at = out.index("AUROC, net, logistic: trained on, tested on")
    matrix = out[at:].split("\ntransfer\n")[0].splitlines()
    cells = {
        line.split()[0]: line.split()[1:] for line in matrix if re.match(" nih| pad| kids", line)
    }
    assert set(cells) == {"nih", "pad", "kids"}
    assert all(re.fullmatch(r"[01]\.\d{3}", c) for row in cells.values() for c in row)
    assert len(re.findall(r"(?m)^ (?:nih|pad|kids) +(?:nih|pad|kids) +net", out)) == 9


def test_json_is_one_result_a_line_in_domain_first(run, sets) -> None:
    code, out, _ = run("transfer", "--train", "nih", "--test", "pad", "--json", "--resamples", 20)
    lines = [json.loads(line) for line in out.splitlines()]
    assert code == 0
    assert [(r["backbone"], r["settings"]["source"], r["dataset"]) for r in lines] == [
        ("net", "nih", "nih"), ("net", "nih", "pad"), ("other", "nih", "nih"),
        ("other", "nih", "pad"),
    ]  # fmt: skip
    assert [r["in_domain"] for r in lines] == ["", lines[0]["id"], "", lines[2]["id"]]
    assert lines[1]["gap_ci"]["auroc"][0] < lines[1]["gap"]["auroc"]
    assert all(r["protocol"] == "transfer" for r in lines)


def test_what_has_no_partner_is_named(run, sets) -> None:
    code, out, err = run("transfer", "--train", "nih", "--test", "kids", "--map", "healthy=normal",
                         "--resamples", 20)  # fmt: skip
    assert code == 0
    assert "left aside: nih / other: no features of kids by this backbone" in err
    assert " net " in out


def test_classes_of_each_pair_where_all_share_too_few(run, sets) -> None:
    three = ("transfer", "--data", "nih", "pad", "kids", "--model", "net", "--json")
    code, out, err = run(*three, "--resamples", 20)
    assert (code, out) == (2, "")
    assert "or take those of each pair with --classes pair" in err
    code, out, err = run(*three, "--classes", "pair", "--resamples", 20)
    rows = [json.loads(line) for line in out.splitlines()]
    assert code == 0
    assert [(r["settings"]["source"], r["dataset"]) for r in rows] == [
        ("nih", "nih"), ("nih", "pad"), ("pad", "pad"), ("pad", "nih"),
    ]  # fmt: skip
    assert "left aside: nih / net: only 'sick' is shared by all data sets" in err


def test_a_preset_brings_probe_views_and_refit(run, sets) -> None:
    code, out, err = run("transfer", "--train", "nih", "--test", "pad", "--model", "net",
                         "--preset", "wacv-linear", "--set", "epochs=2", "--json",
                         "--resamples", 20)  # fmt: skip
    assert code == 0, err
    for r in map(json.loads, out.splitlines()):
        assert (r["probe"], r["view"], r["settings"]["refit"]) == ("sgd", "cls", False)
        assert (r["params"]["lr"], r["params"]["epochs"]) == (1e-4, 2)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--train", "nih"], "give --train and --test, or --data"),
        (["--train", "nih", "--test", "pad", "--data", "kids"], "give --train and --test, or"),
        (["--train", "nih", "--test", "nih"], "no two data sets with features of one backbone"),
        (["--train", "nih", "--test", "gone"], "no features of data set 'gone'"),
        (["--train", "nih", "--test", "kids", "--model", "net"], "only 'sick' is shared by all"),
        (["--train", "nih", "--test", "pad", "--map", "ill=sick"], "--map: no class 'ill'"),
        (["--train", "nih", "--test", "pad", "--probe", "nearest"], "nearest"),
        (["--train", "nih", "--test", "pad", "--preset", "rad"], "unknown preset 'rad'"),
        (
            ["--train", "nih", "--test", "pad", "--preset", "rad-linear", "--probe", "knn"],
            "--preset names the probe",
        ),
    ],
)
def test_mistakes_are_one_line(run, sets, arguments, said) -> None:
    code, out, err = run("transfer", *arguments)
    assert (code, out) == (2, "")
    assert said in err
    assert len(err.splitlines()) == 1
