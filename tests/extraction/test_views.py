"""Augmented views of frames in a store: what they are, their key, and resuming."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import featprobe as fp
from featprobe.backbones.augment import augment
from featprobe.backbones.augmented_views import _seed, described, view_of
from featprobe.core.errors import InputError, UnknownName
from featprobe.images.intensity import apply_rule
from featprobe.store.containers import open_store
from featprobe.store.format import array_of


def test_each_view_is_that_of_a_bare_loop(tiny_backbone, class_folders) -> None:
    data = fp.load_dataset(class_folders)
    found = fp.extract(
        tiny_backbone, data, views=3, view_seed=5, dtype="float32", batch_size=7, workers=0
    )
    assert found.augmented_views == 3
    plain = fp.extract(tiny_backbone, data, dtype="float32", batch_size=7, workers=0)
    np.testing.assert_array_equal(found.x("cls+mean"), plain.x("cls+mean"))
    for view in (1, 2):
        for i in (0, 13, 39):
            picture = data.source.read(i, data.recipe)
            pixels, (low, high) = apply_rule(picture, data.recipe.intensity)
            shown = tiny_backbone.render(pixels, low, high)
            draws = torch.Generator().manual_seed(_seed(5, view, i))
            frame = augment(shown, ["flip", "crop", "brightness", "contrast"], draws)
            out = tiny_backbone.forward(tiny_backbone.normalised(frame), 2)
            expected = out["cls"][0].reshape(-1).numpy()
            np.testing.assert_allclose(found.x("cls:2", augmented=view)[i], expected, atol=2e-5)
    one, two = (found.x(augmented=v) for v in (1, 2))
    assert not np.allclose(one, two)
    assert not np.allclose(one, found.x())


def test_the_key_says_what_was_drawn(tiny_backbone, class_folders) -> None:
    data = fp.load_dataset(class_folders)
    made = [
        fp.extract(tiny_backbone, data, **options).key
        for options in (
            {}, {"views": 2}, {"views": 3}, {"views": 2, "view_seed": 1},
            {"views": 2, "augment": ["flip"]},
        )
    ]  # fmt: skip
    assert len({k.digest for k in made}) == 5
    assert "augmented" not in made[0].to_dict()
    assert made[4].augmented == {"views": 2, "seed": 0, "draws": {"flip": {"p": 0.5}}}
    again = fp.extract(tiny_backbone, data, views=2, augment=["contrast", "brightness", "crop",
                                                              "flip"])  # fmt: skip
    assert again.key == made[1]
    assert not again.summary.new_frames


@pytest.mark.parametrize("store", ["zarr", "hdf5"])
def test_a_resumed_extraction_gives_the_same_views(
    tiny_backbone, class_folders, tmp_path, store
) -> None:
    data = fp.load_dataset(class_folders)
    options = {"views": 2, "batch_size": 4, "workers": 0, "store": store}
    whole = fp.extract(tiny_backbone, data, cache=tmp_path / "whole", **options)
    assert whole.store.layout.shards > 2
    for part in ((1, 2), (2, 2)):  # each goes on from what the other left
        try:
            parts = fp.extract(tiny_backbone, data, cache=tmp_path / "p", part=part, **options)
        except fp.core.errors.Unfinished:
            continue
    for view in (0, 1):
        np.testing.assert_array_equal(whole.x(augmented=view), parts.x(augmented=view))
    there = open_store(parts.store.path)
    assert array_of("cls", 1) == "cls.1"
    assert set(there.layout.outputs) == {"cls", "mean"}
    assert there.complete


def test_volumes_have_views_of_each_slice(tiny_backbone, tmp_path) -> None:
    rng = np.random.default_rng(0)
    volumes = rng.integers(0, 255, (6, 3, 30, 30), np.uint8)
    found = fp.extract(
        tiny_backbone,
        fp.Dataset.from_arrays(volumes, np.arange(6) % 2, volumes=True),
        views=2,
        workers=0,
    )
    assert found.several_frames
    assert found.x(augmented=1).shape == found.x().shape
    assert not np.allclose(found.x(augmented=1), found.x())


def test_views_do_not_depend_on_which_frames_are_seen_together() -> None:
    x = torch.rand(5, 1, 20, 20)
    what = described(4, ["flip", "rotate", "noise", "erase"], 3)
    together = view_of(x, 2, [7, 1, 3, 0, 9], what)
    alone = [view_of(x[i : i + 1], 2, [frame], what) for i, frame in enumerate([7, 1, 3, 0, 9])]
    assert torch.equal(together, torch.cat(alone))
    assert view_of(x, 0, range(5), what) is x


@pytest.mark.parametrize(
    ("options", "error", "said"),
    [
        ({"views": 0}, InputError, "views 0: one is the frame as it is"),
        ({"views": 2, "augment": []}, InputError, "name some, as flip crop"),
        ({"views": 2, "augment": ["flop"]}, UnknownName, "'flop'. Did you mean 'flip'"),
        ({"views": 2, "view_seed": -1}, InputError, "seed of views"),
    ],
)
def test_what_is_no_view_is_refused(tiny_backbone, class_folders, options, error, said) -> None:
    with pytest.raises(error, match=said):
        fp.extract(tiny_backbone, fp.load_dataset(class_folders), **options)
