"""images/dicom_series.py, dicom_volumes.py: which files make a volume, and what is said of it."""

import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom.uid import generate_uid

from featprobe.images import dicom, files
from featprobe.images.decoded_image import FrameRecipe
from tests.images.test_dicom import make_slice


def volumes(found):
    """For each volume the values its slices were made with: number of hundreds, in order."""
    return sorted(
        [int(files.read([h.path], FrameRecipe()).pixels.flat[0]) // 100 for h in s]
        for s in found.series
    )


def write(folder, slices):
    """``slices``: (value, depth, tags). File names say nothing."""
    names = random.Random(7)
    folder.mkdir(parents=True, exist_ok=True)
    out = []
    for value, z, tags in slices:
        number = tags.pop("number", 0)
        path = folder / f"{names.randrange(10**12)}.dcm"
        out.append(make_slice(path, (0, 0, z), number, value=value, **tags))
    return out


def stacks(tags, n=5, step=4.0, offset=0.0):
    """Two volumes of n slices, 0.. and 10.., with the tags that ``tags(t, z)`` gives."""
    return [(10 * t + z, step * z + offset * t, tags(t, z)) for t in range(2) for z in range(n)]


BOTH = [[0, 1, 2, 3, 4], [10, 11, 12, 13, 14]]
NUMBERS = {
    "restarts": lambda t, z: z + 1,
    "missing": lambda t, z: 0,
    "through": lambda t, z: 1 + 5 * t + z,
    "slice by slice": lambda t, z: 1 + 2 * z + t,
}
TELLS = {
    "EchoTime": lambda t, z: {"EchoTime": 10 + 60 * t},
    "EchoNumbers": lambda t, z: {"EchoNumbers": t + 1},
    "DiffusionBValue": lambda t, z: {"DiffusionBValue": 1000.0 * t},
    "TemporalPositionIdentifier": lambda t, z: {"TemporalPositionIdentifier": t + 1},
    "InversionTime": lambda t, z: {"InversionTime": 100 + t},
    "AcquisitionNumber": lambda t, z: {"AcquisitionNumber": t + 1},
    "AcquisitionTime of each volume": lambda t, z: {"AcquisitionTime": f"1200{t}0"},
    "AcquisitionTime of each slice": lambda t, z: {"AcquisitionTime": f"12{t:02d}{z:02d}.5"},
    "ContentTime": lambda t, z: {"ContentTime": f"12{t:02d}{z:02d}.5"},
    "TriggerTime": lambda t, z: {"TriggerTime": 300.0 * t + 0.3 * z},
    "ImageType": lambda t, z: {"ImageType": ["ORIGINAL", "PRIMARY", "MP"[t]]},
    "kernel": lambda t, z: {"ConvolutionKernel": ["B30f", "B70f"][t]},
}


@pytest.mark.parametrize("tell", TELLS)
@pytest.mark.parametrize("numbers", NUMBERS)
def test_volumes_of_one_series_are_told_apart_by_what_differs(tmp_path, tell, numbers):
    paths = write(
        tmp_path, stacks(lambda t, z: {"number": NUMBERS[numbers](t, z), **TELLS[tell](t, z)})
    )
    found = dicom.scan(paths)
    assert volumes(found) == BOTH
    assert "1 DICOM series hold several volumes" in found.notes[0]


@pytest.mark.parametrize("numbers", ["through", "slice by slice"])
def test_a_number_alone_tells_volumes_apart(tmp_path, numbers):
    paths = write(tmp_path, stacks(lambda t, z: {"number": NUMBERS[numbers](t, z)}))
    assert volumes(dicom.scan(paths)) == BOTH


@pytest.mark.parametrize("tell", ["EchoTime", "TemporalPositionIdentifier", "number", "by slice"])
@pytest.mark.parametrize("gone", [0, 2, 4, 5, 7, 9])
def test_a_missing_slice_leaves_the_other_volumes_whole(tmp_path, tell, gone):
    slices = stacks(
        lambda t, z: (
            {"number": NUMBERS["slice by slice" if tell == "by slice" else "through"](t, z)}
            | (TELLS[tell](t, z) if tell in TELLS else {})
        )
    )
    value = slices.pop(gone)[0]
    left = [[v for v in b if v != value] for b in BOTH]
    assert volumes(dicom.scan(write(tmp_path, slices))) == left


def test_many_time_points_with_one_slice_missing(tmp_path):
    slices = [
        (10 * t + z, 3.0 * z, {"number": z + 1, "AcquisitionTime": f"12{t:02d}00", "shape": (2, 2)})
        for t in range(6) for z in range(4) if (t, z) != (3, 1)
    ]  # fmt: skip
    expected = [[10 * t + z for z in range(4) if (t, z) != (3, 1)] for t in range(6)]
    assert volumes(dicom.scan(write(tmp_path, slices))) == expected


def test_directions_of_diffusion_beside_one_volume_without(tmp_path):
    slices = []
    for t in range(4):
        for z in range(3):
            tags = {"DiffusionBValue": 0.0 if t == 0 else 800.0, "number": 1 + z}
            if t:
                tags["DiffusionGradientOrientation"] = list(np.eye(3)[t - 1])
            slices.append((10 * t + z, 2.0 * z, tags))
    assert volumes(dicom.scan(write(tmp_path, slices))) == [
        [10 * t + z for z in range(3)] for t in range(4)
    ]


@pytest.mark.parametrize("jitter", [1e-4, 0.02, 0.2])
def test_positions_are_equal_within_a_part_of_the_slice_distance(tmp_path, jitter):
    paths = write(tmp_path, stacks(lambda t, z: {"EchoTime": 10 + t}, offset=jitter))
    assert volumes(dicom.scan(paths)) == BOTH


def test_close_slices_of_one_volume_stay_slices(tmp_path):
    paths = write(tmp_path, [(z, 0.05 * z, {"SliceThickness": 0.05}) for z in range(5)])
    assert volumes(dicom.scan(paths)) == [[0, 1, 2, 3, 4]]
    gap = write(tmp_path / "gap", [(z, z + 40 * (z > 2), {}) for z in range(6)])
    assert volumes(dicom.scan(gap)) == [[0, 1, 2, 3, 4, 5]]


def test_echoes_between_each_other_are_two_volumes_and_table_positions_are_one(tmp_path):
    paths = write(tmp_path / "a", stacks(lambda t, z: {"EchoTime": 10 + t}, offset=2.0))
    assert volumes(dicom.scan(paths)) == BOTH
    beds = [(z, 3.0 * z, {"AcquisitionNumber": 1 + z // 3}) for z in range(6)]
    assert volumes(dicom.scan(write(tmp_path / "b", beds))) == [[0, 1, 2, 3, 4, 5]]
    turns = [(z, 3.0 * z, {"AcquisitionNumber": 1 + z % 2}) for z in range(6)]  # interleaved
    assert volumes(dicom.scan(write(tmp_path / "c", turns))) == [[0, 1, 2, 3, 4, 5]]


def test_two_slabs_side_by_side_are_two_volumes(tmp_path):
    paths = [
        make_slice(tmp_path / f"{t}{z}.dcm", (90 * t, 0, 3 * z), 0, value=10 * t + z)
        for t in range(2) for z in range(3)
    ]  # fmt: skip
    assert volumes(dicom.scan(paths)) == [[0, 1, 2], [10, 11, 12]]


def test_one_uid_of_two_patients_is_two_volumes_and_a_warning(tmp_path):
    paths = []
    for t, name in enumerate(("normal", "tumour")):
        slices = [
            (10 * t + z, 3.0 * z + 1.5 * t, {"uid": f"1.2.{z + 1}", "number": z}) for z in range(4)
        ]
        for s in slices:
            s[2]["PatientName"] = name
        paths += write(tmp_path / name, slices)
    found = dicom.scan(paths)
    assert volumes(found) == [[0, 1, 2, 3], [10, 11, 12, 13]]
    assert not found.duplicates
    assert any("one DICOM series in 2 folders" in d for d in found.warnings)


def test_patients_in_one_folder_are_kept_apart(tmp_path):
    import pydicom

    paths = write(tmp_path, stacks(lambda t, z: {"uid": f"1.2.{z + 1}"}, offset=2.0))
    for path in paths:
        ds = pydicom.dcmread(path)
        ds.PatientID = "one" if ds.pixel_array.flat[0] < 1000 else "two"
        ds.save_as(path)
    found = dicom.scan(paths)
    assert volumes(found) == BOTH
    assert not found.duplicates  # equal SOP UIDs of two patients are no copies
    assert "one SeriesInstanceUID for several patients" in found.warnings[0]
    assert "one" not in found.warnings[0].split(":", 1)[1].replace(str(tmp_path), "")


def test_copies_in_another_folder_stay_and_are_a_warning(tmp_path):
    for part in ("train", "test"):
        write(tmp_path / part, [(z, 3.0 * z, {"uid": f"1.2.{z + 1}"}) for z in range(3)])
    found = dicom.scan(sorted(tmp_path.rglob("*.dcm")))
    assert volumes(found) == [[0, 1, 2], [0, 1, 2]]
    assert any("3 DICOM slices are copies of one another" in d for d in found.warnings)


@pytest.mark.parametrize("how", ["missing", "of its own", "all of its own"])
def test_a_volume_without_a_series_uid_is_gathered(tmp_path, how):
    import pydicom

    paths = write(tmp_path, [(z, 2.5 * z, {"StudyInstanceUID": "1.9"}) for z in range(5)])
    for path in paths:
        ds = pydicom.dcmread(path)
        if how == "missing":
            del ds.SeriesInstanceUID
        else:
            ds.SeriesInstanceUID = generate_uid()
        if how == "all of its own":
            ds.StudyInstanceUID, ds.FrameOfReferenceUID = generate_uid(), generate_uid()
        ds.save_as(path)
    found = dicom.scan(paths)
    assert volumes(found) == [[0, 1, 2, 3, 4]]
    assert "5 DICOM files whose SeriesInstanceUID is missing or their own" in found.notes[0]


def test_single_slices_that_are_no_stack_are_not_gathered(tmp_path):
    places = [(0, 0, 0), (40, 3, 7), (-12, 8, 9), (3, 90, 31)]
    paths = [
        make_slice(tmp_path / f"{i}.dcm", place, series=generate_uid())
        for i, place in enumerate(places)
    ]
    assert [len(s) for s in dicom.scan(paths).series] == [1, 1, 1, 1]


@pytest.mark.parametrize("number", [3, 99])
def test_a_slice_sent_twice_under_a_new_uid_is_a_copy(tmp_path, number):
    paths = write(tmp_path, [(z, 3.0 * z, {"number": z + 1}) for z in range(5)])
    again = make_slice(tmp_path / "again.dcm", (0, 0, 6), number, value=2)
    found = dicom.scan([*paths, again])
    assert volumes(found) == [[0, 1, 2, 3, 4]]
    assert len(found.duplicates) == 1


def test_equal_slices_of_two_time_points_are_no_copies(tmp_path):
    slices = [(7, 3.0 * z, {"TemporalPositionIdentifier": t}) for t in range(2) for z in range(3)]
    found = dicom.scan(write(tmp_path, slices))
    assert [len(s) for s in found.series] == [3, 3]
    assert not found.duplicates


@pytest.mark.parametrize(
    ("tags", "kind"),
    [
        ({"SOPClassUID": "1.2.840.10008.5.1.4.1.1.66.4"}, "DICOM segmentation"),
        ({"SOPClassUID": "1.2.840.10008.5.1.4.1.1.481.2"}, "DICOM radiotherapy dose"),
        ({"Modality": "KO"}, "DICOM object of modality KO"),
        (
            {"SOPClassUID": "1.2.840.10008.5.1.4.1.1.7", "SeriesDescription": "Dose Report"},
            "secondary capture of a report",
        ),
        (
            {"SOPClassUID": "1.2.840.10008.5.1.4.1.1.7", "StudyInstanceUID": "1.9"},
            "secondary capture beside the images of its study",
        ),
    ],
)
def test_derived_objects_are_left_out_or_kept(tmp_path, tags, kind):
    paths = write(tmp_path, [(z, 3.0 * z, {"StudyInstanceUID": "1.9"}) for z in range(3)])
    made = make_slice(tmp_path / "made.dcm", None, series="1.7", **tags)
    found = dicom.scan([*paths, made])
    assert found.derived == {kind: [made]}
    assert volumes(found) == [[0, 1, 2]]
    assert len(dicom.scan([*paths, made], keep_derived=True).series) == 2


def test_captures_that_are_all_there_is_are_images(tmp_path):
    paths = [
        make_slice(
            tmp_path / f"{i}.dcm", None, series=f"1.{i}", SOPClassUID="1.2.840.10008.5.1.4.1.1.7"
        )
        for i in range(3)
    ]
    assert not dicom.scan(paths).derived


@settings(max_examples=15, deadline=None)
@given(
    order=st.permutations(range(12)), times=st.sampled_from([1, 2, 3]), step=st.floats(0.3, 8),
)  # fmt: skip
def test_no_order_of_files_mixes_volumes(tmp_path_factory, order, times, step):
    folder = tmp_path_factory.mktemp("s")
    n = 12 // times
    paths = []
    for name, k in enumerate(order):
        t, z = divmod(k, n)
        paths.append(
            make_slice(
                folder / f"{name}.dcm", (0, 0, step * z), 0, value=100 * t + z,
                EchoTime=5.0 * t + 1,
                shape=(1, 1),
            )
        )  # fmt: skip
    expected = [[100 * t + z for z in range(n)] for t in range(times)]
    assert volumes(dicom.scan(paths)) == expected
