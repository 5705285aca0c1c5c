"""The file of results."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from featprobe.core import records
from featprobe.core.errors import InputError
from featprobe.evaluation import results
from featprobe.evaluation.results import Result


def result(**changes) -> Result:
    """A plausible result; keyword arguments replace fields."""
    values = {"auroc": 0.8, "accuracy": 0.7, "balanced_accuracy": 0.7, "f1": 0.6}
    fields = {
        "dataset": "films", "backbone": "net", "probe": "knn", "protocol": "full",
        "metrics": values, "ci": {k: (v - 0.1, v + 0.1) for k, v in values.items()},
        "chance": dict.fromkeys(values, 0.5), "task": "multiclass", "classes": 2, "view": "cls",
        "pool": "mean", "params": {"k": 20, "temperature": 0.07}, "settings": {"seed": 0},
        "split": {"origin": "made", "grouping": "names"}, "key": "k", "labels": "l",
        "sizes": {"train": 6, "val": 2, "test": 2, "test_groups": 2}, "searched": ["k"],
    }  # fmt: skip
    return Result(**{**fields, **changes})


def save(cache, r: Result) -> Result:
    one = {"ids": np.array(["a"]), "y": np.array([0]), "groups": np.array(["p"])}
    results.append(cache, r, **one, scores=np.zeros((1, 1, 2)))
    return r


def test_results_are_read_in_the_order_they_were_made(cache) -> None:
    ids = [save(cache, result(dataset=d)).id for d in "abc"]
    assert [r.id for r in results.read(cache)] == ids


def test_undefined_metrics_are_null_in_json_and_nan_when_read(cache) -> None:
    r = result()
    r.metrics["auroc"] = float("nan")
    r.ci["auroc"] = (float("nan"), float("nan"))
    save(cache, r)
    assert '"auroc": null' in results.results_file(cache).read_text()
    again = results.read(cache)[0]
    assert np.isnan(again.metrics["auroc"])
    assert np.isnan(again.ci["auroc"]).all()


@pytest.mark.parametrize("cut", [1, 20, 150, -2, -1])
def test_a_cut_line_loses_itself_and_neither_what_follows_nor_silence(cache, cut: int) -> None:
    kept = save(cache, result())
    file = results.results_file(cache)
    whole = file.read_bytes()
    file.write_bytes(whole + whole[:cut])
    after = save(cache, result(dataset="after"))
    told: list[str] = []
    assert [r.id for r in results.read(cache, told.append)] == [kept.id, after.id]
    if cut == -1:  # nothing but the end of the line is missing
        assert not told
    else:
        assert len(told) == 1
        assert f"{file}, line 2: cut short or damaged" in told[0]
        assert "films" in told[0] or cut < 100


def test_a_damaged_line_is_told_to_python_as_a_warning(cache) -> None:
    save(cache, result())
    with results.results_file(cache).open("ab") as f:
        f.write(b"\x00\xff\n")
    with pytest.warns(UserWarning, match="line 2: cut short or damaged"):
        assert len(results.read(cache)) == 1


def test_a_result_that_an_earlier_version_glued_to_a_cut_one_is_found(cache) -> None:
    save(cache, result())
    file = results.results_file(cache)
    line, glued = file.read_text(), result(dataset="glued")
    file.write_text(line[:200] + glued.to_json() + "\n" + line)
    told: list[str] = []
    assert [r.dataset for r in results.read(cache, told.append)] == ["glued", "films"]
    assert len(told) == 1


def test_a_changed_line_is_said(cache) -> None:
    save(cache, result())
    file = results.results_file(cache)
    file.write_text(file.read_text().replace('"accuracy": 0.7', '"accuracy": 0.9'))
    told: list[str] = []
    assert len(results.read(cache, told.append)) == 1
    assert "line 1: changed since it was written" in told[0]


def test_lines_of_earlier_versions_have_no_seal_and_are_read(cache) -> None:
    r = result()
    r.metrics["auroc"] = float("nan")
    save(cache, result())
    with results.results_file(cache).open("a") as f:
        f.write(
            r.to_json()
            + "\n"
            + r.to_json().replace('"auroc": null', '"auroc": NaN')
            + "\n[1]\n{}\n"
        )
    told: list[str] = []
    assert len(results.read(cache, told.append)) == 2
    assert [text.split(": ")[1].split(" (")[0].split(";")[0] for text in told] == [
        "no record", "not a result",
    ]  # fmt: skip


def test_a_short_write_goes_on_and_a_full_disk_takes_everything_back(cache, monkeypatch) -> None:
    kept = save(cache, result())
    before = results.results_file(cache).read_bytes()
    write = os.write
    monkeypatch.setattr(os, "write", lambda handle, data: write(handle, data[:7]))
    slow = save(cache, result(dataset="slow"))
    assert [r.id for r in results.read(cache)] == [kept.id, slow.id]

    def full(handle: int, data: bytes) -> int:
        if len(data) < 100:
            raise OSError(errno.ENOSPC, "No space left on device")
        return write(handle, data[:50])

    before = results.results_file(cache).read_bytes()
    monkeypatch.setattr(os, "write", full)
    lost = result(dataset="lost")
    with pytest.raises(InputError, match="results cannot be written: .*No space left"):
        save(cache, lost)
    assert results.results_file(cache).read_bytes() == before
    assert not results.scores_file(cache, lost).exists()
    monkeypatch.undo()
    save(cache, result(dataset="next"))
    assert [r.dataset for r in results.read(cache)] == ["films", "slow", "next"]


@settings(max_examples=60, deadline=None)
@given(cuts=st.lists(st.integers(0, 900), min_size=1, max_size=4), garbage=st.binary(max_size=20))
def test_whatever_was_cut_the_next_result_is_there(tmp_path_factory, cuts, garbage) -> None:
    cache = tmp_path_factory.mktemp("cache")
    wanted = []
    for cut in cuts:
        wanted.append(save(cache, result()).id)
        file = results.results_file(cache)
        line = file.read_bytes().splitlines(keepends=True)[0]
        with file.open("ab") as f:
            f.write((line[: min(cut, len(line) - 2)] + garbage).replace(b"\n", b""))
    wanted.append(save(cache, result()).id)
    assert [r.id for r in results.read(cache, lambda text: None)] == wanted


def test_processes_that_append_at_once_keep_all(cache) -> None:
    code = (
        "import sys; from pathlib import Path; from featprobe.core import records\n"
        "for i in range(20): records.append(Path(sys.argv[1]), {'id': i, 'text': 'x' * 5000})"
    )
    file = cache / "r.jsonl"
    cache.mkdir(parents=True, exist_ok=True)
    running = [subprocess.Popen([sys.executable, "-c", code, str(file)]) for _ in range(3)]
    assert [p.wait() for p in running] == [0, 0, 0]
    found = [line.record for line in records.read(file)]
    assert sorted(r["id"] for r in found) == sorted([*range(20)] * 3)


def test_the_newest_result_of_a_cell_counts_and_unselected_ones_do_not() -> None:
    old, new = result(), result(params={"k": 5, "temperature": 0.07})
    other = result(params={"k": 5, "temperature": 1.0})
    unselected = result(selected=False)
    found = results.latest([old, other, new, unselected])
    assert [r.id for r in found] == [new.id, other.id]


def test_a_cache_that_cannot_be_written_is_told(tmp_path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="results cannot be written"):
        save(tmp_path / "file", result())


def test_a_line_of_an_earlier_version_is_read(cache) -> None:
    """Before there were components, subgroups and metrics of single classes."""
    import json

    save(cache, result())
    file = results.results_file(cache)
    line = json.loads(file.read_text())
    del line["components"], line["subgroups"]
    file.write_text(json.dumps(line) + "\n")
    again = results.read(cache)[0]
    assert again.metrics["auroc"] == 0.8
    assert again.components == again.subgroups == {}


def test_undefined_values_of_subgroups_are_nan_when_read(cache) -> None:
    nan = float("nan")
    part = {"units": 1, "patients": 1, "metrics": {"auroc": nan}, "ci": {"auroc": (nan, nan)}}
    subgroups = {"column": "sex", "worst": None, "values": {"F": part}}
    save(cache, result(subgroups=subgroups, components={"auroc": {"tries": nan}}))
    again = results.read(cache)[0]
    assert again.subgroups["worst"] is None
    assert np.isnan(again.subgroups["values"]["F"]["metrics"]["auroc"])
    assert np.isnan(again.subgroups["values"]["F"]["ci"]["auroc"]).all()
    assert np.isnan(again.components["auroc"]["tries"])


def test_kept_scores_are_read_back_with_patients_folds_and_units(cache) -> None:
    ids, groups = np.array(["a", "b", "c", "d"]), np.array(["p", "p", "q", "q"])
    y, fold = np.array([0, 0, 1, 1]), np.array([1, 1, 0, 0])
    p = np.array([[0.9, 0.1], [0.7, 0.3], [0.2, 0.8], [0.6, 0.4]])
    given = {"ids": ids, "y": y, "groups": groups, "scores": p[None], "classes": ("no", "yes")}
    whole, folds, patients = result(), result(), result(settings={"level_by": "max"})
    results.append(cache, whole, **given)
    results.append(cache, folds, **given, fold=fold)
    results.append(cache, patients, **given, unit=groups)
    found = results.scored(cache, whole)
    assert found.classes == ("no", "yes")
    assert found.groups.tolist() == groups.tolist()
    np.testing.assert_array_equal(found.tries[0], p)
    cut = results.scored(cache, folds)
    assert [r.tolist() for r in cut.rows or ()] == [[2, 3], [0, 1]]
    np.testing.assert_array_equal(cut.tries[1], p[:2])
    joined = results.scored(cache, patients)
    assert joined.ids.tolist() == ["p", "q"]
    assert joined.tries[0][0, 0] == pytest.approx(0.9 / 1.2)


def test_scores_that_are_not_there_or_have_no_patients_say_what_to_run(cache) -> None:
    r = save(cache, result())
    file = results.scores_file(cache, r)
    np.savez(file, ids=np.array(["a"]), y=np.array([0]), scores=np.zeros((1, 1, 2)))
    with pytest.raises(InputError, match="kept without groups; run 'featprobe knn' again"):
        results.scored(cache, r)
    file.write_bytes(b"cut")
    with pytest.raises(InputError, match="cannot be read"):
        results.scored(cache, r)
    file.unlink()
    with pytest.raises(InputError, match="are not there; run 'featprobe knn' again"):
        results.scored(cache, r)


def test_a_changed_result_replaces_its_line_and_keeps_its_place(cache) -> None:
    first, second = save(cache, result()), save(cache, result(backbone="other"))
    first.settings["label"] = "ours"
    results.amend(cache, first)
    again = results.read(cache)
    assert [(r.id, r.settings.get("label")) for r in again] == [
        (first.id, "ours"), (second.id, None),
    ]  # fmt: skip
    assert results.scored(cache, again[0]).ids.tolist() == ["a"]


def test_the_cost_of_a_training_is_kept(cache) -> None:
    spent = {"trainable": 10.0, "parameters": 100.0, "seconds": 2.5}
    save(cache, result(cost=spent))
    save(cache, result())
    assert [r.cost for r in results.read(cache)] == [spent, {}]


def test_words_and_fields_of_earlier_versions_are_read_as_todays() -> None:
    """Few-shot said ``by: sample`` or ``by: case``, and the digest of a request was ``asked``."""
    now = result(protocol="fewshot", settings={"by": "item", "tries": 2}, request="abc")
    line = json.loads(now.to_json())
    line["asked"] = line.pop("request")
    for word in ("sample", "case", "item"):
        line["settings"]["by"] = word
        read = Result.from_dict(json.loads(json.dumps(line)))
        assert read.settings == {"by": "item", "tries": 2}
        assert (read.request, read.cell) == ("abc", now.cell)
