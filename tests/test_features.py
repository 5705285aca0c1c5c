"""Views of a feature store."""

from __future__ import annotations

import pytest

import featprobe as fp
from featprobe.errors import InputError, UnknownName


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
