"""images/arrays.py: npy, npz, HDF5 and MATLAB files."""

import zipfile

import h5py
import numpy as np
import pytest
import scipy.io

from featprobe.core.errors import UnreadableItem
from featprobe.images import files
from featprobe.images.decoded_image import FrameRecipe

PLAIN = FrameRecipe()
RNG = np.random.default_rng(0)
VALUES = {
    "image": RNG.integers(-500, 500, (6, 5)).astype(np.int16),
    "colour": RNG.integers(0, 256, (6, 5, 3), np.uint8),
    "stack": RNG.normal(size=(7, 6, 5)),
    "film": RNG.integers(0, 256, (4, 6, 5, 3), np.uint8),
}


def write(path, **arrays):
    kind = path.suffix
    if kind == ".npy":
        np.save(path, *arrays.values())
    elif kind == ".npz":
        np.savez_compressed(path, **arrays)
    elif kind == ".h5":
        with h5py.File(path, "w") as f:
            for name, array in arrays.items():
                f.create_dataset(name, data=array, compression="gzip" if array.ndim else None)
    return path


def read(path, recipe=PLAIN):
    picture = files.read([path], recipe)
    assert files.count_frames([path], recipe) == len(picture.pixels)
    return picture.pixels


@pytest.mark.parametrize("name", list(VALUES))
@pytest.mark.parametrize("suffix", ["npy", "npz", "h5"])
def test_an_array_is_an_image_or_a_stack(tmp_path, suffix, name):
    array = VALUES[name]
    got = read(write(tmp_path / f"x.{suffix}", a=array))
    single = name in ("image", "colour")
    np.testing.assert_array_equal(got, (array[None] if single else array).astype(got.dtype))
    assert got.dtype == (np.float32 if name == "stack" else array.dtype)


@pytest.mark.parametrize("name, as_matlab", [
    ("image", lambda a: a), ("colour", lambda a: a),
    ("stack", lambda a: np.moveaxis(a, 0, -1)), ("film", lambda a: np.moveaxis(a, 0, -1)),
])  # fmt: skip
@pytest.mark.parametrize("version", ["5", "7.3"])
def test_matlab_keeps_frames_last(tmp_path, name, as_matlab, version):
    array, path = VALUES[name], tmp_path / "x.mat"
    stored = as_matlab(array)
    if version == "5":
        scipy.io.savemat(path, {"a": stored, "label": 3}, do_compression=True)
    else:
        with h5py.File(path, "w", userblock_size=512) as f:
            f["a"] = stored.T
            f["label"] = np.array([[3]])
    got = read(path)
    want = array if name in ("stack", "film") else array[None]
    np.testing.assert_array_equal(got, want.astype(got.dtype))


@pytest.mark.parametrize("version", ["5", "7.3"])
def test_a_field_of_a_matlab_struct_by_its_path(tmp_path, version):
    image, mask = VALUES["image"], VALUES["image"] > 0
    path, recipe = tmp_path / "x.mat", FrameRecipe(key="cjdata/image")
    if version == "5":
        scipy.io.savemat(path, {"cjdata": {"image": image, "tumorMask": mask, "label": 1}})
    else:
        with h5py.File(path, "w", userblock_size=512) as f:
            f["cjdata/image"], f["cjdata/tumorMask"] = image.T, mask.T
        with pytest.raises(
            UnreadableItem, match=r"2 arrays that may be images.*cjdata/image.*--key"
        ):
            files.count_frames([path], PLAIN)
    np.testing.assert_array_equal(read(path, recipe)[0], image)
    with pytest.raises(UnreadableItem, match="Did you mean"):
        files.read([path], FrameRecipe(key="cjdata/imagee"))


@pytest.mark.parametrize("suffix", ["npz", "h5"])
def test_several_arrays_need_a_key(tmp_path, suffix):
    path = write(tmp_path / f"x.{suffix}", image=VALUES["image"], mask=VALUES["image"] > 0)
    for job in (files.count_frames, files.read):
        with pytest.raises(UnreadableItem, match=r"2 arrays .*\(image, mask\); choose one with"):
            job([path], PLAIN)
    np.testing.assert_array_equal(read(path, FrameRecipe(key="image"))[0], VALUES["image"])
    assert set(np.unique(read(path, FrameRecipe(key="mask")))) == {0, 255}
    with pytest.raises(UnreadableItem, match=r"no array 'imag'\. Did you mean 'image'"):
        files.read([path], FrameRecipe(key="imag"))


@pytest.mark.parametrize("shape", [(5,), (2, 3, 4, 5, 6), (0, 4), (2, 3, 4, 5)])
def test_other_shapes_are_named(tmp_path, shape):
    path = write(tmp_path / "x.npy", a=np.zeros(shape))
    for job in (files.count_frames, files.read):
        with pytest.raises(UnreadableItem, match="shape"):
            job([path], PLAIN)


def test_python_objects_and_text_are_no_images(tmp_path):
    np.save(tmp_path / "o.npy", np.array([[1, None]], dtype=object))
    np.savez(tmp_path / "o.npz", a=np.array([[1, None]], dtype=object))
    np.save(tmp_path / "t.npy", np.array([["a", "b"]]))
    for name, said in (("o.npy", "pickle|object"), ("o.npz", "Python objects"), ("t.npy", "no im")):
        with pytest.raises(UnreadableItem, match=said):
            files.read([tmp_path / name], PLAIN)


@pytest.mark.parametrize("suffix", ["npy", "npz", "h5", "mat"])
def test_a_bomb_is_refused_before_it_is_unpacked_and_the_limit_can_be_raised(
    tmp_path, monkeypatch, suffix
):
    array, path = np.zeros((100, 100)), tmp_path / f"x.{suffix}"
    array[0, 0] = 1.5
    if suffix == "mat":
        scipy.io.savemat(path, {"a": array}, do_compression=True)
    write(path, a=array)
    monkeypatch.setenv("FEATPROBE_MAX_PIXELS", "9999")
    for job in (files.count_frames, files.read):
        with pytest.raises(UnreadableItem, match="set FEATPROBE_MAX_PIXELS"):
            job([path], PLAIN)
    monkeypatch.setenv("FEATPROBE_MAX_PIXELS", "10000")
    assert read(path).shape == (1, 100, 100)


def test_a_member_that_claims_more_than_the_archive_holds_is_refused(tmp_path):
    header = (
        b"\x93NUMPY\x01\x00v\x00{'descr': '<f8', 'fortran_order': False, 'shape': (9000, 9000), }"
    )
    with zipfile.ZipFile(tmp_path / "x.npz", "w") as archive:
        archive.writestr("a.npy", header.ljust(127) + b"\n" + bytes(100))
    with pytest.raises(UnreadableItem, match="damaged"):
        files.count_frames([tmp_path / "x.npz"], PLAIN)


def test_values_in_other_files_are_not_followed(tmp_path):
    (tmp_path / "raw").write_bytes(bytes(100))
    with h5py.File(tmp_path / "x.h5", "w") as f:
        f.create_dataset("a", (10, 10), "u1", external=[(str(tmp_path / "raw"), 0, 100)])
    with pytest.raises(UnreadableItem, match="other files"):
        files.read([tmp_path / "x.h5"], PLAIN)
