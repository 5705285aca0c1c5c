"""dicom_palette.py against pydicom's own look-up, and against what the standard says of bytes."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pydicom
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom.pixels import apply_color_lut
from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian

from featprobe.core.errors import UnreadableItem
from featprobe.images import files
from featprobe.images.decoded_image import FrameRecipe
from featprobe.images.dicom_palette import COLOURS

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")
LITTLE = (ExplicitVRLittleEndian, ImplicitVRLittleEndian)


def palette_file(
    path: Path, stored: np.ndarray, tables: np.ndarray, bits: int, *, first: int = 0,
    syntax: str = ExplicitVRLittleEndian, vr: str = "OW", held: int = 0, segments: bytes = b"",
) -> pydicom.Dataset:  # fmt: skip
    """A file of stored values (H, W) with the palette (n, 3) of ``bits``, held in ``held`` bits."""
    big = syntax == ExplicitVRBigEndian
    ds = pydicom.Dataset()
    ds.file_meta = pydicom.dataset.FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = syntax
    ds.SOPClassUID = ds.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.7"
    ds.SOPInstanceUID = ds.file_meta.MediaStorageSOPInstanceUID = "1.2.3.4"
    ds.Rows, ds.Columns = stored.shape
    ds.SamplesPerPixel, ds.PhotometricInterpretation = 1, "PALETTE COLOR"
    ds.BitsAllocated = ds.BitsStored = 8 * stored.dtype.itemsize
    ds.HighBit, ds.PixelRepresentation = ds.BitsStored - 1, int(stored.dtype.kind == "i")
    order = ">" if big else "<"
    pixels = stored.astype(stored.dtype.newbyteorder(order)).tobytes()
    wide = stored.dtype.itemsize > 1
    ds.add_new("PixelData", "OW" if wide else "OB", pixels + b"\0" * (len(pixels) % 2))
    kind = "SS" if ds.PixelRepresentation else "US"
    for colour, table in zip(COLOURS, tables.T):
        tag = f"{colour}PaletteColorLookupTableDescriptor"
        ds.add_new(tag, kind, [len(table) % 65536, first, bits])
        if segments:
            ds.add_new(f"Segmented{colour}PaletteColorLookupTableData", "OW", segments)
        elif vr == "US":
            ds.add_new(f"{colour}PaletteColorLookupTableData", "US", table.tolist())
        else:
            data = table.astype(f"<u{(held or bits) // 8}").tobytes()
            data += b"\0" * (len(data) % 2)
            if big:  # whatever is in it, an OW is written in words
                data = np.frombuffer(data, "<u2").astype(">u2").tobytes()
            ds.add_new(f"{colour}PaletteColorLookupTableData", "OW", data)
    ds.save_as(path, enforce_file_format=True)
    return pydicom.dcmread(path)


def read(path: Path) -> np.ndarray:
    found = files.read([path], FrameRecipe()).pixels
    assert found.dtype == np.uint8
    return found[0]


@settings(max_examples=60, deadline=None)
@given(
    entries=st.integers(2, 256), first=st.integers(0, 40), bits=st.sampled_from([8, 16]),
    wide=st.booleans(), syntax=st.sampled_from(LITTLE), seed=st.integers(0, 99),
)  # fmt: skip
def test_a_little_endian_palette_is_pydicoms(
    tmp_path_factory: pytest.TempPathFactory, entries: int, first: int, bits: int, wide: bool,
    syntax: str, seed: int,
) -> None:  # fmt: skip
    if bits == 8 and entries % 2:
        entries += 1  # pydicom takes no padded table
    rng = np.random.default_rng(seed)
    path = tmp_path_factory.mktemp("p") / "p.dcm"
    top = min(entries + first, 255)  # beyond it, pydicom counts in the dtype of the table
    stored = rng.integers(0, top + 1, (5, 6)).astype(np.uint16 if wide else np.uint8)
    tables = rng.integers(0, 1 << bits, (entries, 3))
    tables[0] = (1 << bits) - 1
    ds = palette_file(path, stored, tables, bits, first=first, syntax=syntax)
    want = apply_color_lut(ds.pixel_array, ds)
    np.testing.assert_array_equal(read(path), want if bits == 8 else want >> 8)


@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("entries", [5, 6, 256])
def test_a_big_endian_palette_is_that_of_the_little_endian_twin(
    tmp_path: Path, bits: int, entries: int
) -> None:
    rng = np.random.default_rng(bits + entries)
    stored = rng.integers(0, entries, (4, 4)).astype(np.uint16)
    tables = rng.integers(0, 1 << bits, (entries, 3))
    tables[-1] = (1 << bits) - 1
    want = tables[stored] >> (bits - 8)
    for i, syntax in enumerate((*LITTLE, ExplicitVRBigEndian)):
        palette_file(tmp_path / f"{i}.dcm", stored, tables, bits, syntax=syntax)
        np.testing.assert_array_equal(read(tmp_path / f"{i}.dcm"), want)
    # numbers, whose order pydicom turns by itself, are a reference for words of bytes
    if bits == 16:
        for i, syntax in enumerate((ExplicitVRLittleEndian, ExplicitVRBigEndian)):
            path = tmp_path / f"us{i}.dcm"
            palette_file(path, stored, tables, bits, syntax=syntax, vr="US")
            np.testing.assert_array_equal(read(path), want)


def test_bytes_in_words_are_bytes_and_words_are_their_upper_byte(tmp_path: Path) -> None:
    stored = np.arange(16, dtype=np.uint8).reshape(4, 4)
    tables = np.arange(48).reshape(16, 3) * 5
    palette_file(tmp_path / "a.dcm", stored, tables, 16)
    np.testing.assert_array_equal(read(tmp_path / "a.dcm"), tables[stored])
    palette_file(tmp_path / "b.dcm", stored, tables, 8, held=16)
    np.testing.assert_array_equal(read(tmp_path / "b.dcm"), tables[stored])
    tables[15] = 65535  # in the palette, whether or not a pixel has it
    palette_file(tmp_path / "c.dcm", np.minimum(stored, 14), tables, 16)
    np.testing.assert_array_equal(read(tmp_path / "c.dcm"), tables[np.minimum(stored, 14)] >> 8)


def test_values_beyond_a_byte_find_their_entry_in_a_palette_of_bytes(tmp_path: Path) -> None:
    tables = np.stack([np.arange(1000) // 4, np.arange(1000) % 251, np.full(1000, 9)], axis=1)
    stored = np.array([[0, 255, 256], [700, 999, 5000]], dtype=np.uint16)
    palette_file(tmp_path / "a.dcm", stored, tables, 8)
    np.testing.assert_array_equal(read(tmp_path / "a.dcm"), tables[np.minimum(stored, 999)])
    signed = np.array([[-30, -20, -19], [0, 479, 800]], dtype=np.int16)
    palette_file(tmp_path / "b.dcm", signed, tables[:500], 8, first=-20)
    np.testing.assert_array_equal(
        read(tmp_path / "b.dcm"), tables[np.clip(signed.astype(int) + 20, 0, 499)]
    )


@pytest.mark.parametrize("top", [255, 65535])
def test_segments_are_expanded_as_pydicom_expands_them(tmp_path: Path, top: int) -> None:
    stored = np.arange(64, dtype=np.uint8).reshape(8, 8)
    for order, syntax in (("<", ExplicitVRLittleEndian), (">", ExplicitVRBigEndian)):
        # discrete: 0, 3; linear over 62 to the top
        segments = struct.pack(f"{order}7H", 0, 2, 0, 3, 1, 62, top)
        path = tmp_path / f"{order == '<'}.dcm"
        ds = palette_file(
            path, stored, np.zeros((64, 3), int), 16, syntax=syntax, segments=segments
        )
        want = apply_color_lut(ds.pixel_array, ds)
        assert want.max() == top
        np.testing.assert_array_equal(read(path), want if top == 255 else want >> 8)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda ds: delattr(ds, "RedPaletteColorLookupTableDescriptor"), "is not described"),
        (lambda ds: delattr(ds, "GreenPaletteColorLookupTableData"), "table of green"),
        (lambda ds: setattr(ds, "BluePaletteColorLookupTableData", b"ab"), "table of blue"),
        (
            lambda ds: setattr(ds, "RedPaletteColorLookupTableDescriptor", [0, 0, 16]),
            "65536 entries",
        ),
    ],
)
def test_a_damaged_palette_is_one_line(tmp_path: Path, change, said: str) -> None:
    path = tmp_path / "p.dcm"
    ds = palette_file(path, np.zeros((2, 2), np.uint8), np.zeros((4, 3), int), 16)
    change(ds)
    ds.save_as(path)
    with pytest.raises(UnreadableItem, match=said) as caught:
        files.read([path], FrameRecipe())
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)
