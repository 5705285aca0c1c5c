"""versions.py: which kinds of files a data set has, as far as their readers have changed."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from featprobe.datasets.sources import ArraySource
from featprobe.images.versions import READERS, kind_named, kinds_of, versions_of


def deep_png(path: Path) -> Path:
    """One pixel of 16 bits in three colours, which Pillow does not write."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        )

    header = struct.pack(">IIBBBBB", 1, 1, 16, 2, 0, 0, 0)
    parts = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(7))) + chunk(b"IEND", b"")
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + parts)
    return path


def test_pictures_of_8_bits_are_told_from_the_others(tmp_path: Path) -> None:
    Image.fromarray(np.zeros((4, 4, 3), np.uint8)).save(tmp_path / "a.png")
    Image.fromarray(np.zeros((4, 4), np.uint8)).save(tmp_path / "b.JPG")
    Image.fromarray(np.zeros((4, 4), np.uint16)).save(tmp_path / "c.png")
    plain = [tmp_path / n for n in ("a.png", "b.JPG", "c.png")]
    assert kinds_of(plain) == {"picture"}
    assert versions_of(kinds_of(plain)) == {}
    assert kinds_of([*plain, deep_png(tmp_path / "deep.png")]) == {"picture", "raster"}
    Image.fromarray(np.zeros((4, 4), np.uint8)).save(tmp_path / "d.tif")
    assert kinds_of([tmp_path / "d.tif"]) == {"raster"}
    assert versions_of({"raster", "picture"}) == {"reader raster": READERS["raster"]}


def test_every_kind_is_found_by_its_name(tmp_path: Path) -> None:
    names = {"a.nii.gz": "nifti", "b.dcm": "dicom", "c.mha": "itk", "d.npy": "array"}
    for name, kind in names.items():
        (tmp_path / name).write_bytes(b"")
        assert kinds_of([tmp_path / name]) == {kind}
        assert kind_named(name) == kind
    assert kinds_of(tmp_path / n for n in names) == set(names.values())
    assert kinds_of([tmp_path / "gone.png"]) == {"picture"}
    assert kind_named("x.png") == "picture"
    assert kind_named("series 3") is None


@pytest.mark.parametrize(
    ("shape", "dtype", "kind"),
    [
        ((2, 4, 4), np.uint8, "picture"), ((2, 4, 4, 3), np.uint8, "picture"),
        ((2, 5, 4, 4), np.uint8, "array"), ((2, 4, 4), np.float32, "array"),
        ((2, 4, 4, 3), np.uint16, "array"),
    ],
)  # fmt: skip
def test_rows_of_arrays(shape, dtype, kind) -> None:
    assert ArraySource([np.zeros(shape, dtype)]).kinds() == {kind}


@pytest.mark.parametrize("name", ["x.png", ".png", "a/.png", "a.png/x", "a..png", "x.JPG", "x.7"])
def test_names_alone_tell_what_looking_tells(tmp_path, monkeypatch, name: str) -> None:
    monkeypatch.chdir(tmp_path)
    path = Path(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.zeros((2, 2), np.uint8)).save(path, "jpeg" if "JPG" in name else "png")
    assert kinds_of([name], opened=False) == kinds_of([name]) == kinds_of([path])
