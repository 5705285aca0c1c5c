"""Scores at the level of studies and patients, and by subgroup."""

from __future__ import annotations

import json

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

import featprobe as fp
from featprobe.core.errors import InputError, MissingPath, UnknownName
from featprobe.evaluation import results
from featprobe.evaluation.levels import Level, column, read
from featprobe.metrics.item_scores import ItemScores

N = 120


def films(seed: int = 0) -> ItemScores:
    """Three items a patient, with one class each."""
    rng = np.random.default_rng(seed)
    groups = np.array([f"p{i:02d}" for i in np.arange(N) // 3])
    y = rng.integers(0, 2, N // 3)[np.arange(N) // 3]
    second = (y + rng.normal(0, 1, N)).clip(-2, 3) / 5 + 0.4
    ids = np.array([f"f{i:03d}" for i in range(N)])
    return ItemScores("multiclass", ids, y, groups, [np.stack([1 - second, second], axis=1)])


@pytest.fixture
def table(tmp_path):
    """A column of sexes by patient, one of studies of three films, one of all kinds of numbers."""
    scored, path = films(), tmp_path / "about.csv"
    lines = ["name,path,sex,study,age"]
    for i, item in enumerate(scored.ids[::-1]):
        at = N - 1 - i
        sex = "" if at < 3 else "FM"[at // 3 % 2]
        lines.append(f"n{i},{item},{sex},s{at // 3},{i}")
    path.write_text("\n".join(lines))
    return path


def test_a_level_is_checked_when_made() -> None:
    with pytest.raises(InputError, match=r"level 'patients' is none of .* Did you mean 'patient'"):
        Level("patients")
    with pytest.raises(InputError, match="needs to know the study of each item"):
        Level("study")
    with pytest.raises(InputError, match="a table of studies is for level 'study', not 'patient'"):
        Level("patient", of="a.csv:study")
    with pytest.raises(InputError, match="mean or max, not 'sum'"):
        Level("patient", how="sum")


def test_metrics_of_patients_are_those_of_their_mean_scores() -> None:
    scored = films()
    found = read("patient", None, scored).reported(scored)
    first = np.arange(0, N, 3)
    mean = scored.tries[0][:, 1].reshape(-1, 3).mean(1)
    assert found.mean(["auroc"])["auroc"] == pytest.approx(roc_auc_score(scored.y[first], mean))
    assert read("item", None, scored).reported(scored) is scored


def test_studies_come_from_a_table_or_a_mapping(table) -> None:
    scored = films()
    mapping = {i: f"s{k // 3}" for k, i in enumerate(scored.ids)}
    for of in (f"{table}:study", mapping):
        level = Level("study", "max", of)
        found = read(level, None, scored).reported(scored)
        assert len(found.ids) == N // 3
        assert sorted(found.groups) == sorted(set(scored.groups))
        assert level.to_dict()["level"] == "study"
    assert Level("study", of=f"{table}:study").to_dict()["study"] == "study"
    del mapping[scored.ids[5]]
    with pytest.raises(InputError, match="1 test items have no study, first f005"):
        read(Level("study", of=mapping), None, scored)


def test_subgroups_have_metrics_of_their_own_and_the_worst_is_named(table) -> None:
    scored = films()
    reading = read("item", f"{table}:sex", scored)
    found = reading.subgroups(scored, 50, 0)
    assert (found["column"], found["without"], found["metric"]) == ("sex", 3, "auroc")
    areas = {}
    for i, sex in enumerate("FM"):
        rows = (np.arange(N) // 3 % 2 == i) & (np.arange(N) >= 3)
        areas[sex] = roc_auc_score(scored.y[rows], scored.tries[0][rows, 1])
        part = found["values"][sex]
        assert part["metrics"]["auroc"] == pytest.approx(areas[sex])
        assert (part["units"], part["patients"]) == (rows.sum(), rows.sum() / 3)
        low, high = part["ci"]["auroc"]
        assert low < areas[sex] < high
    assert found["worst"] == min(areas, key=areas.__getitem__)


def test_subgroups_of_patients_join_the_items_of_the_subgroup_only() -> None:
    scored = films()
    view = {i: "front" if k % 3 else "side" for k, i in enumerate(scored.ids)}
    found = read("patient", view, scored).subgroups(scored, 20, 0)
    assert {v: p["units"] for v, p in found["values"].items()} == {"front": 40, "side": 40}
    side = np.arange(0, N, 3)
    expected = roc_auc_score(scored.y[side], scored.tries[0][side, 1])
    assert found["values"]["side"]["metrics"]["auroc"] == pytest.approx(expected)


def test_a_subgroup_of_one_class_is_undefined_and_not_the_worst() -> None:
    scored = films()
    kind = {i: "ill" if y else f"k{k % 2}" for k, (i, y) in enumerate(zip(scored.ids, scored.y))}
    kind |= dict.fromkeys(scored.ids[:30], "mixed")
    found = read("item", kind, scored).subgroups(scored, 10, 0)
    assert found["worst"] == "mixed"
    assert np.isnan(found["values"]["ill"]["metrics"]["auroc"])
    only = dict.fromkeys(scored.ids[scored.y == 1], "ill")
    assert read("item", only, scored).subgroups(scored, 10, 0)["worst"] is None


def test_a_column_that_cannot_be_used_says_why(table, tmp_path) -> None:
    scored = films()
    with pytest.raises(InputError, match="written FILE:COLUMN"):
        column("sex", scored.ids)
    with pytest.raises(MissingPath, match="no such table"):
        column(f"{tmp_path}/none.csv:sex", scored.ids)
    with pytest.raises(UnknownName, match="Did you mean 'sex'"):
        column(f"{table}:sexe", scored.ids)
    with pytest.raises(InputError, match="its ids are like 'f000', those of the data set like 'x'"):
        column(f"{table}:sex", np.array(["x"]))
    with pytest.raises(InputError, match="age has 120 different values"):
        read("item", f"{table}:age", scored)
    table.write_text("id,sex\nf001,F\nf001,M\n")
    with pytest.raises(InputError, match="'f001' has two values in 'sex'"):
        column(f"{table}:sex", scored.ids)


def test_an_evaluation_by_patient_and_subgroup_is_kept_and_read(
    tiny_backbone, class_folders, cache
) -> None:
    features = fp.extract(tiny_backbone, fp.load_dataset(class_folders))
    half = {str(i): "odd" if k % 2 else "even" for k, i in enumerate(features.ids)}
    found = fp.evaluate(
        features, "prototype", level="patient", subgroups=half, resamples=50, save=True
    )[0]
    assert found.settings["level"] == "patient"
    assert found.sizes["test_units"] == found.sizes["test_groups"] < found.sizes["test"]
    assert set(found.subgroups["values"]) == {"odd", "even"}
    again = results.scored(cache, results.read(cache)[0])
    assert len(again.ids) == found.sizes["test_units"]
    assert again.mean() == pytest.approx(found.metrics)
    assert json.loads(found.to_json())["subgroups"]["column"] == "given"
    item = fp.evaluate(features, "prototype", resamples=50)[0]
    assert "level" not in item.settings
    assert item.cell != found.cell
    assert {f"auroc:{c}" for c in features.classes} <= item.metrics.keys()
