"""images/nifti.py and images/volume.py against nibabel's affine."""

import os
from pathlib import Path

import nibabel
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from featprobe.core.errors import UnreadableItem
from featprobe.images import files, nifti
from featprobe.images.decoded_image import FrameRecipe
from featprobe.images.volume import VIEWS

DATA = os.environ.get("FEATPROBE_TEST_DATA")
TESTS = Path(nibabel.__file__).parent / "tests" / "data"
PLAIN = FrameRecipe()


def save(path, array, affine=None, kind=nibabel.Nifti1Image, **header):
    image = kind(array, np.eye(4) if affine is None else affine)
    for name, value in header.items():
        image.header[name] = value
    nibabel.save(image, path)
    return path


def same_places(path, recipe):
    """Every stored frame pixel holds the voxel that nibabel's affine puts at its world position."""
    image = nibabel.load(path)
    volume = np.asarray(image.dataobj).reshape((*image.shape, 1)[:3])
    picture = files.read([path], recipe)
    assert files.count_frames([path], recipe) == len(picture.pixels)
    f, h, w = picture.pixels.shape
    frame, row, column = (g.ravel() for g in np.mgrid[:f, :h, :w])
    world = picture.affine @ np.stack([column, row, frame, np.ones(f * h * w)])
    at = np.linalg.solve(image.affine, world)[:3]
    index = np.rint(at).astype(int)
    np.testing.assert_allclose(at, index, atol=1e-3)
    np.testing.assert_array_equal(
        picture.pixels[frame, row, column], volume[tuple(index)].astype(picture.pixels.dtype)
    )
    return picture


@pytest.mark.skipif(not DATA, reason="FEATPROBE_TEST_DATA is not set")
@pytest.mark.parametrize("plane", ["auto", "coronal", "sagittal"])
def test_hippocampus_frames_are_where_nibabel_says(plane):
    paths = sorted(Path(DATA, "hippocampus", "images").glob("*.nii.gz"))
    assert len(paths) == 130
    for path in paths[:: 1 if plane == "auto" else 13]:
        same_places(path, FrameRecipe(plane=plane))


angles = st.floats(-180, 180)


@given(
    shape=st.tuples(*[st.integers(1, 5)] * 3),
    turn=st.tuples(angles, angles, angles),
    flip=st.tuples(*[st.sampled_from([-1, 1])] * 3),
    order=st.permutations([0, 1, 2]),
    spacing=st.tuples(*[st.floats(0.3, 6)] * 3),
    plane=st.sampled_from(["auto", "axial", "coronal", "sagittal"]),
)
def test_turned_flipped_and_oblique_volumes_are_where_nibabel_says(
    tmp_path_factory, shape, turn, flip, order, spacing, plane
):
    a, b, c = np.radians(turn)
    rx = [[1, 0, 0], [0, np.cos(a), -np.sin(a)], [0, np.sin(a), np.cos(a)]]
    ry = [[np.cos(b), 0, np.sin(b)], [0, 1, 0], [-np.sin(b), 0, np.cos(b)]]
    rz = [[np.cos(c), -np.sin(c), 0], [np.sin(c), np.cos(c), 0], [0, 0, 1]]
    affine = np.eye(4)
    affine[:3, :3] = np.array(rx) @ ry @ rz @ np.eye(3)[:, order] * flip * spacing
    affine[:3, 3] = (10, -20, 30)
    path = tmp_path_factory.mktemp("n") / "x.nii"
    save(path, np.arange(np.prod(shape), dtype=np.int16).reshape(shape), affine)
    picture = same_places(path, FrameRecipe(plane=plane))
    if plane != "auto":
        for new, (world, direction) in enumerate(VIEWS[plane]):
            assert picture.affine[world, new] * direction >= 0


@pytest.mark.parametrize(
    "plane, corner", [("axial", (2, 2, 0)), ("coronal", (2, 2, 2)), ("sagittal", (2, 2, 2))]
)
def test_the_first_pixel_lies_where_radiologists_expect_it(tmp_path, plane, corner):
    """In RAS: the patient's right is left in the frame, front (or head) on top."""
    path = save(tmp_path / "x.nii", np.zeros((3, 3, 3), np.int16))
    np.testing.assert_allclose(files.read([path], FrameRecipe(plane=plane)).affine[:3, 3], corner)


def test_oblique_is_noted_with_its_angle(tmp_path):
    turn = np.eye(4)
    t = np.radians(20)
    turn[:2, :2] = [[np.cos(t), -np.sin(t)], [np.sin(t), np.cos(t)]]
    path = save(tmp_path / "x.nii", np.zeros((3, 3, 3), np.int16), turn)
    assert "20.0 degrees" in files.read([path], PLAIN).notes[0]
    path = save(tmp_path / "y.nii", np.zeros((3, 3, 3), np.int16))
    assert files.read([path], PLAIN).notes == ()


@pytest.mark.parametrize("shape", [(4, 5), (4, 5, 6), (4, 5, 6, 1), (4, 5, 1, 1, 1)])
def test_trailing_axes_of_one_are_dropped_and_missing_ones_added(tmp_path, shape):
    path = save(tmp_path / "x.nii.gz", np.arange(np.prod(shape), dtype=np.int16).reshape(shape))
    assert same_places(path, PLAIN).pixels.shape[1:] == (5, 4)


def test_a_fourth_axis_needs_a_channel(tmp_path):
    array = np.arange(4 * 5 * 6 * 3, dtype=np.int16).reshape(4, 5, 6, 3)
    path = save(tmp_path / "x.nii.gz", array)
    for job in (files.count_frames, files.read):
        with pytest.raises(UnreadableItem, match=r"3 volumes in one file.*--channel 0 to 2"):
            job([path], PLAIN)
        with pytest.raises(UnreadableItem, match=r"no --channel 3.*0 to 2"):
            job([path], FrameRecipe(channel=3))
    one = save(tmp_path / "one.nii", array[..., 1])
    np.testing.assert_array_equal(
        files.read([path], FrameRecipe(channel=1)).pixels, files.read([one], PLAIN).pixels
    )


def test_nibabels_own_files_are_read():
    assert same_places(TESTS / "anatomical.nii", PLAIN).pixels.shape == (25, 41, 33)
    functional = files.read([TESTS / "functional.nii"], FrameRecipe(channel=2))
    volume = nibabel.load(TESTS / "functional.nii").get_fdata()[..., 2]
    assert functional.pixels.sum(dtype=float) == pytest.approx(volume.sum(), rel=1e-5)


def test_slope_and_intercept_are_applied(tmp_path):
    image = nibabel.Nifti1Image(np.arange(8, dtype=np.int16).reshape(2, 2, 2), np.eye(4))
    image.header.set_slope_inter(0.5, -3)
    nibabel.save(image, tmp_path / "x.nii")
    pixels = files.read([tmp_path / "x.nii"], PLAIN).pixels
    assert pixels.dtype == np.float32
    np.testing.assert_array_equal(
        np.unique(pixels), np.unique(nibabel.load(tmp_path / "x.nii").get_fdata())
    )


@pytest.mark.parametrize("dtype, kept", [
    (np.uint8, np.uint8), (np.int8, np.int16), (np.int16, np.int16), (np.uint16, np.uint16),
    (np.int32, np.int32), (np.float32, np.float32), (np.float64, np.float32), (">i2", np.int16),
])  # fmt: skip
def test_integers_stay_integers(tmp_path, dtype, kept):
    array = np.array([0, 1, 2, 100], dtype=dtype).reshape(2, 2, 1)
    image = nibabel.Nifti1Image(array, np.eye(4), nibabel.Nifti1Header(endianness=">"))
    image.set_data_dtype(dtype)
    nibabel.save(image, tmp_path / "x.nii")
    pixels = files.read([tmp_path / "x.nii"], PLAIN).pixels
    assert pixels.dtype == kept
    assert sorted(pixels.ravel()) == [0, 1, 2, 100]


def test_nan_and_infinities_become_the_lowest_value_with_a_note(tmp_path):
    array = np.array([np.nan, np.inf, -np.inf, 5, 3, 4, 7, 8], np.float32).reshape(2, 2, 2)
    picture = files.read([save(tmp_path / "x.nii", array)], PLAIN)
    assert sorted(picture.pixels.ravel()) == [3, 3, 3, 3, 4, 5, 7, 8]
    assert "3 of 8 values are NaN or infinite" in picture.notes[0]
    path = save(tmp_path / "y.nii", np.full((2, 2, 2), np.nan, np.float32))
    with pytest.raises(UnreadableItem, match="every value is NaN"):
        files.read([path], PLAIN)


def test_rgb_voxels_become_colour(tmp_path):
    rgb = np.dtype([("R", "u1"), ("G", "u1"), ("B", "u1")])
    array = np.zeros((4, 5, 6), rgb)
    array["G"] = 200
    picture = files.read([save(tmp_path / "x.nii", array)], PLAIN)
    assert picture.pixels.shape == (6, 5, 4, 3)
    assert (picture.pixels == [0, 200, 0]).all()


def test_an_analyze_pair_is_one_item_and_its_voxels_count(tmp_path):
    array = np.arange(24, dtype=np.int16).reshape(2, 3, 4)
    save(tmp_path / "x.hdr", array, kind=nibabel.Spm99AnalyzeImage)
    assert files.kind_of(tmp_path / "x.hdr") == "nifti"
    assert files.kind_of(tmp_path / "x.img") is None
    assert files.parts([str(tmp_path / "x.hdr")]) == [
        str(tmp_path / f"x.{s}") for s in ("hdr", "img")
    ]
    assert sorted(files.read([tmp_path / "x.hdr"], PLAIN).pixels.ravel()) == list(range(24))
    (tmp_path / "x.img").unlink()
    with pytest.raises(UnreadableItem, match=r"\.img file that holds its voxels is not beside"):
        files.count_frames([tmp_path / "x.hdr"], PLAIN)


@pytest.mark.parametrize("name", ["x.nii", "x.nii.gz"])
def test_a_header_that_claims_more_than_the_file_holds_is_refused(tmp_path, name):
    path = save(tmp_path / "x.nii", np.zeros((4, 5, 6), np.int16))
    data = bytearray(path.read_bytes())
    data[42:48] = np.array([600, 600, 600], "<i2").tobytes()
    import gzip

    (tmp_path / name).write_bytes(gzip.compress(data) if name.endswith("gz") else data)
    for job in (files.count_frames, files.read):
        with pytest.raises(UnreadableItem, match="damaged or cut short"):
            job([tmp_path / name], PLAIN)


def test_the_limit_names_how_to_raise_it(tmp_path, monkeypatch):
    path = save(tmp_path / "x.nii", np.zeros((4, 5, 6), np.int16))
    monkeypatch.setenv("FEATPROBE_MAX_PIXELS", "119")
    with pytest.raises(UnreadableItem, match="set FEATPROBE_MAX_PIXELS"):
        files.read([path], PLAIN)
    monkeypatch.setenv("FEATPROBE_MAX_PIXELS", "120")
    assert len(files.read([path], PLAIN).pixels) == 6


def test_a_singular_or_infinite_orientation_is_named(tmp_path):
    path = save(tmp_path / "x.nii", np.zeros((2, 2, 2), np.int16))
    image = nibabel.load(path)
    image.header["srow_x"] = np.nan
    data = path.read_bytes()
    path.write_bytes(image.header.binaryblock + data[348:])
    with pytest.raises(UnreadableItem, match="orientation is not finite"):
        files.read([path], PLAIN)


def test_an_sform_of_zeros_leaves_the_qform(tmp_path):
    affine = np.array([[0, -2, 0, 5], [3.0, 0, 0, 6], [0, 0, 4, 7], [0, 0, 0, 1]])
    image = nibabel.Nifti1Image(np.zeros((3, 4, 5), np.int16), affine)
    image.set_qform(affine, 1)
    image.header["sform_code"] = 1
    for row in ("srow_x", "srow_y", "srow_z"):
        image.header[row] = 0
    nibabel.save(image, tmp_path / "a.nii")
    np.testing.assert_allclose(nifti.extent(tmp_path / "a.nii", FrameRecipe()).affine, affine)


@pytest.mark.parametrize("kind", [nibabel.Nifti1Image, nibabel.Nifti2Image])
@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz"])
def test_the_content_tells_gzip_not_the_suffix(tmp_path, kind, name):
    values = np.arange(60, dtype=np.int16).reshape(3, 4, 5)
    right = tmp_path / ("right.nii" if name.endswith("gz") else "right.nii.gz")
    nibabel.save(kind(values, np.eye(4)), right)
    wrong = right.rename(tmp_path / name)
    np.testing.assert_array_equal(nifti.load(wrong, FrameRecipe()).pixels, values)


def test_freesurfers_files_are_read(tmp_path):
    values = np.arange(60, dtype=np.float32).reshape(3, 4, 5)
    for name in ("a.mgz", "a.mgh"):
        nibabel.save(nibabel.MGHImage(values, np.diag([2.0, 1, 1, 1])), tmp_path / name)
        volume = nifti.load(tmp_path / name, FrameRecipe())
        np.testing.assert_array_equal(volume.pixels, values)
        np.testing.assert_allclose(volume.affine, np.diag([2.0, 1, 1, 1]))
