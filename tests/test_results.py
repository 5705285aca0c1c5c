"""The file of results."""

from __future__ import annotations

import numpy as np
import pytest

from featprobe import results
from featprobe.errors import InputError
from featprobe.results import Result


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
    results.append(
        cache,
        r,
        ids=np.array(["a"]),
        y=np.array([0]),
        groups=np.array(["p"]),
        scores=np.zeros((1, 1, 2)),
    )
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


def test_a_cut_last_line_loses_only_itself(cache) -> None:
    kept = save(cache, result())
    with results.results_file(cache).open("a") as f:
        f.write('{"dataset": "fil')
    assert [r.id for r in results.read(cache)] == [kept.id]


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
