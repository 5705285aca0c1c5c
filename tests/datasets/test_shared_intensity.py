"""datasets/shared_intensity.py: one range for all items of a data set."""

import numpy as np
import pytest

import featprobe as fp
from featprobe.core.errors import InputError
from featprobe.datasets.base import Dataset
from featprobe.datasets.shared_intensity import as_made, settle
from featprobe.datasets.sources import ArraySource
from featprobe.images.decoded_image import FrameRecipe
from featprobe.images.intensity import value_range

RNG = np.random.default_rng(0)
BYTES = RNG.integers(0, 256, (12, 5, 6, 3), np.uint8)


def data(array, **recipe):
    return Dataset(
        "d", np.array([str(i) for i in range(len(array))]), ArraySource([array]),
        recipe=FrameRecipe(**recipe),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("array", "rule"),
    [
        (BYTES, "auto"),
        (BYTES[..., 0].astype(np.float32), "auto"),
        (BYTES / np.float32(255), "range=0,1"),
        (BYTES.astype(np.float32), "range=0,255"),
        (BYTES.astype(np.uint16) * 16, "range=0,4095"),
        (BYTES.astype(np.int16) * 128, "range=0,65535"),
        (BYTES / np.float32(127.5) - 1, "range=-1,1"),
    ],
)
def test_colour_that_is_not_of_bytes_has_one_range(array, rule):
    d = data(array)
    settle(d)
    assert d.recipe.intensity == rule
    settle(d)
    assert d.recipe.intensity == rule


def test_a_dark_item_is_dark_beside_bright_ones():
    array = BYTES.astype(np.float32)
    array[3] = 0.5
    d = data(array)
    settle(d)
    assert value_range(d.open(3), d.recipe.intensity) == (0, 255)


def test_a_range_of_the_data_set_is_the_percentiles_of_all():
    array = RNG.normal(100, 20, (30, 8, 9)).astype(np.float32)
    d = data(array, intensity="dataset")
    settle(d)
    low, high = value_range(d.open(0), d.recipe.intensity)
    np.testing.assert_allclose((low, high), np.percentile(array, (0.5, 99.5)), rtol=1e-5)
    assert "one for all items" in d.notes[0]


def test_studies_have_no_range_in_common(tmp_path):
    d = data(BYTES[..., 0], intensity="dataset", modalities=("a", "b"))
    with pytest.raises(InputError, match="modalities have each their own"):
        settle(d)


def test_files_of_bytes_and_floats_are_a_warning(tmp_path):
    for i in range(4):
        image = BYTES[i] if i % 2 else BYTES[i] / np.float32(255)
        np.save(tmp_path / f"{i}.npy", image)
    d = fp.load_dataset(tmp_path)
    settle(d)
    assert d.recipe.intensity == "auto"
    assert "item by item" in d.warnings["black and white"][0]


def test_new_images_take_the_range_of_the_ones_before():
    made = FrameRecipe(intensity="range=0,1")
    new = data(BYTES[..., 0])
    as_made(new, made)
    assert new.recipe == made
    other = data(BYTES[..., 0], intensity="minmax")
    as_made(other, made)
    assert other.recipe.intensity == "minmax"
