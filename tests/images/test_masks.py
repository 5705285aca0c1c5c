"""images/masks.py and mask_writing.py: masks of any format, on the grid of their image."""

from __future__ import annotations

import itertools

import nibabel
import numpy as np
import pytest
from PIL import Image

from featprobe.core.errors import InputError, UnreadableItem
from featprobe.datasets.load import load_dataset
from featprobe.images import files
from featprobe.images.decoded_image import FrameRecipe, ImageHeader
from featprobe.images.grids import Line, View
from featprobe.images.mask_writing import write_mask, write_probabilities
from featprobe.images.masks import COLOUR, OtherGrid, conformed, load, palette

LABELS = np.array([[0, 1, 2], [2, 255, 0]], np.uint8)


@pytest.mark.parametrize("mode", ["L", "I;16", "P", "LA", "RGB", "RGBA"])
def test_grey_labels_are_read_whatever_the_mode(tmp_path, mode):
    image = Image.fromarray(LABELS)
    if mode == "P":
        image = Image.fromarray(LABELS, "P")
        image.putpalette([c for k in range(256) for c in (k, 255 - k, (k * 7) % 256)])
    elif mode == "I;16":
        image = Image.fromarray(LABELS.astype(np.uint16))
    elif mode != "L":
        image = image.convert(mode)
    image.save(tmp_path / "m.png")
    found = load(tmp_path / "m.png")
    np.testing.assert_array_equal(found.values, LABELS[None])
    assert not found.colour
    assert (palette(tmp_path / "m.png") is not None) == (mode == "P")


def test_binary_png(tmp_path):
    Image.fromarray(LABELS > 0).save(tmp_path / "m.png")
    np.testing.assert_array_equal(load(tmp_path / "m.png").values, (LABELS > 0)[None])


def test_colours_are_whole_values(tmp_path):
    colours = np.zeros((2, 2, 3), np.uint8)
    colours[0, 1], colours[1, 0] = (255, 0, 0), (0, 128, 9)
    Image.fromarray(colours).save(tmp_path / "m.png")
    found = load(tmp_path / "m.png")
    assert found.colour
    assert found.values.tolist() == [[[COLOUR, COLOUR + 0xFF0000], [COLOUR + 0x008009, COLOUR]]]


@pytest.mark.parametrize("orientation", [3, 6, 8, 5, 7, 2, 4])
def test_a_mask_follows_the_orientation_of_its_jpeg(tmp_path, orientation):
    """A mask with EXIF of its own, one drawn on what is shown, one drawn on the stored pixels."""
    from PIL import ImageOps

    stored = np.zeros((16, 24), np.uint8)
    stored[:8, :8] = 1
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(stored * 200).save(tmp_path / "x.jpg", exif=exif, quality=100)
    Image.fromarray(stored).save(tmp_path / "own.png", exif=exif)
    shown = np.asarray(ImageOps.exif_transpose(Image.open(tmp_path / "own.png")))
    Image.fromarray(shown).save(tmp_path / "shown.png")
    header = files.header([tmp_path / "x.jpg"], FrameRecipe())
    assert files.read([tmp_path / "x.jpg"], FrameRecipe()).pixels.shape[1:] == shown.shape
    for name in ("own.png", "shown.png"):
        found = conformed(load(tmp_path / name), header, orientation)
        np.testing.assert_array_equal(found[0], shown)
    if orientation >= 5:  # turned by a quarter, so that the shape tells
        Image.fromarray(stored).save(tmp_path / "stored.png")
        found = conformed(load(tmp_path / "stored.png"), header, orientation)
        np.testing.assert_array_equal(found[0], shown)


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.float32, np.float64])
def test_volumes_of_any_dtype(tmp_path, dtype):
    values = np.arange(24).reshape(2, 3, 4) % 3
    image = nibabel.Nifti1Image(values.astype(dtype), np.diag([1, 2, 3, 1.0]))
    nibabel.save(image, tmp_path / "m.nii.gz")
    np.testing.assert_array_equal(load(tmp_path / "m.nii.gz").values, values)


def test_npz_takes_the_array_that_is_called_a_mask(tmp_path):
    np.savez(tmp_path / "m.npz", image=np.full((4, 5), 9), mask=np.eye(4, 5, dtype=int))
    np.testing.assert_array_equal(load(tmp_path / "m.npz").values[0], np.eye(4, 5))
    np.savez(tmp_path / "b.npz", np.eye(4, 5, dtype=bool))
    assert set(np.unique(load(tmp_path / "b.npz").values)) == {0, 255}


@pytest.mark.parametrize(
    ("make", "match"),
    [
        (lambda p: None, "no such file"),
        (lambda p: p.write_bytes(b""), "empty"),
        (lambda p: p.write_text("these are no labels"), "m.nii.gz"),
        (lambda p: nifti(p, np.full((2, 2, 2), 0.5)), "0.5 is no whole number"),
        (lambda p: nifti(p, np.full((2, 2, 2), np.nan)), "NaN"),
        (lambda p: nifti(p, np.ones((2, 2, 2, 3))), "volumes in one file"),
    ],
)
def test_what_is_no_mask_is_named(tmp_path, make, match):
    make(tmp_path / "m.nii.gz")
    with pytest.raises(UnreadableItem, match=match):
        load(tmp_path / "m.nii.gz")


def nifti(path, values, affine=None):
    nibabel.save(nibabel.Nifti1Image(np.asarray(values, np.float32), affine), path)


OBLIQUE = np.array([
    [0.9, -0.2, 0.1, -31], [0.25, 1.1, 0.05, 12], [-0.1, 0.1, 2.5, 7], [0, 0, 0, 1]
])  # fmt: skip


@pytest.mark.parametrize("affine", [np.diag([1, 1, 1, 1.0]), np.diag([-0.7, 2, 5, 1]), OBLIQUE])
def test_any_order_of_axes_is_the_same_mask(tmp_path, affine):
    """Against nibabel's as_reoriented, which permutes and flips arrays with their affine."""
    rng = np.random.default_rng(0)
    values = rng.integers(0, 4, (3, 4, 5)).astype(np.float32)
    image = nibabel.Nifti1Image(values, affine)
    nibabel.save(image, tmp_path / "image.nii.gz")
    header = files.header([tmp_path / "image.nii.gz"], FrameRecipe())
    for order in itertools.permutations(range(3)):
        for signs in itertools.product([1, -1], repeat=3):
            other = image.as_reoriented(np.stack([order, signs], 1))
            nibabel.save(other, tmp_path / "mask.nii.gz")
            found = conformed(load(tmp_path / "mask.nii.gz"), header)
            np.testing.assert_array_equal(found, values)


@pytest.mark.parametrize(
    ("shape", "change", "match"),
    [
        ((3, 4, 6), np.eye(4), "shape 3 x 4 x 6, its image 3 x 4 x 5"),
        ((3, 4, 5), np.diag([1, 1, 2, 1.0]), r"voxels of 1 x 1 x 4 mm, its image 1 x 1 x 2 mm"),
        ((3, 4, 5), [[1, 0, 0, 2], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]], "2 voxels off"),
        (
            (3, 4, 5),
            [[0.985, -0.174, 0, 0], [0.174, 0.985, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]],
            "turned by 10.0 degrees",
        ),
    ],
)
def test_another_grid_is_named(tmp_path, shape, change, match):
    affine = np.diag([1, 1, 2, 1.0])
    nifti(tmp_path / "mask.nii.gz", np.zeros(shape), affine @ np.asarray(change))
    with pytest.raises(OtherGrid, match=match):
        conformed(load(tmp_path / "mask.nii.gz"), ImageHeader((3, 4, 5), affine))


def test_rounding_of_a_header_is_no_other_grid(tmp_path):
    affine = OBLIQUE.copy()
    affine[:3] += 1e-4
    nifti(tmp_path / "mask.nii.gz", np.zeros((30, 40, 50)), affine)
    conformed(load(tmp_path / "mask.nii.gz"), ImageHeader((30, 40, 50), OBLIQUE))


def test_one_slice_and_a_nifti_on_a_picture(tmp_path):
    nifti(tmp_path / "mask.nii.gz", np.eye(4, 5)[..., None], np.diag([0.5, 0.5, 8, 1]))
    header = ImageHeader((4, 5, 1), np.diag([0.5, 0.5, 8, 1]))
    assert conformed(load(tmp_path / "mask.nii.gz"), header).shape == (4, 5, 1)
    found = conformed(load(tmp_path / "mask.nii.gz"), ImageHeader((4, 5, 1)))
    np.testing.assert_array_equal(found, np.eye(4, 5).T[None])


# -- writing ------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [nibabel.Nifti1Image, nibabel.Nifti2Image])
@pytest.mark.parametrize("codes", [(1, 2), (0, 1), (4, 0), (0, 0)])
def test_a_written_nifti_has_the_header_of_its_image(tmp_path, kind, codes):
    values = np.arange(60).reshape(3, 4, 5)
    image = kind(values.astype(np.int16), OBLIQUE)
    image.header.set_xyzt_units("mm", "sec")
    image.set_sform(OBLIQUE, codes[0])
    qform = np.diag([-0.7, 1 / 3, 5, 1])
    qform[:3, 3] = 1e-3, -77.7, np.pi
    image.set_qform(qform, codes[1])
    image.header["pixdim"][1:4] = 0.7, 1 / 3, 5
    image.header["scl_slope"], image.header["scl_inter"] = 3, -4
    nibabel.save(image, tmp_path / "image.nii.gz")
    before = nibabel.load(tmp_path / "image.nii.gz")
    header = files.header([tmp_path / "image.nii.gz"], FrameRecipe())
    labels = values % 3
    [path] = write_mask(tmp_path / "out" / "mask", labels, header, tmp_path / "image.nii.gz")
    after = nibabel.load(path)
    assert after.shape == before.shape
    assert after.affine.tobytes() == before.affine.tobytes()
    for name in ("sform_code", "qform_code", "srow_x", "srow_y", "srow_z", "quatern_b", "pixdim",
                 "qoffset_x", "qoffset_y", "qoffset_z", "xyzt_units"):  # fmt: skip
        assert after.header[name].tobytes() == before.header[name].tobytes(), name
    assert after.get_data_dtype() == np.uint8
    np.testing.assert_array_equal(np.asarray(after.dataobj), labels)
    np.testing.assert_array_equal(conformed(load(path), header), labels)


def test_every_real_header_survives(tmp_path, real_data):
    for image in sorted((real_data / "hippocampus" / "images").glob("*.nii.gz"))[:12]:
        header = files.header([image], FrameRecipe())
        [path] = write_mask(tmp_path / image.stem, np.zeros(header.shape, int), header, image)
        one, other = nibabel.load(image), nibabel.load(path)
        assert one.affine.tobytes() == other.affine.tobytes()
        assert one.shape == other.shape


def test_four_axes_give_a_mask_of_three(tmp_path):
    nifti(tmp_path / "image.nii.gz", np.zeros((3, 4, 5, 2)), OBLIQUE)
    header = files.header([tmp_path / "image.nii.gz"], FrameRecipe(channel=1))
    [path] = write_mask(tmp_path / "m", np.ones((3, 4, 5), int), header, tmp_path / "image.nii.gz")
    assert nibabel.load(path).shape == (3, 4, 5)


def test_pictures_and_stacks_are_read_back(tmp_path):
    labels = np.arange(20).reshape(1, 4, 5) % 4
    [path] = write_mask(tmp_path / "m", labels, ImageHeader((5, 4, 1)))
    assert path.suffix == ".png"
    assert len(np.unique(np.asarray(Image.open(path).convert("RGB")).reshape(-1, 3), axis=0)) == 4
    np.testing.assert_array_equal(load(path).values, labels)
    stack = np.arange(60).reshape(3, 4, 5) % 7
    [path] = write_mask(tmp_path / "s", stack, ImageHeader((5, 4, 3)))
    np.testing.assert_array_equal(load(path).values, stack)
    with pytest.raises(InputError, match="shape"):
        write_mask(tmp_path / "s", stack, ImageHeader((4, 5, 3)))


def test_a_multilabel_mask_is_a_file_a_class(tmp_path):
    both = np.zeros((2, 1, 4, 5), bool)
    both[0, 0, :3], both[1, 0, 2:] = True, True
    paths = write_mask(tmp_path / "m", both, ImageHeader((5, 4, 1)), classes=("left lung", "heart"))
    assert [p.name for p in paths] == ["m_left_lung.png", "m_heart.png"]
    for path, one in zip(paths, both):
        np.testing.assert_array_equal(load(path).values, one)


def test_probabilities(tmp_path):
    p = np.random.default_rng(0).random((2, 3, 4, 5)).astype(np.float32)
    path = write_probabilities(tmp_path / "p", p, ImageHeader((3, 4, 5), OBLIQUE))
    np.testing.assert_array_equal(nibabel.load(path).get_fdata(), np.moveaxis(p, 0, -1))
    path = write_probabilities(tmp_path / "p", p, ImageHeader((5, 4, 3)), classes=("a", "b"))
    found = np.load(path)
    np.testing.assert_array_equal(found["probabilities"], p)
    assert found["classes"].tolist() == ["a", "b"]


@pytest.mark.parametrize("suffix", [".nii.gz", ".nrrd", ".mha"])
def test_a_mask_drawn_elsewhere_on_a_dicom_series(tmp_path, real_data, suffix):
    """SimpleITK reads the series, thresholds it and writes it in its own order of axes."""
    sitk = pytest.importorskip("SimpleITK")
    folder = str(real_data / "brain_mr" / "FLAIR")
    image = sitk.ReadImage(sitk.ImageSeriesReader.GetGDCMSeriesFileNames(folder))
    drawn = sitk.Cast(image > 300, sitk.sitkUInt8)
    oriented = sitk.DICOMOrient(drawn, "PIR")  # another order and direction of axes
    sitk.WriteImage(oriented, str(tmp_path / f"mask{suffix}"))
    data = load_dataset(real_data / "brain_mr" / "FLAIR", masks=str(tmp_path))
    assert len(data) == 1
    mask = data.masks.read(0)
    pixels = files.decoded(data.source.paths[0], FrameRecipe()).pixels
    np.testing.assert_array_equal(mask.values, pixels > 300)
    np.testing.assert_allclose(mask.spacing, image.GetSpacing(), rtol=1e-5)
    grid = data.grid(0, lambda h, w: View((h, w), Line(0, 1), Line(0, 1)))
    np.testing.assert_array_equal(grid.to_frames(mask.values), data.read(0) > 300)
