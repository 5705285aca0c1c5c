"""Tokens on principal components, and the room that features take."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.decomposition import PCA

import featprobe as fp
from featprobe.backbones.reduced import Moments, Reduction
from featprobe.core.errors import InputError
from featprobe.datasets.base import Dataset
from featprobe.extraction import disk_space
from featprobe.features.tokens import TokenSet


@pytest.fixture
def data():
    images = np.random.default_rng(0).integers(0, 255, (6, 3, 30, 40)).astype(np.uint8)
    split = ["train"] * 3 + ["val", "test", "test"]
    return Dataset.from_arrays(images, volumes=True, name="v", split=split)


def extract(backbone, data, cache, **more):
    return fp.extract(
        backbone, data, cache=cache, features=["tokens:2", "cls"], workers=0, progress=False,
        dtype="float32", **more,
    )  # fmt: skip


def test_components_are_those_of_scikit_learn(data, tiny_backbone, cache):
    whole = extract(tiny_backbone, data, cache).frames("tokens")
    small = extract(tiny_backbone, data, cache, dim=5)
    found = small.frames("tokens")
    assert found.shape == (18, 2, 2, 2, 5)
    assert "cls" in small.store.layout.arrays
    told = small.provenance["reduction"]
    assert told["items"] == 3
    for block in range(2):
        train = whole[:9, block].reshape(-1, 32)
        pca = PCA(5).fit(train)
        expected = pca.transform(whole[:, block].reshape(-1, 32))
        own = found[:, block].reshape(-1, 5)
        signs = np.sign((expected * own).sum(0))
        np.testing.assert_allclose(own * signs, expected, atol=1e-3)
        assert told["explained"][block] == pytest.approx(pca.explained_variance_ratio_.sum())
    assert TokenSet(small, data).width == 5


def test_what_tests_has_no_part_in_components(data, tiny_backbone, cache):
    before = extract(tiny_backbone, data, cache, dim=4)
    data.source.arrays[0][3:] = 255 - data.source.arrays[0][3:]
    data.__dict__.pop("fingerprint", None)
    after = extract(tiny_backbone, data, cache, dim=4)
    assert before.provenance["reduction"] == after.provenance["reduction"]
    assert before.key.digest != after.key.digest
    np.testing.assert_array_equal(before.frames("tokens")[:9], after.frames("tokens")[:9])


def test_other_training_items_are_another_store(data, tiny_backbone, cache):
    first = extract(tiny_backbone, data, cache, dim=4)
    assert extract(tiny_backbone, data, cache, dim=4).summary.new_frames == 0
    data.split = np.array(["val", "train", "train", "train", "test", "test"])
    second = extract(tiny_backbone, data, cache, dim=4)
    assert second.summary.new_frames == 18
    assert second.key.differences(first.key.to_dict()) == ["reduction"]


def test_new_data_are_brought_to_the_same_components(data, tiny_backbone, cache):
    first = extract(tiny_backbone, data, cache, dim=4)
    new = Dataset.from_arrays(data.source.arrays[0][:2], volumes=True, name="new")
    given = (first.key.reduction, first.provenance["reduction"])
    found = extract(tiny_backbone, new, cache, components=given)
    np.testing.assert_array_equal(found.frames("tokens"), first.frames("tokens")[:6])
    assert found.key.variant == first.key.variant


def test_what_cannot_be_is_said(data, tiny_backbone, cache):
    with pytest.raises(InputError, match="1 to 32 components"):
        extract(tiny_backbone, data, cache, dim=33)
    with pytest.raises(InputError, match="--features tokens"):
        fp.extract(tiny_backbone, data, cache=cache, features=["cls"], dim=3, progress=False)
    data.split = np.full(6, "")
    with pytest.raises(InputError, match="data split"):
        extract(tiny_backbone, data, cache, dim=3)
    with pytest.raises(InputError, match="could be read"):
        Moments().reduction(3, 0, 0)


def test_components_survive_json():
    import json

    rng = np.random.default_rng(0)
    one = Reduction(
        rng.normal(size=(2, 6)).astype(np.float32), rng.normal(size=(2, 6, 3)).astype(np.float32),
        (0.5, 0.25), 7, 9,
    )  # fmt: skip
    other = Reduction.from_dict(json.loads(json.dumps(one.to_dict())))
    np.testing.assert_array_equal(one.components, other.components)
    np.testing.assert_array_equal(one.mean, other.mean)
    assert (other.explained, other.items, other.frames) == ((0.5, 0.25), 7, 9)


def test_a_store_that_does_not_fit_is_not_begun(data, tiny_backbone, cache, monkeypatch):
    monkeypatch.setattr(disk_space, "_free", lambda path: 1000)
    with pytest.raises(InputError, match=r"18 frames take 0.\d MB .*0.0 MB are free.*--dtype int8"):
        extract(tiny_backbone, data, cache)


def test_a_large_store_is_told(data, tiny_backbone, cache, monkeypatch, capsys):
    monkeypatch.setattr(disk_space, "WORTH_A_LINE", 10)
    extract(tiny_backbone, data, cache)
    assert "frames take" not in capsys.readouterr().err
    fp.extract(tiny_backbone, data, cache=cache, features=["tokens"], workers=0, progress=True)
    assert "18 frames take 0.0 MB (tokens 0.0 MB), " in capsys.readouterr().err
