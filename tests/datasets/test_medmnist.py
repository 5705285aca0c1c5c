"""Files in MedMNIST's layout, well-formed and not."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from featprobe.core.errors import InputError
from featprobe.datasets.load import load_dataset


def write(path: Path, shape: tuple[int, ...] = (8, 8), labels: int = 1, **more) -> Path:
    rng = np.random.default_rng(0)
    arrays = {}
    for split, n in (("train", 6), ("val", 3), ("test", 3)):
        arrays[f"{split}_images"] = rng.integers(0, 256, (n, *shape), dtype=np.uint8)
        arrays[f"{split}_labels"] = (np.arange(n * labels) % 2).reshape(n, labels)
    np.savez(path, **{k: v for k, v in (arrays | more).items() if v is not None})
    return path


@pytest.mark.parametrize(
    "shape, frames", [((8, 8), (1, 8, 8)), ((8, 8, 3), (1, 8, 8, 3)), ((5, 8, 8), (5, 8, 8))]
)
def test_images_colour_and_volumes(tmp_path, shape, frames):
    path = write(tmp_path / "x.npz", shape)
    data = load_dataset(path)
    assert data.read(0).shape == frames
    assert data.frames(0) == frames[0]
    with np.load(path) as f:
        np.testing.assert_array_equal(data.read(7), f["val_images"][1].reshape(frames))
    assert data.ids.tolist()[5:8] == ["train/000005", "val/000000", "val/000001"]
    assert data.split.tolist() == ["train"] * 6 + ["val"] * 3 + ["test"] * 3


def test_labels(tmp_path):
    single = load_dataset(write(tmp_path / "a.npz"))
    assert (single.task, single.classes) == ("multiclass", ("0", "1"))
    assert single.targets.tolist() == [0, 1] * 3 + [0, 1, 0] * 2
    several = load_dataset(write(tmp_path / "b.npz", labels=3))
    assert (several.task, several.targets.shape) == ("multilabel", (12, 3))
    none = dict.fromkeys([f"{s}_labels" for s in ("train", "val", "test")])
    assert load_dataset(write(tmp_path / "c.npz", **none)).targets is None


def test_a_split_may_be_absent(tmp_path):
    data = load_dataset(write(tmp_path / "a.npz", val_images=None, val_labels=None))
    assert sorted(set(data.split.tolist())) == ["test", "train"]
    assert len(data.targets) == 9


@pytest.mark.parametrize(
    "more, match",
    [
        ({"val_labels": np.zeros((2, 1))}, "images and labels differ in number"),
        ({"val_images": np.zeros((3, 4))}, r"val_images has shape \(3, 4\)"),
        ({"val_labels": np.array([["a"], ["b"], ["c"]])}, "labels of type"),
    ],
)
def test_malformed_files(tmp_path, more, match):
    with pytest.raises(InputError, match=match):
        load_dataset(write(tmp_path / "x.npz", **more))


def test_other_npz_and_damaged_files(tmp_path):
    np.savez(tmp_path / "other.npz", a=np.zeros(3))
    with pytest.raises(InputError, match=r"not in MedMNIST's layout.*among a"):
        load_dataset(tmp_path / "other.npz")
    (tmp_path / "bad.npz").write_bytes(b"no zip")
    with pytest.raises(InputError, match=r"bad\.npz: not a readable npz file"):
        load_dataset(tmp_path / "bad.npz")
    np.savez(tmp_path / "pickled.npz", train_images=np.array([{}], dtype=object))
    with pytest.raises(InputError, match=r"pickled\.npz: not a readable npz file"):
        load_dataset(tmp_path / "pickled.npz")


def test_catalog_name_adds_the_class_names(tmp_path, real_data):
    (tmp_path / "pneumoniamnist.npz").symlink_to(real_data / "pneumoniamnist_28.npz")
    data = load_dataset("pneumoniamnist", root=tmp_path, cache=tmp_path)
    assert data.classes == ("normal", "pneumonia")
    assert "3166 items, 5856 published" in data.notes
