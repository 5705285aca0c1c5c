"""images/itk.py against SimpleITK's own geometry."""

import numpy as np
import pytest

from featprobe.core.errors import UnreadableItem
from featprobe.images import files
from featprobe.images.decoded_image import FrameRecipe

sitk = pytest.importorskip("SimpleITK", reason="SimpleITK (extra sitk) is not installed")
PLAIN = FrameRecipe()
SUFFIXES = ["nrrd", "nhdr", "mha", "mhd"]


def image(dtype=np.int16, shape=(3, 4, 5)):
    made = sitk.GetImageFromArray(np.arange(np.prod(shape)).reshape(shape).astype(dtype))
    t = np.radians(12)
    made.SetDirection([np.cos(t), -np.sin(t), 0, np.sin(t), np.cos(t), 0, 0, 0, -1])
    made.SetSpacing((0.5, 0.7, 3.0))
    made.SetOrigin((10, -20, 30))
    return made


@pytest.mark.parametrize("compressed", [False, True])
@pytest.mark.parametrize("suffix", SUFFIXES)
def test_same_frames_and_places_as_the_nifti_twin(tmp_path, suffix, compressed):
    made = image()
    sitk.WriteImage(made, str(tmp_path / f"x.{suffix}"), compressed)
    sitk.WriteImage(made, str(tmp_path / "x.nii"))
    for plane in ("auto", "coronal", "all"):
        recipe = FrameRecipe(plane=plane)
        ours = files.read([tmp_path / f"x.{suffix}"], recipe)
        twin = files.read([tmp_path / "x.nii"], recipe)
        np.testing.assert_array_equal(ours.pixels, twin.pixels)
        if plane != "all":
            np.testing.assert_allclose(ours.affine, twin.affine, atol=1e-4)
        assert files.count_frames([tmp_path / f"x.{suffix}"], recipe) == len(ours.pixels)
        assert ours.notes == twin.notes
        assert "12.0 degrees" in ours.notes[0]


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.uint16, np.float32])
def test_dtypes_are_kept(tmp_path, dtype):
    sitk.WriteImage(image(dtype), str(tmp_path / "x.mha"))
    assert files.read([tmp_path / "x.mha"], PLAIN).pixels.dtype == dtype


def test_colour_and_components(tmp_path):
    rgb = np.random.default_rng(0).integers(0, 256, (2, 4, 5, 3), np.uint8)
    sitk.WriteImage(sitk.GetImageFromArray(rgb, isVector=True), str(tmp_path / "rgb.mha"))
    pixels = files.read([tmp_path / "rgb.mha"], PLAIN).pixels
    assert pixels.shape == (2, 4, 5, 3)
    assert np.sort(pixels.ravel()).tolist() == np.sort(rgb.ravel()).tolist()
    vectors = np.random.default_rng(0).normal(size=(2, 4, 5, 6)).astype(np.float32)
    for name, array in (("v", vectors), ("t", np.moveaxis(vectors, -1, 0))):
        path = tmp_path / f"{name}.nrrd"
        sitk.WriteImage(sitk.GetImageFromArray(array, isVector=name == "v"), str(path))
        with pytest.raises(UnreadableItem, match="--channel 0 to 5"):
            files.count_frames([path], PLAIN)
        got = files.read([path], FrameRecipe(channel=4)).pixels
        one = sitk.GetImageFromArray(vectors[..., 4])
        sitk.WriteImage(one, str(tmp_path / "one.nrrd"))
        np.testing.assert_array_equal(got, files.read([tmp_path / "one.nrrd"], PLAIN).pixels)


@pytest.mark.parametrize("suffix", ["nhdr", "mhd"])
def test_detached_voxels_belong_to_the_item_and_may_not_lie_elsewhere(tmp_path, suffix):
    folder = tmp_path / "in"
    folder.mkdir()
    path = folder / f"x.{suffix}"
    sitk.WriteImage(image(), str(path), False)
    [raw] = [p for p in folder.iterdir() if p != path]
    assert files.parts([str(path)]) == [str(path), str(raw)]
    assert files.kind_of(raw) is None
    moved = raw.rename(tmp_path / raw.name)
    with pytest.raises(UnreadableItem, match="is not there"):
        files.read([path], PLAIN)
    path.write_text(path.read_text().replace(raw.name, f"../{moved.name}"))
    for job in (files.read, files.count_frames):
        with pytest.raises(UnreadableItem, match="lies outside its folder"):
            job([path], PLAIN)


def test_a_header_that_claims_too_much_is_refused(tmp_path):
    path = tmp_path / "x.mhd"
    sitk.WriteImage(image(), str(path), False)
    path.write_text(path.read_text().replace("DimSize = 5 4 3", "DimSize = 500 400 300"))
    with pytest.raises(UnreadableItem, match="damaged or cut short"):
        files.read([path], PLAIN)


def test_without_simpleitk_the_extra_is_named(tmp_path, monkeypatch):
    import sys

    sitk.WriteImage(image(), str(tmp_path / "x.mha"))
    monkeypatch.setitem(sys.modules, "SimpleITK", None)
    with pytest.raises(UnreadableItem, match=r"pip install 'featprobe\[sitk\]'"):
        files.count_frames([tmp_path / "x.mha"], PLAIN)
