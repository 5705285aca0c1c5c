"""The package of ``examples/plugin``, installed with pip, is found by every verb and keeps the
contracts."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

pytestmark = pytest.mark.slow
PLUGIN = Path(__file__).parents[2] / "examples" / "plugin"
CONTRACTS = """
import numpy as np
from featprobe.testing.backbones import BackboneContract
from featprobe.testing.metrics import MetricContract
from featprobe.testing.probes import ProbeContract
from featprobe.testing.readers import ReaderContract

class TestBackbone(BackboneContract):
    name = "example_filters"

class TestMetric(MetricContract):
    name = "example_gmean"

class TestProbe(ProbeContract):
    name = "example_centroid"

class TestReader(ReaderContract):
    name = "example_grey"

    def example(self, folder):
        pixels = np.arange(120, dtype=np.uint8).reshape(12, 10)
        head = np.array(pixels.shape, "<u2").tobytes()
        (folder / "a.grey").write_bytes(head + pixels.tobytes())
        return folder / "a.grey", pixels
"""


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder into which pip has installed the package, built as any other is."""
    root = tmp_path_factory.mktemp("installed")
    shutil.copytree(PLUGIN, root / "source")  # building writes beside the source
    subprocess.run(
        [sys.executable, "-m", "pip", "install", "--quiet", "--no-index", "--no-deps",
         "--no-build-isolation", "--disable-pip-version-check", "--target", root / "packages",
         root / "source"],
        check=True,
    )  # fmt: skip
    return root / "packages"


def run(installed: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """A program of this Python that finds the installed package, and featprobe as it is here."""
    here = str(PLUGIN.parents[1])
    env = {**os.environ, "PYTHONPATH": os.pathsep.join([here, str(installed)])}
    return subprocess.run(
        [sys.executable, *arguments], env=env, capture_output=True, text=True, cwd=installed.parent
    )


def verb(installed: Path, *arguments: str) -> str:
    done = run(installed, "-m", "featprobe.cli.main", *arguments)
    assert done.returncode == 0, done.stderr
    assert "goes on without" not in done.stderr
    return done.stdout


@pytest.fixture
def films(tmp_path: Path) -> Path:
    """Forty files of the package's format, in two classes that a contrast tells apart."""
    rng = np.random.default_rng(0)
    for label, top in (("flat", 120), ("busy", 255)):
        (tmp_path / "films" / label).mkdir(parents=True)
        for i in range(20):
            pixels = rng.integers(0, top, (20, 24)).astype(np.uint8)
            head = np.array(pixels.shape, "<u2").tobytes()
            (tmp_path / "films" / label / f"{i}.grey").write_bytes(head + pixels.tobytes())
    return tmp_path / "films"


def test_every_verb_has_what_the_package_adds(installed: Path, films: Path) -> None:
    assert len((PLUGIN / "featprobe_example.py").read_text().splitlines()) < 80
    assert "example_filters" in verb(installed, "models")
    assert "40 = 40 read + 0 unreadable" in verb(installed, "data", "check", str(films))
    # two worker processes decode, each of which has to find the reader
    verb(installed, "extract", "--model", "example_filters", "--data", str(films), "--workers", "2")
    lines = verb(installed, "linear", "--probe", "example_centroid", "--json").splitlines()
    result = json.loads(lines[0])
    assert result["probe"] == "example_centroid"
    assert result["backbone"] == "example_filters-random0"
    assert 0 <= result["metrics"]["example_gmean"] <= 1
    assert result["provenance"]["key"]["versions"]["reader example_grey"] == "1"
    verb(installed, "linear", "--probe", "ridge", "--select", "example_gmean")
    board = verb(installed, "leaderboard", "--metric", "example_gmean")
    assert "ranked by G-mean" in board
    assert "example_centroid" in board


def test_results_and_features_are_read_without_the_package(installed: Path, films: Path) -> None:
    verb(installed, "extract", "--model", "example_filters", "--data", str(films))
    verb(installed, "linear", "--probe", "example_centroid")
    empty = installed.parent / "none"
    assert "example_centroid" in verb(empty, "leaderboard")
    assert verb(empty, "linear", "--probe", "ridge", "--json")


def test_it_passes_the_contracts(installed: Path) -> None:
    file = installed.parent / "test_contracts.py"
    file.write_text(CONTRACTS)
    settings = installed.parent / "pytest.ini"  # not those of this repository
    settings.write_text("[pytest]\n")
    done = run(
        installed, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist",
        "-c", str(settings), "--rootdir", str(file.parent), str(file),
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr
    assert " passed" in done.stdout


def test_a_broken_package_is_one_line_and_the_rest_goes_on(
    installed: Path, films: Path, tmp_path: Path
) -> None:
    both = tmp_path / "packages"
    shutil.copytree(installed, both)
    (both / "broken_plugin.py").write_text("import nowhere_to_be_found\n")
    info = both / "broken_plugin-2.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: broken-plugin\nVersion: 2.0\n")
    (info / "entry_points.txt").write_text(
        "[featprobe.backbones]\nbroken = broken_plugin:made\nexample_filters = broken_plugin:made\n"
        "[featprobe.metrics]\nauroc = broken_plugin:made\n"
        "[featprobe.readers]\nbroken = featprobe_example:Centroid\n"
    )
    done = run(both, "-m", "featprobe.cli.main", "models")
    assert done.returncode == 0
    assert "tiny_vit14" in done.stdout
    said = [line for line in done.stderr.splitlines() if line.startswith("featprobe: ")]
    assert len(said) == 2
    assert any("'broken' of broken-plugin 2.0" in line for line in said)
    assert any("two backbones are named 'example_filters'" in line for line in said)
    for name, told in (("broken", "cannot be loaded: ModuleNotFoundError"),
                       ("example_filters", "two backbones are named")):  # fmt: skip
        asked = run(
            both, "-m", "featprobe.cli.main", "extract", "--model", name, "--data", "digits"
        )
        assert asked.returncode == 2
        assert asked.stderr.count("\n") == 1
        assert told in asked.stderr
        assert "broken-plugin 2.0" in asked.stderr
    checked = run(both, "-m", "featprobe.cli.main", "data", "check", str(films))
    assert checked.returncode == 0
    assert "40 = 40 read + 0 unreadable" in checked.stdout
    assert "expected a function, got the class Centroid" in checked.stderr
