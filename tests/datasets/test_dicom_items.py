"""What a folder of DICOM files was made into is remembered, and never believed of other files."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from featprobe.datasets import dicom_items
from featprobe.datasets.listing import Found, collect
from tests.images.test_dicom import make_slice


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two series, one with a copy of a slice and one with a surplus slice, a mask, a report."""
    made = tmp_path / "files"
    for name, uid in (("a", "1.2.3"), ("b", "1.2.4")):
        (made / name).mkdir(parents=True)
        for z in range(4):
            make_slice(made / name / f"{z}.dcm", (0, 0, 3.0 * z), z, uid, value=z)
    shutil.copy(made / "a/2.dcm", made / "a/copy.dcm")
    make_slice(made / "b/other.dcm", (0, 0, 6.0), 9, "1.2.4", value=77)
    make_slice(made / "mask.dcm", (0, 0, 0), 1, "1.2.9", Modality="SEG")
    (made / "README").write_text("a text without a suffix")
    return made


@pytest.fixture
def scans(monkeypatch) -> list[int]:
    """The number of files of each scan."""
    found: list[int] = []
    scan = dicom_items.dicom.scan

    def counted(paths, *more):
        found.append(len(paths))
        return scan(paths, *more)

    monkeypatch.setattr(dicom_items.dicom, "scan", counted)
    return found


def listed(folder: Path, memory: Path | None, derived: str = "skip") -> Found:
    return collect(folder, derived, memory=memory)


def test_unchanged_files_are_not_sorted_again(folder, scans, tmp_path) -> None:
    memory = tmp_path / "m" / "x.index"
    first = listed(folder, memory)
    assert [len(item) for item in first.paths] == [4, 4]
    assert len(set(first.patients)) == 1
    assert sum(first.skipped.values()) == 4
    assert first.warnings
    assert listed(folder, memory) == first == listed(folder, None)
    assert scans == [11, 11]  # with the mask, without the text; the last without a memory


def _touch(path: Path) -> None:
    os.utime(path, (1, 1))


CHANGES = {
    "a slice more": lambda f: make_slice(f / "a/9.dcm", (0, 0, 12.0), 9, "1.2.3"),
    "a slice less": lambda f: (f / "b/0.dcm").unlink(),
    "another slice": lambda f: make_slice(f / "a/0.dcm", (0, 0, 30.0), 0, "1.2.3"),
    "a name": lambda f: (f / "a").rename(f / "c"),
    "a time": lambda f: _touch(f / "a/1.dcm"),
    "a text that is one now": lambda f: make_slice(f / "README", (0, 0, 0), 0, "1.2.5"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_changed_files_are_sorted_again(folder, scans, tmp_path, change: str) -> None:
    memory = tmp_path / "x.index"
    before = listed(folder, memory)
    CHANGES[change](folder)
    after = listed(folder, memory)
    assert len(scans) == 2
    assert after == listed(folder, None)
    assert (after == before) == (change == "a time")
    assert listed(folder, memory) == after
    assert len(scans) == 3


def test_what_else_decides_is_part_of_it(folder, scans, tmp_path, monkeypatch) -> None:
    memory = tmp_path / "x.index"
    listed(folder, memory)
    assert "mask.dcm" in [n for item in listed(folder, memory, "keep").paths for n in item]
    monkeypatch.setattr(dicom_items, "_FORMAT", -1)
    listed(folder, memory)
    assert len(scans) == 3


@pytest.mark.parametrize("damage", [b"", b"{}", None])
def test_a_damaged_memory_is_made_anew(folder, scans, tmp_path, damage: bytes | None) -> None:
    memory = tmp_path / "x.index"
    first = listed(folder, memory)
    place = memory.with_suffix(".series")
    whole = place.read_bytes()
    place.write_bytes(whole.replace(b"[1,2", b"[2,1") if damage is None else damage)
    assert listed(folder, memory) == first
    assert len(scans) == 2
    assert place.read_bytes() == whole


def test_files_that_cannot_be_read_are_looked_at_again(folder, scans, tmp_path) -> None:
    memory = tmp_path / "x.index"
    (folder / "a/bad.dcm").write_bytes(b"no DICOM")
    assert ("a/bad.dcm",) in listed(folder, memory).paths
    listed(folder, memory)
    assert len(scans) == 2
