"""No inner split of a probe divides a patient: a contract of every registered probe."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from featprobe.core.errors import InputError
from featprobe.evaluation.protocols import FewShot, Full
from featprobe.evaluation.run_protocol import run_protocol
from featprobe.neighbours.search import Bank
from featprobe.probes.base import Probe, hold_out
from featprobe.probes.registry import PROBES
from featprobe.splits import assign as splits
from tests.evaluation.test_run_protocol import made
from tests.probes.every import quick

SEVERAL: dict[str, dict[str, Any]] = {  # what makes a probe split its rows once more
    "attentive": {"weight_decay": [0.01, 0.1], "patience": 2},
    "calibrated": {"probe": "ridge"},
    "knn": {"k": [1, 3]},
    "logistic": {"Cs": [0.1, 1.0]},
    "mlknn": {"k": [1, 3]},
    "mlp": {"weight_decay": [0.01, 0.1], "patience": 2},
    "ridge": {"alphas": [0.1, 1.0]},
    "sgd": {"lr": [0.1, 0.01], "patience": 2},
    "smoothed": {"probe": "ridge"},
    "transformer": {"weight_decay": [0.01, 0.1], "patience": 2},
}
SPLIT = {
    "attentive", "calibrated", "logistic", "mlp", "ordinal", "ridge", "sgd", "smoothed",
    "transformer",
}  # fmt: skip


def several(name: str) -> Probe:
    return quick(name).set_params(**SEVERAL.get(name, {}))


def patients(n: int = 30, each: int = 4, seed: int = 0) -> tuple[np.ndarray, ...]:
    """Items of which the patient is easy to tell, in no order."""
    rng = np.random.default_rng(seed)
    groups = rng.permutation(np.repeat(np.arange(n), each))
    y = groups % 3
    x = rng.normal(size=(n, 5))[groups] + np.eye(5)[y] + 0.1 * rng.normal(size=(len(groups), 5))
    return x, y, groups


@pytest.fixture
def inner(monkeypatch) -> list[np.ndarray]:
    """The groups that every split was asked to keep whole."""
    seen: list[np.ndarray] = []
    assign = splits.assign

    def spy(targets, groups, *args, **kwargs):
        seen.append(np.asarray(groups))
        return assign(targets, groups, *args, **kwargs)

    monkeypatch.setattr(splits, "assign", spy)
    return seen


@pytest.mark.parametrize("name", PROBES.names())
def test_every_inner_split_keeps_patients_whole(name: str, inner: list[np.ndarray]) -> None:
    x, y, groups = patients()
    several(name).fit(x, y, groups=groups)
    assert bool(inner) == (name in SPLIT)
    for asked in inner:  # of all rows, or of the part that an outer split has left
        counts = np.unique(asked, return_counts=True)[1]
        assert (counts == 4).all()


@pytest.mark.parametrize("name", PROBES.names())
@pytest.mark.parametrize("protocol", [Full(), FewShot((8,), tries=2, by="patient")])
def test_protocols_hand_patients_on(name: str, protocol: Any, inner: list[np.ndarray]) -> None:
    x, y, groups = patients()
    task = "ordinal" if name == "ordinal" else "multiclass"
    data = made(x, y, groups.astype(str), task=task)
    inner.clear()
    run_protocol(several(name), data, protocol)
    for asked in inner:
        assert (np.unique(asked, return_counts=True)[1] == 4).all()
    if name in ("attentive", "calibrated", "mlp", "sgd", "transformer"):
        assert inner


@pytest.mark.parametrize("name", PROBES.names())
def test_nothing_of_the_patients_stays_behind(name: str) -> None:
    x, y, groups = patients()
    probe = several(name).fit(x, y, groups=groups)
    assert "_groups" not in vars(probe)
    for inner in (getattr(probe, "_fitted", None), getattr(probe, "_inner", None)):
        assert not isinstance(inner, Probe) or "_groups" not in vars(inner)


def test_what_neighbours_mean_is_counted_among_other_patients(monkeypatch) -> None:
    x, y, groups = patients()
    seen: list[Any] = []
    others = Bank.others

    def spy(self, k, of=None):
        for at, near, rows in others(self, k, of):
            seen.append((at, rows))
            yield at, near, rows

    monkeypatch.setattr(Bank, "others", spy)
    probe = quick("mlknn").fit(x, y, groups=groups)
    assert seen
    for at, rows in seen:
        assert (groups[rows] != groups[at][:, None]).all()
    assert probe.notes() == []
    two = np.where(groups < 29, 0, 1)
    (note,) = quick("mlknn").set_params(k=5).fit(x, y, groups=two).notes()
    assert "fewer than 5 items of other patients" in note


def test_the_rows_held_out_are_a_tenth_in_whole_patients() -> None:
    _, y, groups = patients(60)
    fit, held = hold_out(y, groups)
    assert not set(groups[fit]) & set(groups[held])
    assert held.sum() == pytest.approx(24, abs=4)
    assert hold_out(y, np.zeros(len(y))) is None
    most = np.where(groups < 50, 0, groups)  # the tenth must not be the patient of most rows
    parts = hold_out(y, most)
    assert parts is None or parts[1].sum() <= len(y) / 2


def test_groups_are_one_a_row() -> None:
    x, y, groups = patients()
    with pytest.raises(InputError, match=r"\(3,\) groups for 120 rows"):
        quick("ridge").fit(x, y, groups=groups[:3])
