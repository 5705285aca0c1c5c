"""How often an extraction opens the files of a data set: once for header and digest, once for
pixels; not at all when nothing has changed."""

from __future__ import annotations

import json
import os
import sys
from collections import Counter
from pathlib import Path

import nibabel
import numpy as np
import pydicom.data
import pytest
import scipy.io
from PIL import Image

import featprobe as fp
from featprobe.extraction.plan import plan_frames
from featprobe.images import facts, files
from featprobe.images.decoded_image import FrameRecipe
from tests.images.test_dicom import make_slice

_watched: list[tuple[str, Counter[str]]] = []


def _hook(event: str, args: tuple[object, ...]) -> None:
    if event == "open" and _watched and isinstance(args[0], (str, bytes)):
        folder, seen = _watched[-1]
        name = os.fsdecode(args[0])
        if name.startswith(folder) and os.path.isfile(name):
            seen[os.path.relpath(name, folder)] += 1


sys.addaudithook(_hook)  # cannot be taken back, and is idle without _watched


class Openings:
    """Counts openings of files below a folder in this process."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.seen = str(folder), Counter()

    def __enter__(self) -> Counter[str]:
        _watched.append((self.folder, self.seen))
        return self.seen

    def __exit__(self, *_: object) -> None:
        _watched.pop()


def pngs(folder: Path) -> None:
    for i in range(4):
        Image.fromarray(np.full((20, 24), 9 * i, np.uint8)).save(folder / f"{i}.png")
        Image.fromarray(np.full((20, 24, 3), 9 * i, np.uint8)).save(folder / f"{i}.jpg")


def dicoms(folder: Path) -> None:
    for i in range(4):
        make_slice(folder / f"{i}.dcm", (0, 0, 0), 0, value=i, series=None)


def large_dicoms(folder: Path) -> None:
    """Beyond a megabyte: films, and a cine in one file of several frames."""
    for i in range(3):
        make_slice(folder / f"{i}.dcm", (0, 0, 0), 0, value=i, series=None, shape=(900, 800))
    whole = pydicom.dcmread(folder / "2.dcm")
    whole.Rows, whole.NumberOfFrames = 300, 3
    whole.save_as(folder / "2.dcm")


def large_series(folder: Path) -> None:
    for i in range(3):
        make_slice(folder / f"{i}.dcm", (0, 0, 2.0 * i), i, value=i, shape=(900, 800))


def arrays(folder: Path) -> None:
    for i in range(2):
        rows = np.random.default_rng(i).integers(0, 255, (30, 20), np.uint8)
        np.save(folder / f"{i}.npy", rows if i else np.asfortranarray(rows))
        np.savez(folder / f"{i}.npz", rows)
        scipy.io.savemat(folder / f"{i}.mat", {"image": rows})


def unnamed(folder: Path) -> None:
    """As scanners write them: without a suffix, beside a file that is none."""
    for i in range(4):
        make_slice(folder / f"IM{i:04d}.dcm", (0, 0, 0), 0, value=i, series=None)
        (folder / f"IM{i:04d}.dcm").rename(folder / f"IM{i:04d}")
    (folder / "README").write_text("nothing to see")


def series(folder: Path) -> None:
    for i in range(5):
        make_slice(folder / f"{i}.dcm", (0, 0, 2.0 * i), i, value=i)


def niftis(folder: Path) -> None:
    for i, suffix in enumerate(("nii", "nii.gz", "nii.gz")):
        values = np.random.default_rng(i).integers(0, 99, (12, 10, 3 + i)).astype(np.int16)
        nibabel.Nifti1Image(values, np.eye(4)).to_filename(folder / f"{i}.{suffix}")


KINDS = [pngs, dicoms, large_dicoms, unnamed, series, large_series, niftis, arrays]


@pytest.fixture
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    made = tmp_path / "images"
    made.mkdir()
    request.param(made)
    return made


@pytest.mark.parametrize("folder", KINDS, indirect=True)
def test_a_file_is_opened_for_its_header_and_for_its_pixels(tiny_backbone, folder: Path) -> None:
    def extract() -> fp.FeatureSet:
        data = fp.load_dataset(folder, label="none", group="none")
        return fp.extract(tiny_backbone, data, workers=0)

    with Openings(folder) as first:
        one = extract()
    assert one.summary.new_frames
    assert not one.summary.failures
    assert set(first) == {str(p.relative_to(folder)) for p in folder.iterdir()}
    assert max(first.values()) == 2
    with Openings(folder) as second:
        two = extract()
    assert two.summary.new_frames == 0
    assert not second
    np.testing.assert_array_equal(one.x(), two.x())
    changed = sorted(folder.iterdir())[0]
    changed.write_bytes(changed.read_bytes())  # the same content at another time
    with Openings(folder) as third:
        assert extract().summary.new_frames == 0
    assert dict(third) == {changed.name: 1}


@pytest.mark.parametrize("folder", KINDS, indirect=True)
def test_remembered_headers_are_those_of_the_files(folder: Path) -> None:
    for recipe in (FrameRecipe(), FrameRecipe(plane="coronal"), FrameRecipe(frames="n=2")):
        fresh = fp.load_dataset(folder, label="none", group="none", bare=True)
        fresh.recipe = recipe
        known = fp.load_dataset(folder, label="none", group="none", bare=True)
        known.recipe = recipe
        assert known.fingerprint
        with Openings(folder) as seen:
            plan = plan_frames(known)
        assert not seen
        np.testing.assert_array_equal(plan.item, plan_frames(fresh).item)
        for i, paths in enumerate(known.source.paths):
            header, read = known.header(i), files.header(paths, recipe)
            assert header.shape == read.shape
            assert (header.affine is None) == (read.affine is None)
            if read.affine is not None:
                np.testing.assert_array_equal(header.affine, read.affine)
        assert known.kinds() == fresh.kinds()


def test_facts_of_every_file_of_pydicom_are_those_of_its_header() -> None:
    several = 0
    for path in sorted((Path(pydicom.data.__file__).parent / "test_files").glob("*.dcm")):
        kind, found = facts.describe(path)
        assert kind == "dicom"
        found = json.loads(json.dumps(found))
        if not found.get("dicom"):
            continue
        assert facts.header_in(path, found) == facts.header_in(path, None)
        header = facts.extent_in((path,), [found], FrameRecipe())
        if header is not None:
            read = files.header([path], FrameRecipe())
            np.testing.assert_array_equal(header.shape, read.shape)
            assert (header.affine is None) == (read.affine is None)
            several += header.shape[2] > 1
    assert several
