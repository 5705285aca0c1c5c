"""Few-shot draws of studies, and parts of train of a number of items."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from featprobe.core.errors import InputError, UnknownName
from featprobe.evaluation.protocols import FewShot, Full
from featprobe.splits.assign import portion, portion_of
from featprobe.splits.partition import Partitioner
from featprobe.splits.study_draws import dinov2, evenly, first, natural, spaced

RNG = np.random.default_rng(3)
GROUPS = RNG.integers(1, 60, 300).astype(str)
LABELS = (RNG.random((300, 5)) < 0.2).astype(float)
CLASSES = RNG.integers(0, 4, 300)
IDS = np.array([f"{i:04d}.png" for i in RNG.permutation(300)])
TRAIN = np.flatnonzero(RNG.random(300) < 0.7)


def of_rad(y: np.ndarray, shots: int) -> set[int]:
    """The rule as RAD states it, patient by patient, on pandas."""
    frame = pd.DataFrame({"row": TRAIN, "patient": GROUPS[TRAIN].astype(int)})
    frame["labels"] = [frozenset(np.flatnonzero(y[r] == 1).tolist()) or {"none"} for r in TRAIN]
    sets = frame.groupby("patient")["labels"]
    common = {p: frozenset.intersection(*map(frozenset, found)) for p, found in sets}
    taken: list[int] = []
    for label in [*range(y.shape[1]), "none"]:
        having = [p for p in sorted(common) if label in common[p]]
        taken += [p for p in having[:shots] if p not in taken]
    return set(frame["row"][frame["patient"].isin(taken)])


@pytest.mark.parametrize("shots", [1, 2, 4, 8, 16])
def test_rad_takes_the_first_patients_with_all_their_items(shots: int) -> None:
    rows = first(LABELS, GROUPS, TRAIN, IDS, 0)(shots, 0)
    assert set(rows.tolist()) == of_rad(LABELS, shots)
    assert (np.diff(rows) > 0).all()
    for patient in set(GROUPS[rows]):
        whole = TRAIN[GROUPS[TRAIN] == patient]
        assert set(whole) <= set(rows)


def test_patients_are_ordered_by_number() -> None:
    assert sorted(["P10", "P9", "a2", "10", "9"], key=natural) == ["9", "10", "P9", "P10", "a2"]
    groups = np.array(["10", "9", "11", "2"])
    rows = first(np.array([0, 0, 1, 1]), groups, np.arange(4), None, 0)(1, 0)
    assert rows.tolist() == [1, 3]


def test_a_patient_of_two_classes_is_of_none() -> None:
    y, groups = np.array([0, 1, 0, 1]), np.array(["1", "1", "2", "3"])
    assert first(y, groups, np.arange(4), None, 0)(1, 0).tolist() == [2, 3]
    with pytest.raises(InputError, match="no patient has a class in all of his items"):
        first(y[:2], groups[:2], np.arange(2), None, 0)(1, 0)


def test_dinov2_draws_under_the_seed_of_the_try() -> None:
    draw = dinov2(CLASSES, GROUPS, TRAIN, IDS, 0)
    for attempt in (0, 1, 5):
        torch.manual_seed(attempt)
        expected = [
            TRAIN[CLASSES[TRAIN] == c][torch.randperm(int((CLASSES[TRAIN] == c).sum()))[:7]]
            for c in range(4)
        ]
        assert set(draw(7, attempt).tolist()) == set(np.concatenate(expected).tolist())
    state = torch.get_rng_state()
    draw(7, 0)
    assert torch.equal(state, torch.get_rng_state())
    with pytest.raises(InputError, match="several labels"):
        dinov2(LABELS, GROUPS, TRAIN, IDS, 0)


def test_spaced_items_are_those_of_the_order_of_ids() -> None:
    rows = spaced(CLASSES, GROUPS, TRAIN, IDS, 0)(16, 0)
    order = TRAIN[np.argsort(IDS[TRAIN])]
    places = np.arange(0, len(order), len(order) / 16).round().astype(int)
    assert set(rows) == set(order[places])
    assert len(spaced(CLASSES, GROUPS, TRAIN, IDS, 0)(1000, 0)) == len(TRAIN)
    with pytest.raises(InputError, match="0 evenly spaced ones of 5"):
        evenly(5, 0)


@pytest.mark.parametrize("way", ["drawn", "first", "spaced", "dinov2"])
def test_no_draw_leaves_train(way: str) -> None:
    protocol = FewShot((4,), tries=3, draw=way)
    draw = protocol.draws(CLASSES, GROUPS, TRAIN, IDS)
    for attempt in range(protocol.tries):
        rows = draw(4, attempt)
        assert set(rows) <= set(TRAIN)
        assert len(rows) == len(set(rows))
    assert protocol.tries == (3 if way in ("drawn", "dinov2") else 1)


def test_what_a_protocol_says_of_its_draws() -> None:
    assert FewShot(draw="first").by == "patient"
    assert "draw" not in FewShot().to_dict()
    assert "choose" not in FewShot().to_dict()
    assert FewShot(draw="first", choose=True).to_dict()["draw"] == "first"
    with pytest.raises(UnknownName, match="unknown way to draw shots 'frist'.*'first'"):
        FewShot(draw="frist")
    with pytest.raises(InputError, match="takes items: leave by=patient out"):
        FewShot(draw="spaced", by="patient")


@given(st.integers(4, 220))
def test_a_number_of_items_is_a_portion_and_not_exceeded(n: int) -> None:
    every = np.arange(300)
    kept, fraction = portion_of(CLASSES, every, n, 1)
    assert kept.sum() <= n
    assert kept.sum() >= n - 4  # four classes round at the same fraction at most
    np.testing.assert_array_equal(kept, portion(CLASSES, every, fraction, 1))
    more, _ = portion_of(CLASSES, every, n + 10, 1)
    assert (more | ~kept).all()


def test_train_of_a_number_of_items() -> None:
    partitioner = Partitioner(CLASSES, np.arange(300).astype(str), IDS)
    whole = Full().split(partitioner)
    part = Full(subset=50).split(partitioner)
    assert 46 <= len(part.train) <= 50
    assert set(part.train) <= set(whole.train)
    assert abs(len(part.val) / len(whole.val) - len(part.train) / len(whole.train)) < 0.1
    assert (part.test == whole.test).all()
    assert "(50 asked for)" in part.origin
    all_of_it = Full(subset=5000).split(partitioner)
    assert (all_of_it.train == whole.train).all()
    assert "5000 training items were asked for, and train has 180" in all_of_it.origin
    assert Full(subset=50.0) == Full(subset=50)
    for wrong in (0, -1, 1.5, float("nan")):
        with pytest.raises(InputError, match="or a whole number of training items"):
            Full(subset=wrong)
    with pytest.raises(InputError, match="a patient of each class are 4 items already"):
        Full(subset=2).split(partitioner)
    with pytest.raises(InputError, match="needs splits of version 2"):
        Full(subset=50, split_version=1).split(Partitioner(CLASSES, GROUPS, IDS, 1))
