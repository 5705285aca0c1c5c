"""images/dicom*.py against pydicom's own pipeline and SimpleITK's geometry."""

import gzip
import os
import warnings
from io import BytesIO
from pathlib import Path

import numpy as np
import pydicom
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom.data import get_testdata_file, get_testdata_files
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid

from featprobe.core.errors import UnreadableItem
from featprobe.images import dicom, files
from featprobe.images.decoded_image import FrameRecipe

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")
DATA = os.environ.get("FEATPROBE_TEST_DATA")
needs_data = pytest.mark.skipif(not DATA, reason="FEATPROBE_TEST_DATA is not set")
PLAIN = FrameRecipe()


def expected(path):
    """pixel_array, modality LUT, palette, inversion, as pydicom does them."""
    from pydicom.pixels import apply_color_lut, apply_modality_lut

    data = path.read_bytes()
    ds = pydicom.dcmread(BytesIO(gzip.decompress(data) if path.suffix == ".gz" else data))
    array = ds.pixel_array
    if ds.PhotometricInterpretation == "PALETTE COLOR":
        array = apply_color_lut(array, ds)
        return array if array.dtype == np.uint8 else array >> 8
    if ds.SamplesPerPixel == 3:
        return array >> max(0, ds.BitsStored - 8)
    array = apply_modality_lut(array, ds)
    if ds.PhotometricInterpretation == "MONOCHROME1":
        array = array.max() + array.min() - array
    return array


def census(paths):
    """Each file read as pydicom reads it, skipped as no image, or unreadable with a reason."""
    read, skipped, other, unreadable = [], [], [], {}
    for path in paths:
        if files.kind_of(path) is None:
            other.append(path)
            continue
        try:
            if dicom.read_header(path) is None:
                skipped.append(path)
                continue
            got = files.read([path], PLAIN).pixels
        except UnreadableItem as error:
            unreadable[path.name] = str(error)
            continue
        want = expected(path)
        assert got.size == want.size, path
        np.testing.assert_allclose(got.reshape(want.shape), want, rtol=1e-6, err_msg=str(path))
        assert files.count_frames([path], PLAIN) == len(got), path
        read.append(path)
    return read, skipped, other, unreadable


@pytest.mark.slow
def test_every_file_of_pydicom_is_read_as_pydicom_reads_it_or_named(capsys):
    paths = sorted({Path(p) for p in get_testdata_files() if Path(p).is_file()})
    read, skipped, other, unreadable = census(paths)
    with capsys.disabled():
        print(
            f"\npydicom's files: {len(read)} read, {len(skipped)} skipped as non-image, "
            f"{len(other)} not DICOM, {len(unreadable)} unreadable, of {len(paths)}"
        )
    assert len(read) + len(skipped) + len(other) + len(unreadable) == len(paths)
    assert all(p.suffix in {".json", ".txt", ".icc", ".dump", ""} for p in other)
    assert {p.name for p in skipped} >= {
        "test-SR.dcm", "rtstruct.dcm", "rtplan.dcm", "DICOMDIR", "waveform_ecg.dcm",
        "ExplVR_BigEndNoMeta.dcm", "ExplVR_LitEndNoMeta.dcm", "meta_missing_tsyntax.dcm",
    }  # fmt: skip
    broken = {"MR_truncated.dcm", "badVR.dcm", "no_meta.dcm"}  # the last has a byte too many
    undecodable = {"JPEG-lossy.dcm", "JPEG2000-embedded-sequence-delimiter.dcm"}
    assert (
        broken
        <= set(unreadable)
        <= broken | undecodable | {p.name for p in paths if _compressed(p)}
    )
    assert all(str(name) in text for name, text in unreadable.items())


def _compressed(path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        ds = pydicom.dcmread(path, force=True, stop_before_pixels=True)
    syntax = getattr(ds, "file_meta", Dataset()).get("TransferSyntaxUID")
    return bool(syntax) and syntax.is_encapsulated


def test_a_missing_decoder_is_named(monkeypatch):
    from pydicom.pixels.decoders import base

    monkeypatch.setattr(base.Decoder, "is_available", property(lambda self: False))
    monkeypatch.setattr(base.Decoder, "missing_dependencies", property(lambda self: ["gdcm"]))
    monkeypatch.setattr(
        base.Decoder, "_validate_plugins", lambda self, plugin="": _no_plugins(self, plugin)
    )
    with pytest.raises(UnreadableItem, match=r"JPEG 2000.*not installed: gdcm.*featprobe\[dicom\]"):
        files.read([Path(get_testdata_file("JPEG2000.dcm"))], PLAIN)


def test_a_decoder_that_panics_costs_one_item(monkeypatch):
    class PanicException(BaseException):
        pass

    def panic(ds):
        raise PanicException("index out of bounds")

    monkeypatch.setattr(pydicom.pixels, "pixel_array", panic)
    with pytest.raises(UnreadableItem, match="its decoder gave up: PanicException"):
        files.read([Path(get_testdata_file("MR_small_RLE.dcm"))], PLAIN)


def _no_plugins(decoder, plugin):
    raise RuntimeError("Unable to decompress: all plugins are missing dependencies")


@pytest.mark.parametrize(
    "name", ["MR_small_implicit.dcm", "MR_small.dcm", "MR_small_bigendian.dcm", "CT_small.dcm"]
)
def test_a_file_without_preamble_and_meta_header_is_read(tmp_path, name):
    source = Path(get_testdata_file(name))
    ds = pydicom.dcmread(source)
    bare = tmp_path / "bare.dcm"
    data = source.read_bytes()
    bare.write_bytes(data[144 + ds.file_meta.FileMetaInformationGroupLength :])
    np.testing.assert_array_equal(
        files.read([bare], PLAIN).pixels, files.read([source], PLAIN).pixels
    )
    assert files.count_frames([bare], PLAIN) == 1


def test_gzip_is_unpacked(tmp_path):
    source = Path(get_testdata_file("CT_small.dcm"))
    packed = tmp_path / "a.dcm.gz"
    packed.write_bytes(gzip.compress(source.read_bytes()))
    np.testing.assert_array_equal(
        files.read([packed], PLAIN).pixels, files.read([source], PLAIN).pixels
    )
    unmarked = tmp_path / "b.gz"
    unmarked.write_bytes(packed.read_bytes())
    assert files.kind_of(unmarked) == "dicom"


def test_a_bomb_in_gzip_is_refused_and_the_limit_can_be_raised(tmp_path, monkeypatch):
    source = Path(get_testdata_file("CT_small.dcm"))
    packed = tmp_path / "a.dcm.gz"
    packed.write_bytes(gzip.compress(source.read_bytes() + bytes(100_000)))
    monkeypatch.setenv("FEATPROBE_MAX_PIXELS", "17000")
    with pytest.raises(UnreadableItem, match="set FEATPROBE_MAX_PIXELS"):
        files.read([packed], PLAIN)
    monkeypatch.setenv("FEATPROBE_MAX_PIXELS", "170000")
    assert files.read([packed], PLAIN).pixels.shape == (1, 128, 128)


def test_a_deflated_bomb_is_refused(tmp_path, monkeypatch):
    import zlib

    data = Path(get_testdata_file("image_dfl.dcm")).read_bytes()
    start = 144 + pydicom.dcmread(get_testdata_file("image_dfl.dcm")).file_meta[0x00020000].value
    inner = zlib.decompress(data[start:], -15) + b"\x00" * 4_000_000
    pack = zlib.compressobj(9, zlib.DEFLATED, -15)
    bomb = tmp_path / "bomb.dcm"
    bomb.write_bytes(data[:start] + pack.compress(inner) + pack.flush())
    monkeypatch.setenv("FEATPROBE_MAX_PIXELS", "300000")
    with pytest.raises(UnreadableItem, match="unpacks to more than"):
        files.read([bomb], PLAIN)


def make_slice(path, position, number=1, series="1.2.3", value=None, **tags):
    ds = Dataset()
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds.file_meta.MediaStorageSOPClassUID = ds.SOPClassUID = CTImageStorage
    ds.file_meta.MediaStorageSOPInstanceUID = ds.SOPInstanceUID = tags.pop("uid", generate_uid())
    ds.SeriesInstanceUID, ds.InstanceNumber, ds.PatientID = series, number, "DOE^JANE 1960"
    ds.Modality = "CT"
    ds.Rows, ds.Columns = tags.pop("shape", (4, 5))
    ds.SamplesPerPixel, ds.PhotometricInterpretation = 1, "MONOCHROME2"
    ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation = 16, 16, 15, 1
    ds.RescaleSlope, ds.RescaleIntercept = 1, 0
    ds.PixelSpacing = [0.7, 0.5]
    ds.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
    if position is not None:
        ds.ImagePositionPatient = list(position)
    for name, v in tags.items():
        setattr(ds, name, v)
    value = number if value is None else value
    grid = value * 100 + np.arange(ds.Rows * ds.Columns).reshape(ds.Rows, ds.Columns)
    ds.PixelData = grid.astype("<i2").tobytes()
    ds.save_as(path, enforce_file_format=True)
    return path


def test_series_are_told_apart_and_ordered_by_position_not_by_name(tmp_path):
    a = [make_slice(tmp_path / f"{9 - i}.dcm", (0, 0, 3 * i), 50 - i) for i in range(4)]
    b = [make_slice(tmp_path / f"b{i}.dcm", (0, 0, i), i, series="9") for i in (2, 0, 1)]
    found = dicom.scan([*b, *a])
    assert [[h.path for h in s] for s in found.series] == [sorted(b), a]


def test_a_scout_of_another_orientation_stands_alone(tmp_path):
    volume = [make_slice(tmp_path / f"{i}.dcm", (0, 0, i), i) for i in range(3)]
    scout = make_slice(tmp_path / "s.dcm", (0, 0, 0), ImageOrientationPatient=[1, 0, 0, 0, 0, -1])
    assert [[h.path for h in s] for s in dicom.scan([scout, *volume]).series] == [[scout], volume]


def test_time_points_at_the_same_positions_become_a_volume_each(tmp_path):
    paths = [
        make_slice(tmp_path / f"{t}{z}.dcm", (0, 0, z), number=10 * z + t)
        for t in range(2)
        for z in range(3)
    ]
    assert [[h.path.stem for h in s] for s in dicom.scan(paths).series] == [
        ["00", "01", "02"],
        ["10", "11", "12"],
    ]


def test_second_copies_of_slices_are_counted_not_stacked(tmp_path):
    paths = [make_slice(tmp_path / f"{i}.dcm", (0, 0, i), i, uid=f"1.2.{i + 1}") for i in range(3)]
    copy = make_slice(tmp_path / "copy.dcm", (0, 0, 1), 1, uid="1.2.2")
    found = dicom.scan([*paths, copy])
    assert [[h.path for h in s] for s in found.series] == [paths]
    assert found.duplicates == [copy]


def test_a_slice_too_many_does_not_take_the_volume_apart(tmp_path):
    paths = [make_slice(tmp_path / f"{i}.dcm", (0, 0, z), i) for i, z in enumerate([0, 1, 2, 1])]
    found = dicom.scan(paths)
    assert [[h.path for h in s] for s in found.series] == [paths[:3]]
    assert found.surplus == paths[3:]
    assert "1 DICOM slices lie where a volume" in found.warnings[0]


def test_a_gap_is_noted(tmp_path):
    paths = [make_slice(tmp_path / f"{z}.dcm", (0, 0, z), z) for z in (0, 1, 2, 4, 5)]
    assert "1.00 to 2.00 mm apart" in files.read(paths, PLAIN).notes[0]
    assert files.read(paths[:3], PLAIN).notes == ()


def test_an_instance_number_like_1a_is_read(tmp_path):
    path = make_slice(tmp_path / "a.dcm", None, 7)
    data = path.read_bytes()
    assert b"IS\x02\x007 " in data
    path.write_bytes(data.replace(b"IS\x02\x007 ", b"IS\x02\x001A"))
    assert dicom.read_header(path).number == 1
    assert len(files.read([path], PLAIN).pixels) == 1


def test_a_negative_width_and_an_empty_window_are_no_window(tmp_path):
    path = make_slice(tmp_path / "a.dcm", None, WindowCenter=40, WindowWidth=0)
    assert files.read([path], PLAIN).window is None
    path = make_slice(tmp_path / "b.dcm", None, WindowCenter=[40, 50], WindowWidth=[400, 1])
    assert files.read([path], PLAIN).window == (-160.0, 239.0)


def make_enhanced(path, depths, slopes=None):
    ds = pydicom.dcmread(make_slice(path, (0, 0, 0)))
    for name in ("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing",
                 "RescaleSlope", "RescaleIntercept"):  # fmt: skip
        delattr(ds, name)
    ds.SOPClassUID = ds.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.2.1"
    ds.NumberOfFrames = len(depths)

    def macro(name, **tags):
        inner, outer = Dataset(), Dataset()
        for tag, value in tags.items():
            setattr(inner, tag, value)
        setattr(outer, name, [inner])
        return outer

    shared = macro("PlaneOrientationSequence", ImageOrientationPatient=[0, 1, 0, 0, 0, -1])
    shared.update(macro("PixelMeasuresSequence", PixelSpacing=[2, 0.5], SliceThickness=1))
    shared.update(macro("FrameVOILUTSequence", WindowCenter=100, WindowWidth=51))
    ds.SharedFunctionalGroupsSequence = [shared]
    per_frame = []
    for i, depth in enumerate(depths):
        item = macro("PlanePositionSequence", ImagePositionPatient=[depth, 5, 6])
        slope = 1 if slopes is None else slopes[i]
        item.update(
            macro("PixelValueTransformationSequence", RescaleSlope=slope, RescaleIntercept=-3,
                  RescaleType="HU")
        )  # fmt: skip
        per_frame.append(item)
    ds.PerFrameFunctionalGroupsSequence = per_frame
    stored = np.arange(len(depths) * 20).reshape(-1, 4, 5)
    ds.PixelData = stored.astype("<i2").tobytes()
    ds.save_as(path, enforce_file_format=True)
    return stored


def test_enhanced_multiframe_is_a_volume_in_order_with_its_own_rescale(tmp_path):
    path, depths = tmp_path / "e.dcm", [4, 0, 2, 6]
    stored = make_enhanced(path, depths, slopes=[1, 2, 3, 4])
    picture = files.read([path], FrameRecipe(plane="sagittal"))
    assert files.count_frames([path], FrameRecipe(plane="sagittal")) == 4
    assert picture.window == (74.5, 124.5)
    values = stored * np.array([1, 2, 3, 4]).reshape(-1, 1, 1) - 3
    for frame in range(4):  # world x of a frame, in RAS, says which stored frame it is
        x = (picture.affine @ [0, 0, frame, 1])[0]
        source = depths.index(round(-x))
        # sagittal view: columns to posterior is +y in LPS, rows down is -z: as stored
        np.testing.assert_array_equal(picture.pixels[frame], values[source])
    assert files.count_frames([path], FrameRecipe(plane="coronal")) == 5


def test_enhanced_geometry_equals_simpleitk(tmp_path):
    sitk = pytest.importorskip("SimpleITK", reason="SimpleITK (extra sitk) is not installed")
    path = tmp_path / "e.dcm"
    make_enhanced(path, [6, 4, 2, 0])  # as the normal of its planes points
    image = sitk.ReadImage(str(path))
    got = dicom.extent([path], PLAIN)
    assert got.shape == image.GetSize()
    for index in [(0, 0, 0), (4, 3, 0), (1, 2, 3)]:
        world = np.array(image.TransformIndexToPhysicalPoint(index)) * [-1, -1, 1]
        np.testing.assert_allclose((got.affine @ [*index, 1])[:3], world, atol=1e-6)


def test_multiframe_without_distinct_positions_stays_a_stack(tmp_path):
    path = tmp_path / "e.dcm"
    stored = make_enhanced(path, [0, 2, 2, 6])
    picture = files.read([path], FrameRecipe(plane="axial"))
    np.testing.assert_array_equal(picture.pixels, stored - 3)
    assert picture.affine is None


def test_series_of_unequal_slice_sizes_is_named(tmp_path):
    paths = [
        make_slice(tmp_path / "0.dcm", (0, 0, 0)),
        make_slice(tmp_path / "1.dcm", (0, 0, 1), shape=(6, 5)),
    ]
    with pytest.raises(UnreadableItem, match="slices of sizes"):
        files.read(paths, PLAIN)


@given(
    tag=st.sampled_from(
        ["RescaleSlope", "PixelSpacing", "ImagePositionPatient", "InstanceNumber", "WindowCenter",
         "NumberOfFrames", "BitsStored", "PhotometricInterpretation", "SOPInstanceUID"]
    ),
    text=st.sampled_from(["Doe^Jane", "O'Secret", 'Q"Secret', "19600102Secret", "b'Secret' it's"]),
)  # fmt: skip
def test_no_header_text_in_errors_and_notes(tmp_path_factory, tag, text):
    path = tmp_path_factory.mktemp("phi") / "x.dcm"
    make_slice(path, (0, 0, 0), number=7, NumberOfFrames=1, WindowCenter=40, WindowWidth=400)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        ds = pydicom.dcmread(path)
        ds.PatientName = "Doe^Jane"
        raw = pydicom.dataelem.RawDataElement(
            ds[tag].tag, ds[tag].VR if ds[tag].VR != "US" else "LO",
            len(text), text.encode(), 0, False, True, True,
        )  # fmt: skip
        ds._dict[ds[tag].tag] = raw
        buffer = BytesIO()
        ds.save_as(buffer)
    path.write_bytes(buffer.getvalue())
    said = []
    try:
        dicom.read_header(path)
        said.extend(files.read([path], PLAIN).notes)
    except UnreadableItem as error:
        said.append(str(error))
    for line in said:
        for secret in ("Jane", "Secret", "1960"):
            assert secret not in line


@needs_data
def test_real_series_is_ordered_and_equals_its_nifti_twin(tmp_path):
    sitk = pytest.importorskip("SimpleITK", reason="SimpleITK (extra sitk) is not installed")
    for name in ("FLAIR", "T1post"):
        paths = sorted(Path(DATA, "brain_mr", name).glob("*.dcm"))
        [series] = dicom.scan(paths).series
        assert [h.path for h in series] != paths  # file names are not the slice order
        reader = sitk.ImageSeriesReader()
        reader.SetFileNames(reader.GetGDCMSeriesFileNames(str(paths[0].parent)))
        sitk.WriteImage(reader.Execute(), str(tmp_path / "twin.nii.gz"))
        for plane in ("auto", "coronal"):
            recipe = FrameRecipe(plane=plane)
            ours = files.read([h.path for h in series], recipe)
            twin = files.read([tmp_path / "twin.nii.gz"], recipe)
            np.testing.assert_array_equal(ours.pixels, twin.pixels)
            np.testing.assert_allclose(ours.affine, twin.affine, atol=1e-3)
