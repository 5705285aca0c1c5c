"""images/frames.py and the resampling of images/volume.py: the frame recipes."""

import json
from dataclasses import replace

import nibabel
import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from featprobe.core.errors import InputError, UnreadableItem
from featprobe.datasets.base import ArraySource
from featprobe.images import files, frames
from featprobe.images.decoded_image import DecodedImage, FrameRecipe, ImageHeader, Volume
from featprobe.images.volume import resample, resampled_grid

recipes = st.builds(
    lambda intensity, channels, **rest: FrameRecipe(
        intensity=intensity, channels="grey" if "+" in intensity else channels, **rest
    ),
    plane=st.sampled_from(["auto", "axial", "coronal", "sagittal", "all"]),
    frames=st.sampled_from(["all", "n=1", "n=3", "n=40", "stride=2", "stride=5", "foreground"]),
    channels=st.sampled_from(["grey", "neighbours"]),
    fit=st.sampled_from(["stretch", "pad"]),
    spacing=st.sampled_from([None, 1.3, (0, 0, 2), (2, 3, 0.5)]),
    intensity=st.sampled_from(["auto", "lung", "lung+bone+brain", "zscore=2"]),
)


def volume(shape=(6, 7, 8), spacing=(1, 1, 1), seed=0):
    rng = np.random.default_rng(seed)
    return Volume(rng.integers(-50, 900, shape).astype(np.int16), np.diag([*spacing, 1.0]))


@given(recipe=recipes, shape=st.tuples(*[st.integers(1, 12)] * 3), oblique=st.booleans())
def test_the_planned_count_is_the_number_of_frames_read(tmp_path_factory, recipe, shape, oblique):
    affine = np.diag([-0.8, 0.9, 3.0, 1.0])
    if oblique:
        affine = affine @ np.array(
            [[0, 0.8, 0.6, 0], [1, 0, 0, 0], [0, -0.6, 0.8, 5], [0, 0, 0, 1]]
        )
    path = tmp_path_factory.mktemp("f") / "x.nii"
    array = np.random.default_rng(1).integers(0, 99, shape).astype(np.int16)
    nibabel.save(nibabel.Nifti1Image(array, affine), path)
    assert files.count_frames([path], recipe) == len(files.read([path], recipe).pixels)


@given(recipe=recipes, n=st.integers(1, 12), color=st.booleans())
def test_the_count_holds_for_arrays_in_memory(recipe, n, color):
    assume(recipe.spacing is None)
    rows = np.random.default_rng(2).integers(0, 255, (2, 5, 6, 3) if color else (2, n, 5, 6))
    source = ArraySource([rows.astype(np.uint8)])
    assert source.frames(1, recipe) == len(source.read(1, recipe).pixels)


@given(recipe=recipes, decode=st.sampled_from(["host", "device"]))
def test_a_recipe_survives_json(recipe, decode):
    recipe = replace(recipe, decode=decode)
    d = json.loads(json.dumps(recipe.to_dict()))
    assert FrameRecipe(**d) == recipe
    host = {"decode"} if recipe.decode == "host" else set()  # left out, as the first keys have it
    assert set(d) | host == set(FrameRecipe.__dataclass_fields__)
    assert "decode" in d or host


@pytest.mark.parametrize("wrong, said", [
    ({"plane": "axal"}, r"unknown plane 'axal'\. Did you mean 'axial'.*coronal"),
    ({"channels": "rgb"}, r"unknown channels 'rgb'.*neighbours"),
    ({"fit": "padd"}, r"Did you mean 'pad'"),
    ({"frames": "al"}, r"unknown frames 'al'\. Did you mean 'all'"),
    ({"frames": "n=0"}, "whole number above 0"),
    ({"frames": "stride=x"}, "whole number above 0"),
    ({"frames": "all=3"}, "unknown frames"),
    ({"spacing": (1, 2)}, "one or three millimetre values"),
    ({"spacing": -1}, "one or three millimetre values"),
    ({"spacing": 0}, "one or three millimetre values"),
    ({"spacing": "wide"}, "one or three millimetre values"),
    ({"channel": -1}, "at least 0"),
    ({"intensity": "lungs"}, r"Did you mean 'lung'"),
    ({"intensity": "lung+bone+brain", "channels": "neighbours"}, "both fill the three channels"),
])  # fmt: skip
def test_unknown_values_are_refused_with_those_allowed(wrong, said):
    with pytest.raises(InputError, match=said):
        FrameRecipe(**wrong)


@given(n=st.integers(1, 60), k=st.integers(1, 70))
def test_picks_are_symmetric_rising_and_as_many_as_asked(n, k):
    for rule, count in ((f"n={k}", min(n, k)), (f"stride={k}", (n - 1) // k + 1)):
        index = frames.picks(n, rule)
        assert len(index) == count
        assert index[0] >= 0
        assert index[-1] < n
        assert (np.diff(index) > 0).all()
        assert abs(int(index[0]) - int(n - 1 - index[-1])) <= 1


def test_chosen_frames_keep_their_place_in_the_world_and_the_grey_values_of_the_whole():
    every = frames.cut(volume(), FrameRecipe())
    some = frames.cut(volume(), FrameRecipe(frames="stride=3"))
    assert some.index.tolist() == [0, 3, 6]
    np.testing.assert_array_equal(some.pixels, every.pixels[some.index])
    np.testing.assert_array_equal(some.affine, every.affine)
    np.testing.assert_array_equal(some.whole, every.pixels)


def test_neighbours_are_the_frame_before_and_after_as_rgb():
    every = frames.cut(volume(), FrameRecipe()).pixels
    joined = frames.cut(volume(), FrameRecipe(channels="neighbours", frames="n=4"))
    assert joined.pixels.shape == (4, 7, 6, 3)
    for frame, i in zip(joined.pixels, joined.index):
        np.testing.assert_array_equal(frame[..., 0], every[max(0, i - 1)])
        np.testing.assert_array_equal(frame[..., 1], every[i])
        np.testing.assert_array_equal(frame[..., 2], every[min(7, i + 1)])


def test_neighbours_leave_single_images_and_refuse_films_in_colour():
    recipe = FrameRecipe(channels="neighbours")
    one = DecodedImage(np.zeros((1, 4, 4, 3), np.uint8))
    assert frames.choose(one, recipe) is one
    grey = np.arange(16, dtype=np.uint8).reshape(1, 4, 4)
    joined = frames.choose(DecodedImage(grey), recipe).pixels
    np.testing.assert_array_equal(joined, np.stack([grey] * 3, axis=-1))
    with pytest.raises(UnreadableItem, match="these are in colour"):
        frames.choose(DecodedImage(np.zeros((2, 4, 4, 3), np.uint8)), recipe)


def test_all_planes_follow_each_other_padded_with_the_lowest_value():
    cut = frames.cut(volume((6, 7, 8)), FrameRecipe(plane="all"))
    assert cut.pixels.shape == (8 + 7 + 6, 8, 7)
    start = 0
    for plane, size in (("axial", (7, 6)), ("coronal", (8, 6)), ("sagittal", (8, 7))):
        part = frames.cut(volume((6, 7, 8)), FrameRecipe(plane=plane)).pixels
        got = cut.pixels[start : start + len(part)]
        np.testing.assert_array_equal(got[:, : size[0], : size[1]], part)
        assert (got[:, size[0] :] == cut.pixels.min()).all()
        start += len(part)
    assert cut.affine is None


def test_foreground_leaves_out_empty_frames():
    array = np.zeros((20, 20, 12), np.int16)
    array[4:16, 4:16, 3:9] = 100
    array[0, 0, 0] = 3000  # one hot pixel is no foreground
    cut = frames.cut(Volume(array, np.eye(4)), FrameRecipe(frames="foreground"))
    assert cut.index.tolist() == [3, 4, 5, 6, 7, 8]
    flat = DecodedImage(np.full((4, 5, 5), 7, np.uint8))
    assert len(frames.choose(flat, FrameRecipe(frames="foreground")).pixels) == 4


def test_spacing_needs_geometry():
    recipe = FrameRecipe(spacing=1)
    with pytest.raises(UnreadableItem, match="no voxel spacing"):
        frames.choose(DecodedImage(np.zeros((2, 4, 4), np.uint8)), recipe)
    with pytest.raises(UnreadableItem, match="no voxel spacing"):
        frames.count(ImageHeader((4, 4, 2)), recipe)


def test_resampling_equals_simpleitk_where_it_refines():
    sitk = pytest.importorskip("SimpleITK", reason="SimpleITK (extra sitk) is not installed")
    rng = np.random.default_rng(3)
    array = rng.normal(size=(6, 7, 8)).astype(np.float32)
    affine = np.diag([1.5, 2.0, 3.0, 1.0])
    got, new = resample(array, affine, (1.0, 0.7, 1.1))
    image = sitk.GetImageFromArray(array.T)
    image.SetSpacing((1.5, 2.0, 3.0))
    filled = sitk.ResampleImageFilter()
    filled.SetSize([int(n) for n in got.shape])
    filled.SetOutputSpacing((1.0, 0.7, 1.1))
    filled.SetOutputOrigin([float(v) for v in new[:3, 3]])
    filled.SetInterpolator(sitk.sitkLinear)
    filled.UseNearestNeighborExtrapolatorOn()
    want = sitk.GetArrayFromImage(filled.Execute(image)).T
    inside = (slice(1, -1),) * 3  # beyond the outer centres ITK extrapolates another way
    np.testing.assert_allclose(got[inside], want[inside], atol=1e-4)


@given(
    shape=st.tuples(*[st.integers(1, 9)] * 3),
    spacing=st.tuples(*[st.floats(0.4, 5)] * 3),
    axis=st.integers(0, 2),
)
def test_resampling_keeps_constants_the_centre_and_commutes_with_flips(shape, spacing, axis):
    affine = np.diag([1.0, 2.0, 1.5, 1.0])
    array = np.random.default_rng(4).normal(size=shape).astype(np.float32)
    got, new = resample(array, affine, spacing)
    assert got.shape == resampled_grid(shape, affine, spacing)[0]
    np.testing.assert_allclose(np.linalg.norm(new[:3, :3], axis=0), spacing)
    middle = [*((np.array(shape) - 1) / 2), 1]
    np.testing.assert_allclose(new @ [*((np.array(got.shape) - 1) / 2), 1], affine @ middle)
    flipped, _ = resample(np.flip(array, axis), affine, spacing)
    np.testing.assert_allclose(np.flip(flipped, axis), got, atol=1e-5)
    constant, _ = resample(np.full(shape, 7, np.int16), affine, spacing)
    assert (constant == 7).all()
    assert constant.dtype == np.int16


def test_a_linear_ramp_stays_one_and_its_own_spacing_changes_nothing():
    affine = np.diag([1.0, 1.0, 4.0, 1.0])
    ramp = np.broadcast_to(np.arange(10, dtype=np.float32) * 4, (3, 3, 10)).copy()
    got, new = resample(ramp, affine, (0, 0, 1.0))
    z = new[2, 2] * np.arange(got.shape[2]) + new[2, 3]
    inside = (z >= 0) & (z <= 36)
    np.testing.assert_allclose(got[1, 1, inside], z[inside], atol=1e-4)
    same, _ = resample(ramp, affine, (1, 1, 4))
    np.testing.assert_array_equal(same, ramp)


def test_resampling_to_a_grid_over_the_limit_is_refused():
    with pytest.raises(UnreadableItem, match="use a larger spacing"):
        resampled_grid((100, 100, 100), np.eye(4), (1e-9, 1, 1))
