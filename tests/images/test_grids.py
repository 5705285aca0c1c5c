"""images/grids.py and backbones/shaping.py: masks follow frames, and come back to their voxels."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from featprobe.backbones.resizing import crop, field_of_view, place, resize
from featprobe.backbones.spec import Preprocess
from featprobe.core.errors import InputError
from featprobe.images.decoded_image import FrameRecipe, ImageHeader, Volume
from featprobe.images.frames import cut
from featprobe.images.grids import FrameGrid, Line, View


def seen(height, width, preprocess, fit="stretch"):
    """The network's input of a frame whose pixels are their own row and column."""
    y, x = np.mgrid[:height, :width].astype(np.float32)
    frame = torch.from_numpy(np.stack([y, x]))[None]
    if fit == "pad":
        out = place(frame / 10000, preprocess) * 10000
    else:
        out = crop(resize(frame, preprocess, None), preprocess)
    return out[0].numpy()


SIDES = st.integers(9, 90)


@settings(max_examples=60, deadline=None)
@given(
    SIDES, SIDES, st.sampled_from(["stretch", "pad"]),
    st.sampled_from([
        Preprocess(resize=32, crop=(28, 28), interpolation="bilinear"),
        Preprocess(resize=(28, 28), crop=None, interpolation="bilinear"),
        Preprocess(resize=(20, 40), crop=(14, 28), interpolation="bilinear"),
        Preprocess(resize=None, crop=(28, 42), interpolation="bilinear"),
        Preprocess(resize=30, crop=(56, 56), interpolation="bilinear"),
    ]),
)  # fmt: skip
def test_a_view_is_where_torch_puts_pixels(height, width, fit, preprocess):
    view = field_of_view(height, width, preprocess, fit)
    y, x = seen(height, width, preprocess, fit)
    h, w = view.size
    assert (h, w) == y.shape
    rows, columns = view.rows(np.arange(h)), view.columns(np.arange(w))
    # antialiasing bends coordinates at the borders, by the width of its triangle, and a little
    # (a tenth of a pixel) where few pixels fall under one
    margin = [max(1.0, line.step) for line in (view.rows, view.columns)]
    inside = (rows >= margin[0]) & (rows <= height - 1 - margin[0])
    across = (columns >= margin[1]) & (columns <= width - 1 - margin[1])
    both = inside[:, None] & across
    assert np.abs(np.where(both, y - rows[:, None], 0)).max() < 0.15
    assert np.abs(np.where(both, x - columns, 0)).max() < 0.15


def test_the_view_of_a_padded_input_starts_at_the_top_left():
    view = field_of_view(50, 100, Preprocess(resize=64, crop=None, pad=(64, 64)))
    assert view.size == (64, 64)
    assert view.rows.step == view.columns.step == 100 / 64
    assert view.rows(np.array([31.5]))[0] == pytest.approx(49.5)


def whole(height, width):
    """A network that sees frames pixel by pixel."""
    return View((height, width), Line(0, 1), Line(0, 1))


AFFINES = st.tuples(
    st.permutations([0, 1, 2]), st.tuples(*[st.sampled_from([-1, 1])] * 3),
    st.tuples(*[st.floats(0.3, 6)] * 3),
)  # fmt: skip


def affine_of(parts):
    order, signs, spacing = parts
    out = np.eye(4)
    out[:3, :3] = 0
    for axis in range(3):
        out[order[axis], axis] = signs[axis] * spacing[axis]
    out[:3, 3] = [-7.5, 3.25, 11]
    return out


@settings(max_examples=80, deadline=None)
@given(
    st.tuples(*[st.integers(1, 9)] * 3), AFFINES,
    st.sampled_from(["auto", "axial", "coronal", "sagittal", "all"]),
    st.sampled_from(["all", "n=3", "stride=2"]), st.integers(0, 2**32 - 1),
)  # fmt: skip
def test_masks_are_cut_as_their_images_are(shape, parts, plane, frames, seed):
    affine = affine_of(parts)
    labels = np.random.default_rng(seed).integers(0, 200, shape).astype(np.uint8)
    recipe = FrameRecipe(plane=plane, frames=frames)
    expected = cut(Volume(labels, affine), recipe).pixels
    grid = FrameGrid.of(ImageHeader(shape, affine), recipe, whole)
    found = grid.to_frames(labels)
    if plane != "all":  # frames of several planes are padded with the lowest value, masks with 0
        np.testing.assert_array_equal(found, expected)
    else:
        assert found.shape == expected.shape
        assert (found == expected)[expected != expected.min()].all()
    if frames == "all":
        np.testing.assert_array_equal(grid.to_voxels(found), labels)
        hot = (found[:, None] == np.arange(200)[:, None, None]).astype(np.float32)
        np.testing.assert_array_equal(grid.to_voxels(hot).argmax(0), labels)


def test_what_the_network_does_not_see_is_background():
    header = ImageHeader((40, 20, 1))
    preprocess = Preprocess(resize=20, crop=(20, 20))
    grid = FrameGrid.of(header, FrameRecipe(), lambda h, w: field_of_view(h, w, preprocess))
    assert grid.shape == (1, 20, 40)
    ones = np.ones((1, 20, 40), np.uint8)
    assert grid.to_frames(ones).shape == (1, 20, 20)
    back = grid.to_voxels(grid.to_frames(ones))
    assert back[0, :, 10:30].all()
    assert not back[0, :, :10].any()
    assert not back[0, :, 30:].any()
    sure = np.zeros((1, 2, 5, 5), np.float32)
    sure[:, 1] = 1
    probability = grid.to_voxels(sure)
    np.testing.assert_allclose(probability.sum(0), 1)
    np.testing.assert_array_equal(probability[1] > 0.5, back)
    both = grid.to_voxels(sure, multilabel=True)
    assert not both[:, :, :, :10].any()


def test_padding_of_a_fit_is_background():
    preprocess = Preprocess(resize=None, crop=(28, 28))
    header = ImageHeader((10, 20, 1))
    grid = FrameGrid.of(header, FrameRecipe(), lambda h, w: field_of_view(h, w, preprocess, "pad"))
    frames = grid.to_frames(np.ones((1, 20, 10), np.uint8))
    assert frames.sum() == 200
    assert frames[0, 4:24, 9:19].all()


@pytest.mark.parametrize(("frames", "between"), [("n=2", 0.5), ("stride=2", 0.5)])
def test_frames_that_were_not_taken_lie_between_their_neighbours(frames, between):
    header = ImageHeader((4, 4, 3 if frames == "stride=2" else 4), np.eye(4))
    grid = FrameGrid.of(header, FrameRecipe(plane="axial", frames=frames), whole)
    taken = grid.cuts[0].taken
    probabilities = np.zeros((len(taken), 2, 4, 4), np.float32)
    probabilities[0, 1], probabilities[-1, 0] = 1, 1
    out = grid.to_voxels(probabilities)[1, 0, 0]
    np.testing.assert_allclose(out, np.interp(np.arange(header.shape[2]), taken, [1, 0]))


def test_frames_without_foreground_are_background():
    header = ImageHeader((4, 4, 5), np.eye(4))
    recipe = FrameRecipe(plane="axial", frames="foreground")
    grid = FrameGrid.of(header, recipe, whole, [np.array([1, 2])])
    labels = grid.to_voxels(np.ones((2, 4, 4), np.uint8))
    assert labels.any((0, 1)).tolist() == [False, True, True, False, False]
    sure = np.zeros((2, 2, 4, 4), np.float32)
    sure[:, 1] = 1
    assert grid.to_voxels(sure)[0].all((0, 1)).tolist() == [True, False, False, True, True]
    with pytest.raises(InputError, match="only after decoding"):
        FrameGrid.of(header, recipe, whole)


@settings(max_examples=40, deadline=None)
@given(
    st.tuples(*[st.integers(4, 24)] * 3), AFFINES, st.floats(0.5, 3),
    st.sampled_from(["axial", "coronal", "sagittal"]),
)  # fmt: skip
def test_resampled_frames_lie_where_the_volume_does(shape, parts, spacing, plane):
    """A ramp is linear, so resampling keeps it: the frames say where they lie."""
    affine = affine_of(parts)
    recipe = FrameRecipe(plane=plane, spacing=spacing)
    grid = FrameGrid.of(ImageHeader(shape, affine), recipe, whole)
    first = grid.cuts[0]
    for where, axis in enumerate((first.frames, first.rows, first.columns)):
        n = shape[axis.axis]
        ramp = np.zeros(shape, np.float32) + np.moveaxis(
            np.arange(n, dtype=np.float32)[:, None, None], 0, axis.axis
        )
        frames = cut(Volume(ramp, affine), recipe).pixels
        places = axis.line(np.arange(axis.n))
        line = np.moveaxis(frames, where, 0).reshape(axis.n, -1)[:, 0]
        width = max(1.0, abs(axis.line.step))
        inside = (places >= width) & (places <= n - 1 - width)
        np.testing.assert_allclose(line[inside], places[inside], atol=0.15)


def test_late_fusion_has_no_grid():
    recipe = FrameRecipe(modalities=("a", "b"), fusion="late")
    with pytest.raises(InputError, match="late fusion"):
        FrameGrid.of(ImageHeader((4, 4, 1)), recipe, whole)
