"""images/ceiling.py: the best labels of a grid, and what masks lose on the way there and back."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from featprobe.backbones.resizing import field_of_view
from featprobe.backbones.spec import Preprocess
from featprobe.core.errors import InputError
from featprobe.datasets.load import load_dataset
from featprobe.images.ceiling import best_labels, occupancy
from featprobe.images.decoded_image import FrameRecipe, ImageHeader
from featprobe.images.grids import FrameGrid

WHOLE = Preprocess(resize=(28, 28), crop=None)


def dice(a, b, k=1):
    return 2 * ((a == k) & (b == k)).sum() / max(1, (a == k).sum() + (b == k).sum())


def grid_of(shape, preprocess=WHOLE, fit="stretch", affine=None, **recipe):
    made = FrameRecipe(fit=fit, **recipe)
    header = ImageHeader(tuple(shape) if affine is not None else tuple(shape[::-1]), affine)
    return FrameGrid.of(header, made, lambda h, w: field_of_view(h, w, preprocess, fit))


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.floats(0.05, 0.95), st.sampled_from([(2, 4), (3, 3), (1, 9)]))
def test_no_labels_of_the_cells_are_better(seed, share, size):
    rng = np.random.default_rng(seed)
    values = (rng.random((1, *rng.integers(3, 12, 2))) < share).astype(np.uint8)
    grid = grid_of(values.shape)
    labels, found = best_labels(grid, values, size)
    every = (
        np.array(bits).reshape(1, *size)
        for bits in itertools.product([0, 1], repeat=size[0] * size[1])
    )
    assume(values.any())
    best = max(dice(grid.to_voxels(one), values) for one in every)
    assert found[1] == pytest.approx(best)
    assert dice(grid.to_voxels(labels), values) == pytest.approx(best)


def test_several_classes_and_void():
    rng = np.random.default_rng(0)
    values = rng.integers(0, 3, (1, 12, 12)).astype(np.uint8)
    values[0, :3] = 255
    grid = grid_of(values.shape)
    labels, found = best_labels(grid, values, (4, 4), 4)
    assert np.isnan(found[3])
    back = np.where(values == 255, 255, grid.to_voxels(labels))
    np.testing.assert_allclose(found[1:3], [dice(back, values, k) for k in (1, 2)])
    centre = np.where(values == 255, 255, grid.to_voxels(grid.to_frames(values, (4, 4)) % 255))
    assert np.nansum(found[1:]) >= sum(dice(centre, values, k) for k in (1, 2))


AFFINES = st.sampled_from([
    np.diag([1, 1, 1, 1.0]), np.diag([-0.7, 0.7, 3, 1]),
    np.array([[0, 0, 2.5, 0], [-1, 0, 0, 9], [0, 1, 0, 4], [0, 0, 0, 1.0]]),
])  # fmt: skip
PREPROCESS = st.sampled_from([
    Preprocess(resize=(224, 224), crop=None), Preprocess(resize=256, crop=(224, 224)),
    Preprocess(resize=224, crop=None, pad=(224, 224)), Preprocess(resize=(112, 168), crop=None),
])  # fmt: skip


@settings(max_examples=50, deadline=None)
@given(
    st.tuples(*[st.integers(36, 52)] * 3), AFFINES, PREPROCESS,
    st.sampled_from(["axial", "coronal", "sagittal"]), st.sampled_from(["stretch", "pad"]),
    st.sampled_from([None, 1.0, 0.5]), st.booleans(), st.integers(0, 2**32 - 1),
)  # fmt: skip
def test_a_round_trip_reaches_what_the_grid_allows(
    shape, affine, preprocess, plane, fit, spacing, box, seed
):
    """The share of cells, back by interpolation, against the best labels of the same cells.

    For shapes at least four cells across of which the crop leaves most: interpolation does not keep
    what is smaller, of which the best labels keep some, nor does it go on beyond the crop's edge.
    """
    grid = grid_of(shape, preprocess, fit, affine, plane=plane, spacing=spacing)
    rng = np.random.default_rng(seed)
    size = (preprocess.size[0] // 14, preprocess.size[1] // 14)
    cut = grid.cuts[0]
    across = np.ones(3)
    for axis, line, n, cells in zip(
        (cut.rows, cut.columns), (cut.view.rows, cut.view.columns), preprocess.size, size
    ):
        across[axis.axis] = abs(axis.line.step * line.step) * n / cells
    across[cut.frames.axis] = abs(cut.frames.line.step)
    radius = np.maximum(across * rng.uniform(2, 2.6, 3), 4)
    assume((radius * 2 + 4 < shape).all())
    centre = rng.uniform(radius + 1, shape - radius - 2)
    at = [(np.arange(n) - c) / r for n, c, r in zip(shape, centre, radius)]
    distance = [abs(np.array(d)) for d in np.meshgrid(*at, indexing="ij", sparse=True)]
    if box:
        values = np.maximum(np.maximum(distance[0], distance[1]), distance[2]) <= 1
    else:
        values = sum(d**2 for d in distance) <= 1
    values = values.astype(np.uint8)
    labels, found = best_labels(grid, values, size)
    assume(found[1] > 0.75)  # most of it is not cropped away
    assert dice(grid.to_voxels(labels), values) == pytest.approx(found[1])
    back = grid.to_voxels(occupancy(grid, values, size, 2)).argmax(0)
    # interpolation rounds the corners of boxes that fill cells exactly
    assert dice(back, values) >= (0.97 if box else 0.99) * found[1]


@settings(max_examples=40, deadline=None)
@given(
    st.tuples(*[st.integers(3, 40)] * 3), AFFINES, st.sampled_from(["axial", "sagittal"]),
    st.sampled_from(["stretch", "pad"]), st.integers(0, 2**32 - 1),
)  # fmt: skip
def test_pixels_finer_than_voxels_lose_nothing(shape, affine, plane, fit, seed):
    values = np.random.default_rng(seed).integers(0, 3, shape).astype(np.uint8)
    grid = grid_of(shape, Preprocess(resize=(112, 112), crop=None), fit, affine, plane=plane)
    np.testing.assert_array_equal(grid.to_voxels(grid.to_frames(values)), values)
    assert np.nanmin(best_labels(grid, values, classes=3)[1][1:]) == 1


@settings(max_examples=40, deadline=None)
@given(
    st.tuples(st.integers(1, 4), st.integers(5, 60), st.integers(5, 60)), PREPROCESS,
    st.sampled_from(["stretch", "pad"]), st.integers(0, 2**32 - 1),
)  # fmt: skip
def test_shares_are_those_of_finer_pixels(shape, preprocess, fit, seed):
    """Against the mean of labels on a grid forty times as fine."""
    values = np.random.default_rng(seed).integers(0, 3, shape).astype(np.uint8)
    grid = grid_of(shape, preprocess, fit)
    found = occupancy(grid, values, (3, 4), 3)
    assert found.sum(1) == pytest.approx(1, abs=1e-4)
    fine = grid.to_frames(values + 1, (3 * 120, 4 * 120))
    mean = [(fine == k + 1).reshape(shape[0], 3, 120, 4, 120).mean((2, 4)) for k in range(3)]
    inside = sum(mean) > 0.05
    for k in range(3):
        share = mean[k] / np.maximum(sum(mean), 1e-9)
        np.testing.assert_allclose(found[:, k][inside], share[inside], atol=0.05)
    assert (found[:, 0][sum(mean) == 0] > 0.9).all()


def test_several_planes_have_no_best_labels():
    grid = grid_of((5, 6, 7), affine=np.eye(4), plane="all")
    with pytest.raises(InputError, match="one plane"):
        best_labels(grid, np.zeros((5, 6, 7), np.uint8))


def test_every_hippocampus_comes_back(real_data):
    data = load_dataset(real_data / "hippocampus")
    preprocess = Preprocess(resize=(224, 224), crop=None)
    for i in range(0, 130, 26):
        grid = data.grid(i, lambda h, w: field_of_view(h, w, preprocess))
        values = data.masks.read(i).values
        _, found = best_labels(grid, values, (16, 16), 3)
        back = grid.to_voxels(occupancy(grid, values, (16, 16), 3)).argmax(0)
        for k in (1, 2):
            assert dice(back, values, k) >= 0.99 * found[k] > 0.7
