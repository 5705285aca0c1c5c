"""timm:NAME: against timm's own models where it is installed, and one line where it is not."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

from featprobe.cli.main import main

ROOT = Path(__file__).parents[2]


def in_a_process(cases: str, *libraries: str) -> None:
    """Run a file of tests where torchvision can be imported; skip where a library is missing."""
    missing = [n for n in (*libraries, "torchvision") if importlib.util.find_spec(n) is None]
    if missing:
        extra = libraries[0] if libraries else "timm"
        pytest.skip(f"{', '.join(missing)} not installed: pip install 'featprobe[{extra}]'")
    done = subprocess.run(
        [sys.executable, ROOT / "tests/support/with_torchvision.py", "-m", "pytest", "-q",
         "-p", "no:cacheprovider", "-p", "no:xdist", ROOT / "tests/backbones" / cases],
        cwd=ROOT, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-2000:]


def test_models_equal_timms_own() -> None:
    in_a_process("timm_cases.py", "timm")


@pytest.mark.parametrize(
    ("library", "model"),
    [("timm", "timm:densenet121.ra_in1k"), ("timm", "timm:hf-hub:org/name"),
     ("open_clip", "open_clip:ViT-B-16:laion2b_s34b_b88k")],
)  # fmt: skip
def test_without_the_library_one_line_names_the_extra(
    library: str, model: str, class_folders, capsys, monkeypatch
) -> None:
    monkeypatch.setitem(sys.modules, library, None)  # as if it were not installed
    with pytest.raises(SystemExit) as done:
        main(["extract", "--model", model, "--data", str(class_folders)])
    err = capsys.readouterr().err
    assert done.value.code == 2
    assert len(err.splitlines()) == 1
    assert f"pip install 'featprobe[{library}]'" in err


def test_a_library_that_cannot_be_imported_is_told_with_its_reason(monkeypatch) -> None:
    from featprobe.backbones import optional_libraries
    from featprobe.core.errors import MissingExtra

    def broken(_name: str) -> None:
        raise RuntimeError("operator torchvision::nms does not exist")

    monkeypatch.setattr(optional_libraries.importlib, "import_module", broken)
    with pytest.raises(MissingExtra, match="torchvision::nms does not exist.*built for each other"):
        optional_libraries.library("timm", "timm")
