"""images/dicom_values.py, display.py, padding.py: modality units once, display on top of them."""

import numpy as np
import pydicom
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from packaging.requirements import Requirement
from packaging.version import Version
from pydicom.dataset import Dataset
from pydicom.pixels import apply_modality_lut, apply_voi_lut
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
)

from featprobe.core.errors import UnreadableItem
from featprobe.images import files, padding
from featprobe.images.decoded_image import DecodedImage, FrameRecipe, smallest
from featprobe.images.dicom_values import modality_units
from featprobe.images.intensity import apply_rule, rule_of, value_range
from tests.images.test_dicom import make_enhanced, make_slice

RAW = np.array([[0, 100, 524, 524], [1064, 1500, 2000, 4000]])


def film(path, raw=RAW, **tags):
    """A file of these stored values, unsigned 16 bits, of which 12 are stored."""
    ds = pydicom.dcmread(make_slice(path, None, shape=raw.shape))
    ds.PixelRepresentation, ds.BitsStored, ds.HighBit = 0, 12, 11
    ds.RescaleIntercept = -1024
    for name, value in tags.items():
        if value is ...:
            delattr(ds, name)
        elif name.startswith("PixelPadding"):
            ds.add_new(name, "US", value)
        else:
            setattr(ds, name, value)
    dtype = "<i2" if ds.PixelRepresentation else "<u2"
    ds.PixelData = raw.astype(dtype).tobytes()
    ds.save_as(path)
    return path


def table(bits, values, first=0, count=None):
    item = Dataset()
    item.LUTDescriptor = [len(values) if count is None else count, first, bits]
    item.LUTData = np.asarray(values, "<u2").tobytes()
    item["LUTData"].VR = "OW"
    return item


def written_as(syntax, path):
    """The file of :func:`film` in another transfer syntax, words in its byte order."""
    ds = pydicom.dcmread(path)
    ds.file_meta.TransferSyntaxUID = syntax
    if not syntax.is_little_endian:
        tables = [i for s in ("ModalityLUTSequence", "VOILUTSequence") for i in ds.get(s, [])]
        for holder, name in [(ds, "PixelData"), *((i, "LUTData") for i in tables)]:
            setattr(holder, name, np.frombuffer(holder[name].value, "<u2").byteswap().tobytes())
    pydicom.dcmwrite(
        path, ds, little_endian=syntax.is_little_endian, implicit_vr=syntax.is_implicit_VR
    )
    return path


def read(path, **recipe):
    return files.read([path], FrameRecipe(**recipe))


def grey(path, rule="auto"):
    pixels, (low, high) = apply_rule(read(path, intensity=rule), rule)
    return np.clip((pixels[0].astype(float) - low) / (high - low), 0, 1)


DISPLAYS = {
    "none": {},
    "window": {"WindowCenter": 40, "WindowWidth": 400},
    "sigmoid": {"WindowCenter": 40, "WindowWidth": 400, "VOILUTFunction": "SIGMOID"},
    "empty sequence": {"VOILUTSequence": [], "WindowCenter": 40, "WindowWidth": 400},
    "empty item": {"VOILUTSequence": [Dataset()], "WindowCenter": 40, "WindowWidth": 400},
    "short table": {"VOILUTSequence": [table(12, [1, 2, 3], count=4096)]},
    "table": {"VOILUTSequence": [table(12, np.arange(4096)[::-1], first=64512)]},
}


@pytest.mark.parametrize("name", DISPLAYS)
@pytest.mark.parametrize("photometric", ["MONOCHROME2", "MONOCHROME1"])
def test_pixels_are_modality_units_whatever_the_file_asks_to_be_shown(tmp_path, name, photometric):
    path = film(tmp_path / "a.dcm", **DISPLAYS[name], PhotometricInterpretation=photometric)
    hu = RAW - 1024
    if photometric == "MONOCHROME1":
        hu = hu.max() + hu.min() - hu
    np.testing.assert_array_equal(read(path).pixels[0], hu)
    if photometric == "MONOCHROME2":
        np.testing.assert_allclose(grey(path, "lung")[0, 2], (-500 + 1350) / 1500)  # .567


@pytest.mark.parametrize("photometric", ["MONOCHROME2", "MONOCHROME1"])
@pytest.mark.parametrize("name", ["sigmoid", "table", "window"])
def test_the_display_of_auto_is_pydicoms(tmp_path, name, photometric):
    path = film(tmp_path / "a.dcm", **DISPLAYS[name], PhotometricInterpretation=photometric)
    ds = pydicom.dcmread(path)
    hu = apply_modality_lut(ds.pixel_array, ds)
    want = np.asarray(apply_voi_lut(hu, ds), dtype=float)
    if name == "table":  # first mapped value 64512 is -1024 of signed values
        want = np.arange(4096)[::-1][np.clip(hu.astype(int) + 1024, 0, 4095)].astype(float)
    want = (want - want.min()) / (want.max() - want.min())
    want = 1 - want if photometric == "MONOCHROME1" else want
    np.testing.assert_allclose(grey(path), want, atol=2e-3)
    picture = read(path)
    low, high = value_range(picture)
    np.testing.assert_allclose(
        np.clip((picture.pixels - low) / (high - low), 0, 1)[0], want, atol=2e-3
    )


def test_which_rule_was_used_is_said(tmp_path):
    said = {n: rule_of(read(film(tmp_path / "a.dcm", **t))) for n, t in DISPLAYS.items()}
    assert said == {
        "none": "minmax", "window": "window of the file", "sigmoid": "sigmoid of the file",
        "empty sequence": "window of the file", "empty item": "window of the file",
        "short table": "minmax", "table": "VOI LUT of the file",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("tags", "slope", "intercept"),
    [
        ({}, 1, -1024),
        ({"RescaleSlope": ...}, 1, -1024),
        ({"RescaleSlope": None}, 1, -1024),
        ({"RescaleSlope": "", "RescaleIntercept": ""}, 1, 0),
        ({"RescaleSlope": 2, "RescaleIntercept": ...}, 2, 0),
        ({"RescaleSlope": 0.5, "RescaleIntercept": "-10 "}, 0.5, -10),
        ({"ModalityLUTSequence": []}, 1, -1024),
    ],
)
def test_rescale_is_applied_once(tmp_path, tags, slope, intercept):
    picture = read(film(tmp_path / "a.dcm", **tags))
    np.testing.assert_allclose(picture.pixels[0], RAW * slope + intercept)


@pytest.mark.parametrize("bits", [8, 10, 12, 16])
def test_modality_tables_of_any_depth_are_read(tmp_path, bits):
    values = np.random.default_rng(0).integers(0, 2**bits, 4096)
    path = film(tmp_path / "a.dcm", ModalityLUTSequence=[table(bits, values)])
    np.testing.assert_array_equal(read(path).pixels[0], values[RAW])
    packed = table(8, [0])
    packed.LUTDescriptor, packed.LUTData = [256, 100, 8], bytes(range(256))
    path = film(tmp_path / "b.dcm", ModalityLUTSequence=[packed])
    np.testing.assert_array_equal(read(path).pixels[0], np.clip(RAW - 100, 0, 255))


@pytest.mark.parametrize(
    "syntax",
    [ImplicitVRLittleEndian, ExplicitVRLittleEndian, DeflatedExplicitVRLittleEndian,
     ExplicitVRBigEndian],
    ids=lambda s: s.name,
)  # fmt: skip
def test_values_and_tables_are_the_same_in_every_encoding(tmp_path, syntax):
    """Words of a table are in the byte order of their file, which pydicom leaves as they are."""
    units = table(16, np.random.default_rng(0).integers(0, 2**16, 4096))
    shown = table(12, np.arange(4096)[::-1], first=64512)
    for tags in (
        {"ModalityLUTSequence": [units]}, {"VOILUTSequence": [shown]}, {"PixelPaddingValue": 524},
    ):  # fmt: skip
        plain = read(film(tmp_path / "a.dcm", **tags))
        path = written_as(syntax, film(tmp_path / "b.dcm", **tags))
        assert pydicom.dcmread(path).original_encoding == (
            syntax.is_implicit_VR, syntax.is_little_endian,
        )  # fmt: skip
        np.testing.assert_array_equal(read(path).pixels, plain.pixels)
        np.testing.assert_array_equal(grey(path), grey(tmp_path / "a.dcm"))


def test_a_frames_own_rescale_stands_for_the_one_at_the_root(tmp_path):
    stored = make_enhanced(tmp_path / "e.dcm", [0, 2, 4], slopes=[1, 2, 3])
    ds = pydicom.dcmread(tmp_path / "e.dcm")
    ds.RescaleSlope, ds.RescaleIntercept = 5, 100
    ds.PerFrameFunctionalGroupsSequence[1].PixelValueTransformationSequence[0].RescaleSlope = None
    ds.save_as(tmp_path / "e.dcm")
    got = read(tmp_path / "e.dcm", plane="sagittal").pixels
    want = stored * np.array([1, 1, 3]).reshape(-1, 1, 1) - 3
    assert sorted(f.sum() for f in got) == sorted(w.sum() for w in want)


def by_frame(array, ds):
    """What pydicom's pull request 2359 makes of ``apply_rescale``: each frame by its own macro."""
    items = [i.PixelValueTransformationSequence[0] for i in ds.PerFrameFunctionalGroupsSequence]
    lines = np.array([(float(i.RescaleSlope), float(i.RescaleIntercept)) for i in items])
    return array * lines[:, 0].reshape(-1, 1, 1) + lines[:, 1].reshape(-1, 1, 1)


def test_what_pydicom_decodes_is_as_stored(tmp_path):
    """Fails under a pydicom that rescales while it decodes."""
    stored = make_enhanced(tmp_path / "e.dcm", [0, 2, 4], slopes=[1, 2, 3])
    ds = pydicom.dcmread(tmp_path / "e.dcm")
    for array in (pydicom.pixels.pixel_array(ds), ds.pixel_array):
        np.testing.assert_array_equal(array, stored)
        assert array.dtype == np.int16
    ds = pydicom.dcmread(film(tmp_path / "a.dcm", RescaleSlope=2))
    np.testing.assert_array_equal(pydicom.pixels.pixel_array(ds), RAW)


@pytest.mark.parametrize("name", ["apply_rescale", "apply_modality_lut"])
def test_frames_are_rescaled_once_whatever_pydicoms_functions_do(tmp_path, monkeypatch, name):
    stored = make_enhanced(tmp_path / "e.dcm", [0, 2, 4], slopes=[1, 2, 3])
    want = stored * np.array([1, 2, 3]).reshape(-1, 1, 1) - 3
    np.testing.assert_array_equal(by_frame(stored, pydicom.dcmread(tmp_path / "e.dcm")), want)
    for module in (pydicom.pixels, pydicom.pixels.processing):
        if hasattr(module, name):
            monkeypatch.setattr(module, name, by_frame)
    got = read(tmp_path / "e.dcm", plane="sagittal").pixels
    assert sorted(f.sum() for f in got) == sorted(w.sum() for w in want)


def test_pixels_that_are_rescaled_while_they_are_decoded_are_refused(tmp_path, monkeypatch):
    make_enhanced(tmp_path / "e.dcm", [0, 2, 4], slopes=[1, 2, 3])
    decode = pydicom.pixels.pixel_array
    monkeypatch.setattr(pydicom.pixels, "pixel_array", lambda ds: by_frame(decode(ds), ds))
    with pytest.raises(UnreadableItem, match=r"pydicom gives float64 .*rescales by itself"):
        read(tmp_path / "e.dcm", plane="sagittal")


def test_pydicom_is_capped_below_what_has_not_been_tried():
    """2359 is open; a release that has it is looked at before it is allowed."""
    from configparser import ConfigParser
    from pathlib import Path

    import featprobe

    setup = Path(featprobe.__file__).parents[1] / "setup.cfg"
    if not setup.is_file():
        pytest.skip("not the repository")
    declared = ConfigParser()
    declared.read(setup)
    asked = next(
        Requirement(line) for line in declared["options"]["install_requires"].splitlines()
        if line.startswith("pydicom")
    )  # fmt: skip
    assert Version(pydicom.__version__) in asked.specifier
    assert Version("3.1.0") not in asked.specifier


def test_windows_of_frames_that_differ_are_said_and_a_sigmoid_of_a_frame_is_read(tmp_path):
    make_enhanced(tmp_path / "e.dcm", [0, 2, 4])
    ds = pydicom.dcmread(tmp_path / "e.dcm")
    for i, item in enumerate(ds.PerFrameFunctionalGroupsSequence):
        inner = Dataset()
        inner.WindowCenter, inner.WindowWidth, inner.VOILUTFunction = 10 + i, 5, "SIGMOID"
        item.FrameVOILUTSequence = [inner]
    ds.save_as(tmp_path / "e.dcm")
    picture = read(tmp_path / "e.dcm")
    assert (picture.display.centre, picture.display.width) == (11, 5)
    assert "3 display windows" in picture.notes[0]


def test_a_width_of_one_is_a_threshold(tmp_path):
    path = film(tmp_path / "a.dcm", WindowCenter=476, WindowWidth=1)
    np.testing.assert_array_equal(grey(path), RAW - 1024 >= 476)


@pytest.mark.parametrize("photometric", ["MONOCHROME2", "MONOCHROME1"])
@pytest.mark.parametrize("value", [0, 4095])
@pytest.mark.parametrize("rule", ["auto", "minmax", "percentile=1,99", "range=-5000,5000"])
def test_padding_is_black_and_no_anatomy(tmp_path, photometric, value, rule):
    raw = np.array([[value, value, 500, 700], [900, 1100, 2000, 3000]])
    path = film(
        tmp_path / "a.dcm", raw, PixelPaddingValue=value, PhotometricInterpretation=photometric
    )
    bare = film(tmp_path / "b.dcm", raw.ravel()[2:][None], PhotometricInterpretation=photometric)
    got = grey(path, rule)
    assert (got.ravel()[:2] == 0).all()
    np.testing.assert_allclose(got.ravel()[2:], grey(bare, rule).ravel())


def test_padding_is_a_range_and_may_be_written_unsigned(tmp_path):
    raw = np.array([[-2000, -1990, 5, 7], [9, 11, 20, 30]])
    path = film(
        tmp_path / "a.dcm", raw, PixelRepresentation=1, RescaleIntercept=0, BitsStored=16,
        HighBit=15, PixelPaddingValue=65536 - 2000, PixelPaddingRangeLimit=65536 - 1990,
    )  # fmt: skip
    assert value_range(read(path)) == (5, 30)
    np.testing.assert_array_equal(read(path).pixels[0], raw)


def test_padding_does_not_bleed_into_resampled_anatomy(tmp_path):
    raw = np.full((8, 8), 1000)
    raw[:, :4] = 0
    for z in range(4):
        path = make_slice(tmp_path / f"{z}.dcm", (0, 0, z), z, shape=(8, 8))
        ds = pydicom.dcmread(path)
        ds.PixelData = (raw - 2000).astype("<i2").tobytes()
        ds.add_new("PixelPaddingValue", "SS", -2000)
        ds.save_as(path)
    paths = sorted(tmp_path.glob("*.dcm"))
    pixels = files.read(paths, FrameRecipe(plane="axial", spacing=0.37)).pixels
    assert set(np.unique(pixels)) == {-2000, -1000}


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(-1024, 3000), min_size=4, max_size=40), st.integers(2, 60))
def test_a_plateau_below_air_is_taken_for_padding_and_said(values, n):
    inside = np.array(values, np.int16)
    pixels = np.r_[np.full(n, -3024), inside].astype(np.int16)[None, None]
    value, notes = padding.guess(pixels)
    assert value == -3024
    assert "taken for padding" in notes[0]
    assert value_range(DecodedImage(pixels, padding=value), "minmax") == (
        inside.min(),
        inside.max(),
    )
    assert padding.guess(inside[None, None]) == (None, ())


def test_negative_values_that_are_no_plateau_are_values():
    ramp = np.linspace(-4000, 4000, 1000).astype(np.float32)[None, None]
    assert padding.guess(ramp) == (None, ())


@given(
    signed=st.booleans(),
    slope=st.one_of(st.integers(-40_000, 40_000), st.floats(-4, 4)),
    intercept=st.one_of(st.integers(-70_000, 70_000), st.floats(-2000, 2000)),
)
def test_whole_numbers_are_rescaled_to_what_floating_point_gives(signed, slope, intercept):
    ds = Dataset()
    ds.RescaleSlope, ds.RescaleIntercept = f"{slope:.8g}", f"{intercept:.8g}"  # 16 letters at most
    raw = np.array([[[0, 1, 2, 4095, 32767, 65535]]], np.uint16)
    raw = raw.view(np.int16) if signed else raw
    expected = raw * float(ds.RescaleSlope) + float(ds.RescaleIntercept)
    found = modality_units(raw, ds)
    np.testing.assert_array_equal(found, expected)
    kept = smallest(found)
    np.testing.assert_array_equal(kept, smallest(expected))
    assert kept.dtype == smallest(expected).dtype
