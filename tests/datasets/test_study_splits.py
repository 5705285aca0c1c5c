"""Splits of the studies, by rule from official files: numbers of the whole data sets, and rows."""

from __future__ import annotations

import math
import random
from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from featprobe.core.errors import InputError, MissingPath, UnknownName
from featprobe.datasets.load import CATALOG, load_dataset
from featprobe.datasets.study_splits import (
    by_patient,
    evenly,
    last_rows,
    rad,
    shuffled,
    sorted_paths,
)
from tests.datasets import replicas


def counts(parts: np.ndarray) -> tuple[int, ...]:
    found = Counter(parts.tolist())
    return found["train"], found["val"], found["test"]


def test_counts_of_the_whole_data_sets() -> None:
    assert counts(rad(138, 46, 23, 138, step=True)) == (69, 23, 46)  # Montgomery
    assert counts(rad(566, 114, 91, 566, step=True)) == (361, 91, 114)  # Shenzhen
    assert counts(rad(210, 70, 50, 210)) == (90, 50, 70)  # SARS-CoV-2 CT
    patients = [f"p{i}" for i in range(233)]
    assert counts(by_patient(patients, 70, 50, 233)) == (113, 50, 70)  # figshare
    names = [f"{i}.png" for i in range(86_524)]
    assert last_rows(names, 10_002, 86_524) == set(names[76_522:])
    assert counts(shuffled(3_662, 0.3)) == (2_564, 549, 549)  # APTOS 2019
    assert counts(shuffled(25_331, 0.2)) == (20_265, 2_533, 2_533)  # ISIC 2019


def test_every_third_is_test_and_every_fourth_of_the_rest_val() -> None:
    parts = rad(138, 46, 23, 138, step=True)
    assert np.flatnonzero(parts == "test").tolist() == list(range(0, 138, 3))
    rest = [i for i in range(138) if i % 3]
    assert np.flatnonzero(parts == "val").tolist() == rest[::4]


@given(st.integers(1, 300).flatmap(lambda n: st.tuples(st.just(n), st.integers(1, n))))
def test_evenly_spaced_ones_are_as_many_as_asked_for(numbers: tuple[int, int]) -> None:
    n, k = numbers
    found = evenly(n, k)
    assert len(found) == len(set(found.tolist())) == k
    assert found.min() == 0
    assert found.max() < n
    gaps = np.diff(found)
    assert not len(gaps) or gaps.max() - gaps.min() <= 1


def test_a_part_of_a_data_set_has_the_same_shares_and_no_part_is_empty() -> None:
    for n in range(3, 60):
        for step in (False, True):
            assert min(counts(rad(n, 46, 23, 138, step))) >= 1
    with pytest.raises(InputError, match="2 items or patients cannot be split"):
        rad(2, 46, 23, 138)


def test_patients_stay_whole() -> None:
    rng = np.random.default_rng(0)
    groups = rng.integers(0, 40, 300).astype(str).tolist()
    parts = by_patient(groups, 70, 50, 233)
    assert len({(g, p) for g, p in zip(groups, parts.tolist())}) == len(set(groups))


def test_wacv_shuffles_rows_as_python_does() -> None:
    rows = list(range(1000))
    random.Random(42).shuffle(rows)
    parts = shuffled(1000, 0.3)
    assert set(parts[rows[:150]]) == {"val"}
    assert set(parts[rows[150:300]]) == {"test"}
    assert set(parts[rows[300:]]) == {"train"}


def test_wacv_cuts_the_sorted_table_at_labels_of_rows() -> None:
    """Against pandas' own ``loc``, of a table whose order is not that of its paths."""
    names = [f"CheXpert-v1.0/train/patient{p:05d}/study{s}/view1_frontal.jpg"
             for p in range(150) for s in (1, 2, 3, 10, 11)
             for _ in range(2 if s == 1 else 1)]  # fmt: skip
    names = [n.replace("view1", f"view{i % 2 + 1}") for i, n in enumerate(names)]
    table = pd.DataFrame({"Path": names * 2})
    table["Path"] = [f"{p}.{i}" for i, p in enumerate(table["Path"])]
    table = table.sort_values("Path", key=lambda c: c.str.split("/").str[2]).reset_index(drop=True)
    ordered = table.sort_values(by=["Path"])
    cut = int(len(table) * 0.2) + 15
    held = ordered.loc[:cut]
    half = int(len(held) / 2)
    val, test, train = held.loc[:half], held.loc[half:], ordered.loc[cut:]
    parts = sorted_paths(table["Path"])
    expected = np.full(len(table), "", dtype="<U5")
    for name, part in (("val", val), ("test", test), ("train", train)):  # the later one keeps it
        expected[part.index] = name
    assert (parts == expected).all()
    assert len(set(val.index) & set(test.index)) == len(set(test.index) & set(train.index)) == 1
    assert math.isclose(np.mean(parts == "train"), 0.8, abs_tol=0.02)


def opened(name: str, tmp_path: Path, **options: str):
    root = tmp_path / "root"
    if not root.exists():
        replicas.build(root, CATALOG.get(name))
    return load_dataset(name, root=root, cache=tmp_path / "cache", **options)


STUDIES = [
    ("nih_chestxray14", "rad"), ("chexpert", "wacv"), ("montgomery", "rad"), ("shenzhen", "rad"),
    ("sars_cov_2_ct", "rad"), ("brain_tumor_figshare", "rad"), ("aptos2019", "wacv"),
    ("isic2019", "wacv"),
]  # fmt: skip


@pytest.mark.parametrize("name, study", STUDIES)
def test_the_split_of_a_study_has_all_parts(name: str, study: str, tmp_path: Path) -> None:
    data = opened(name, tmp_path, split=study)
    assert {"train", "val", "test"} <= set(data.split.tolist())
    assert data.split_origin == f"as of the study {study}"
    assert len(data) <= len(opened(name, tmp_path))


def test_nih_of_rad(tmp_path: Path) -> None:
    data = opened("nih_chestxray14", tmp_path, split="rad", labels="15")
    assert list(data.classes) == sorted(data.classes)
    assert len(data.classes) == 15
    none = data.targets[:, data.classes.index("No Finding")] == 1
    np.testing.assert_array_equal(none, np.delete(data.targets, 10, axis=1).sum(1) == 0)
    listed = (tmp_path / "root" / "train_val_list.txt").read_text().split()
    assert data.ids[data.split == "val"].tolist() == listed[-1:]  # a share of twelve rows
    chosen = opened("nih_chestxray14", tmp_path, labels=["Mass", "Edema"])
    assert chosen.classes == ("Mass", "Edema")


def test_chexpert_of_rad_is_tested_on_the_official_test_set(tmp_path: Path) -> None:
    how = {"split": "rad", "view": "frontal", "labels": "5+uncertain", "uncertain": "zeros"}
    with pytest.raises(MissingPath, match=r"CheXlocalize.*test_labels.csv and test/") as caught:
        opened("chexpert", tmp_path, **how)
    assert "featprobe data show chexpert" in str(caught.value)
    base = tmp_path / "root" / "CheXpert-v1.0-small"
    classes = CATALOG.get("chexpert").classes
    rows = [",".join(["Path", *classes])]
    for p in range(9, 12):
        for view in ("view1_frontal.jpg", "view2_lateral.jpg"):
            path = f"test/patient{p:05d}/study1/{view}"
            replicas.picture(base / path)
            rows.append(",".join([path, *["1.0"] * 14]))
    replicas.text(base / "test_labels.csv", rows)
    data = opened("chexpert", tmp_path, **how)
    assert counts(data.split) == (5, 3, 3)
    assert all("frontal" in i for i in data.ids)
    assert data.classes[-1] == "Uncertain"


def test_an_unknown_study_is_refused_with_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(UnknownName, match=r"--split radd is neither a file.*Did you mean 'rad'"):
        opened("nih_chestxray14", tmp_path, split="radd")
