"""Views of a feature store."""

from __future__ import annotations

import numpy as np
import pytest

import featprobe as fp
from featprobe.core.errors import InputError, UnknownName
from featprobe.store.containers import create_store
from featprobe.store.format import DONE, FAILED, Layout
from featprobe.testing.stores import make_items, make_key


@pytest.fixture
def features(tiny_backbone, class_folders) -> fp.FeatureSet:
    return fp.extract(tiny_backbone, fp.load_dataset(class_folders))


@pytest.mark.parametrize(
    ("view", "width"),
    [("cls", 32), ("mean", 32), ("cls:2", 64), ("cls+mean", 64), ("cls:2+mean:2", 128)],
)
def test_views_have_the_width_they_say(features, view: str, width: int) -> None:
    assert features.x(view).shape == (40, width)


def test_the_default_view_is_cls_or_else_mean(features, class_folders) -> None:
    assert features.default_view == "cls"
    assert (features.x() == features.x("cls")).all()
    resnet = fp.load_backbone("resnet18", init="random", image_size=32)
    maps = fp.extract(resnet, fp.load_dataset(class_folders))
    assert maps.default_view == "mean"
    assert maps.x().shape == (40, 512)


@pytest.mark.parametrize(
    ("view", "error", "message"),
    [
        ("logits", UnknownName, "has no 'logits'.*It has: cls .2 blocks., mean"),
        ("mena", UnknownName, "Did you mean 'mean'"),
        ("cls:3", InputError, "extract again with --blocks 3"),
        ("cls:0", InputError, "has no 'cls:0'"),
        ("CLS!", InputError, "is not understood"),
    ],
)
def test_a_view_the_store_lacks_names_what_it_has(features, view, error, message) -> None:
    with pytest.raises(error, match=message):
        features.x(view)


def test_an_unknown_pooling_is_refused(features) -> None:
    with pytest.raises(InputError, match="unknown pooling 'median'"):
        features.x(pool="median")


def test_bags_hold_the_frames_of_each_item_that_has_all_of_its_own(tmp_path) -> None:
    layout = Layout(7, 8, {"cls": (2, 3), "mean": (1, 3)})
    frame_item = np.array([0, 0, 1, 1, 2, 2, 2])
    store = create_store(
        "zarr", tmp_path / "s.zarr", make_key(), layout, frame_item, np.zeros(7, int),
        make_items(3), {"dataset": "d", "backbone": "b"}, {},
    )  # fmt: skip
    cls = np.arange(42, dtype=np.float16).reshape(7, 2, 3)
    status = np.where(np.arange(7) == 3, FAILED, DONE)  # a frame of item 1
    store.write_shard(0, {"cls": cls, "mean": -cls[:, :1]}, status, [""] * 7)
    store.finish({})
    features = fp.FeatureSet(store)
    bags = features.bags("cls:2+mean")
    np.testing.assert_array_equal(bags.counts, [2, 3])
    kept = np.array([0, 1, 4, 5, 6])
    joined = np.concatenate([cls.reshape(7, 6), -cls[:, 0]], axis=1)
    np.testing.assert_array_equal(bags.frames, joined[kept])
    np.testing.assert_array_equal(bags.mean(), features.x("cls:2+mean"))
