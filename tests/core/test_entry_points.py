"""Packages that declare something are never overlooked."""

from __future__ import annotations

import contextlib
import importlib.metadata
import sys
import zipfile
from pathlib import Path

import pytest

from featprobe.core.entry_points import FOLDER_FINDERS, may_be_declared

with contextlib.suppress(ImportError):  # its finder takes over from Python's, for good
    import importlib_metadata as backport


@pytest.fixture(autouse=True)
def folders_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Libraries that other tests import leave finders behind."""
    folders = [f for f in sys.meta_path if _module(f) in FOLDER_FINDERS]
    monkeypatch.setattr(sys, "meta_path", folders)


def _module(finder: object) -> str:
    return str(getattr(finder, "__module__", ""))


def declare(folder: Path, text: str, kind: str = "dist-info") -> None:
    info = folder / f"other-1.0.{kind}"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Name: other\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(text)


@pytest.mark.parametrize("kind", ["dist-info", "egg-info"])
@pytest.mark.parametrize(
    ("text", "ours"),
    [
        ("[featprobe.metrics]\nm = a:b\n", True),
        ("[console_scripts]\nx = y:z\n\n[featprobe.readers]\nr = a:b\n", True),
        ("[ featprobe.probes ]\np = a:b\n", True),
        ("[console_scripts]\nfeatprobe = featprobe.cli.main:main\n", False),
        ("", False),
    ],
)
def test_a_group_of_ours_is_found(tmp_path: Path, kind: str, text: str, ours: bool) -> None:
    declare(tmp_path / "site", text, kind)
    assert may_be_declared([str(tmp_path / "empty"), str(tmp_path / "site")]) == ours
    found = importlib.metadata.distributions(path=[str(tmp_path / "site")])
    groups = {p.group.strip() for d in found for p in d.entry_points}
    assert any(g.startswith("featprobe.") for g in groups) == ours


def test_what_is_no_folder_is_left_to_the_library(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "packages.zip", "w") as archive:
        archive.writestr("a.py", "")
    assert may_be_declared([str(tmp_path / "packages.zip")])


def test_so_are_finders_of_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    class Finder:
        def find_distributions(self, context: object = None) -> list[object]:
            return []

    monkeypatch.setattr(sys, "meta_path", [*sys.meta_path, Finder()])
    assert may_be_declared([])


@pytest.mark.parametrize("ours", [True, False])
def test_the_backport_of_the_library_finds_no_more_than_it(tmp_path: Path, ours: bool) -> None:
    pytest.importorskip("importlib_metadata")
    assert any(isinstance(f, backport.MetadataPathFinder) for f in sys.meta_path)
    declare(tmp_path, "[featprobe.metrics]\nm = a:b\n" if ours else "")
    assert may_be_declared([str(tmp_path)]) == ours
