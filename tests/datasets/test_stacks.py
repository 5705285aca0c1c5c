"""Several 2D files as the frames of one item."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from featprobe.core.errors import UnreadableItem
from featprobe.datasets.stacks import StackSource, natural
from featprobe.images.decoded_image import FrameRecipe

RECIPE = FrameRecipe()


def save(path: Path, array: np.ndarray) -> Path:
    Image.fromarray(array).save(path)
    return path


def test_natural_order():
    names = ["10.png", "9.png", "a2b10.png", "a2b9.png", "1.png"]
    assert [p.name for p in sorted(map(Path, names), key=natural)] == [
        "1.png", "9.png", "10.png", "a2b9.png", "a2b10.png",
    ]  # fmt: skip


def test_slices_of_one_size(tmp_path):
    slices = np.random.default_rng(0).integers(0, 256, (3, 6, 5), dtype=np.uint8)
    paths = tuple(save(tmp_path / f"{i}.png", s) for i, s in enumerate(slices))
    source = StackSource([paths, paths[:1]])
    assert [source.frames(i, RECIPE) for i in (0, 1)] == [3, 1]
    picture = source.read(0, RECIPE)
    np.testing.assert_array_equal(picture.pixels, slices)
    assert picture.notes == ()


def test_unequal_sizes_are_centred_on_black_with_a_note(tmp_path):
    paths = (
        save(tmp_path / "a.png", np.full((4, 8), 5, np.uint8)),
        save(tmp_path / "b.png", np.full((6, 3, 3), 7, np.uint8)),
    )
    picture = StackSource([paths]).read(0, RECIPE)
    assert picture.pixels.shape == (2, 6, 8, 3)
    assert picture.pixels.sum(axis=(1, 2, 3)).tolist() == [4 * 8 * 3 * 5, 6 * 3 * 3 * 7]
    assert (picture.pixels[0, 1:5] == 5).all()
    assert (picture.pixels[1, :, 2:5] == 7).all()
    assert "2 sizes, centred on black in 6 x 8" in picture.notes[0]


def test_a_damaged_slice_is_named(tmp_path):
    good = save(tmp_path / "1.png", np.eye(4, dtype=np.uint8))
    (tmp_path / "2.png").write_bytes(good.read_bytes()[:30])
    with pytest.raises(UnreadableItem, match=r"2\.png"):
        StackSource([(good, tmp_path / "2.png")]).read(0, RECIPE)
