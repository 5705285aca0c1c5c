"""Splits of before versions were recorded stay as they were: digests made by the code of then."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest

from featprobe.evaluation.protocols import CrossVal, FewShot, Full, make_split
from featprobe.splits import version1 as splits_first

GOLDEN = {  # 60/20/20, five folds, a tenth, and draws of 4 shots by sample and by patient
    "classes": ("abb41544e3acafd0", "a5ab64686c1e8dcf", "cd47818d8d557aaf",
                "a14c17554aed09d0", "5ed2654b31d757b5"),
    "labels": ("6f07fd7948f1601f", "47140857cc3bef80", "1cf9a0852dea7fa9",
               "e82bfcdd5745b0b3", "d0d31abadbaaf04b"),
    "values": ("81da3d99d43fd3c9", "f75ff634d3b0fe69", "f85337b837e4124e"),
}  # fmt: skip


def case(kind: str) -> tuple[np.ndarray, np.ndarray]:
    """Targets of a kind, of patients with one to five items in mixed order."""
    rng = np.random.default_rng(7)
    groups = np.repeat(np.arange(200), rng.integers(1, 6, 200))[:600]
    groups = groups[rng.permutation(len(groups))].astype(str)
    n = len(groups)
    if kind == "classes":
        return rng.choice(4, size=n, p=[0.6, 0.25, 0.1, 0.05]), groups
    if kind == "labels":
        unknown = rng.random((n, 5)) < 0.1
        return np.where(unknown, np.nan, (rng.random((n, 5)) < 0.2) * 1.0), groups
    return rng.normal(size=n), groups


def short(rows: np.ndarray) -> str:
    return hashlib.sha256(np.asarray(rows, dtype="<i8").tobytes()).hexdigest()[:16]


@pytest.mark.parametrize("kind", GOLDEN)
def test_the_first_version_is_kept_bit_for_bit(kind) -> None:
    y, groups = case(kind)
    found = [
        short(splits_first.assign(y, groups, seed=3)),
        short(splits_first.assign(y, groups, [0.2] * 5, [3, 1])),
        short(splits_first.portion(y, groups, 0.1, [3, 0])),
    ]
    if kind != "values":
        rows = np.arange(0, len(groups), 2)
        for by in ("item", "patient"):
            protocol = FewShot(by=by, seed=3, split_version=1)
            found.append(short(protocol.draws(y, groups, rows)(4, 2)))
    assert tuple(found) == GOLDEN[kind]


def test_a_small_split_of_the_first_version() -> None:
    y, groups = np.arange(40) % 3, np.arange(40) // 2
    s = make_split(y, groups, seed=1, version=1)
    part = np.empty(40, dtype=int)
    for k, rows in enumerate((s.train, s.val, s.test)):
        part[rows] = k
    assert "".join(map(str, part)) == "0000002200002211001100000022001122000011"
    assert s.version == 1


def test_protocols_of_the_first_version_read_as_they_did_then() -> None:
    assert Full(split_version=1).to_dict() == {"seed": 0, "refit": True, "name": "full"}
    assert CrossVal(split_version=1).to_dict() == {"folds": 5, "seed": 0, "name": "cv"}
    assert "split_version" not in FewShot(split_version=1).to_dict()
    assert Full().to_dict()["split_version"] == 2
