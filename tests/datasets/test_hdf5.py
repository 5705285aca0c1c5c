"""HDF5 files of arrays as data sets."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest

from featprobe.core.errors import InputError
from featprobe.datasets.load import load_dataset

RNG = np.random.default_rng(0)


def write(path: Path, **arrays) -> Path:
    with h5py.File(path, "w") as f:
        for name, array in arrays.items():
            f[name] = array
    return path


@pytest.mark.parametrize(
    "shape, frames", [((8, 6), (1, 8, 6)), ((8, 6, 3), (1, 8, 6, 3)), ((4, 8, 6), (4, 8, 6))]
)
@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.float32])
def test_rows_are_items(tmp_path, shape, frames, dtype):
    x = RNG.integers(0, 255, (5, *shape)).astype(dtype)
    data = load_dataset(write(tmp_path / "x.h5", x=x, y=np.array([0, 1, 2, 1, 0])))
    assert data.targets.tolist() == [0, 1, 2, 1, 0]
    for i in (4, 0):
        assert data.frames(i) == frames[0]
        np.testing.assert_array_equal(data.read(i), x[i].reshape(frames))
        assert data.read(i).dtype == dtype


def test_other_names_and_kinds_of_labels(tmp_path):
    x = RNG.integers(0, 255, (4, 8, 6), dtype=np.uint8)
    none = load_dataset(write(tmp_path / "a.hdf5", images=x))
    assert (none.targets, len(none)) == (None, 4)
    labels = np.array([[1, 0], [0, 1], [0, 0], [1, 1]])
    several = load_dataset(write(tmp_path / "b.h5", images=x, labels=labels))
    assert (several.task, several.targets.tolist()) == ("multilabel", labels.tolist())
    age = load_dataset(write(tmp_path / "c.h5", x=x, target=np.array([1.5, 2, 3, 4])))
    assert (age.task, age.targets.tolist()) == ("regression", [1.5, 2, 3, 4])


@pytest.mark.parametrize(
    "arrays, match",
    [
        ({"a": np.zeros(3)}, r"no images: an array 'x'.* the file has a \(3,\)"),
        ({"x": np.zeros((3, 4))}, r"no images.*x \(3, 4\)"),
        ({"x": np.zeros((3, 4, 4)), "y": np.zeros(2)}, "3 images and 2 labels"),
        ({"x": np.zeros((3, 4, 4)), "y": np.full((3, 2), 7)}, "hold other values than 0 and 1"),
        ({"x": np.zeros((0, 4, 4))}, "has no items"),
        ({}, "the file has nothing"),
    ],
)
def test_files_that_are_no_data_set(tmp_path, arrays, match):
    with pytest.raises(InputError, match=match):
        load_dataset(write(tmp_path / "x.h5", **arrays))


def test_with_a_key_it_is_a_single_volume(tmp_path):
    volume = RNG.integers(0, 255, (5, 8, 6), dtype=np.uint8)
    path = write(tmp_path / "one.h5", scan=volume, mask=volume)
    data = load_dataset(path, key="scan")
    assert (len(data), data.frames(0)) == (1, 5)
    np.testing.assert_array_equal(data.read(0), volume)


def test_damaged_file(tmp_path):
    (tmp_path / "x.h5").write_bytes(b"no hdf5")
    with pytest.raises(InputError, match=r"x\.h5: not a readable HDF5 file"):
        load_dataset(tmp_path / "x.h5")


def test_fingerprint_is_of_the_bytes(tmp_path):
    x = RNG.integers(0, 255, (4, 8, 6), dtype=np.uint8)
    prints = []
    for name, array in (("a", x), ("b", x), ("c", x + 1)):
        write(tmp_path / f"{name}.h5", x=array)
        prints.append(load_dataset(tmp_path / f"{name}.h5").fingerprint)
    assert prints[0] == prints[1] != prints[2]
