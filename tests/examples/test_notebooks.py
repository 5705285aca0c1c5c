"""The notebooks of examples/ run from top to bottom, and are kept without outputs."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

import pytest

import featprobe

nbformat = pytest.importorskip("nbformat")
nbclient = pytest.importorskip("nbclient")
pytest.importorskip("ipykernel")

ROOT = Path(featprobe.__file__).parent.parent
NOTEBOOKS = sorted((ROOT / "examples").glob("*.ipynb"))


def run(path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Cells with what they print and show, run by this interpreter in a folder of its own."""
    from jupyter_client.kernelspec import KernelSpec
    from jupyter_client.manager import AsyncKernelManager

    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    for name in ("JUPYTER_RUNTIME_DIR", "JUPYTER_DATA_DIR", "IPYTHONDIR", "MPLCONFIGDIR"):
        monkeypatch.setenv(name, str(folder / name.lower()))
    manager = AsyncKernelManager()
    manager._kernel_spec = KernelSpec(
        argv=[sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"],
        display_name="this interpreter", language="python",
    )  # fmt: skip
    notebook = nbformat.read(path, as_version=4)
    client = nbclient.NotebookClient(
        notebook, km=manager, timeout=None, resources={"metadata": {"path": str(folder)}}
    )
    return client.execute().cells


def shown(cells: list[Any], kind: str) -> list[str]:
    """What cells show of a MIME type."""
    outputs = [o for c in cells for o in c.get("outputs", ())]
    return [o["data"][kind] for o in outputs if kind in o.get("data", {})]


def printed(cells: list[Any], stream: str) -> str:
    outputs = [o for c in cells for o in c.get("outputs", ())]
    return "".join(o["text"] for o in outputs if o.get("name") == stream)


@pytest.mark.slow
def test_own_images_become_a_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cells = run(ROOT / "examples" / "images_to_table.ipynb", tmp_path, monkeypatch)
    pages = shown(cells, "text/html")
    assert "Dataset films" in pages[0]
    assert "<td>groups</td><td>80</td>" in pages[0]
    assert sum("<th>value [95 %]</th>" in p for p in pages) == 1
    texts = shown(cells, "text/plain")
    assert any(t.startswith("Backbone('tiny_vit14', ") for t in texts)
    told = printed(cells, "stdout")
    assert "patients " in told
    assert "random" in told  # the twin is on the board
    values = [float(v) for v in re.findall(r"(\d\.\d{3}) \[\d", told)]
    assert max(values) > 0.9  # the lesions that were drawn are found


@pytest.mark.slow
def test_own_features_become_figures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("matplotlib")
    cells = run(ROOT / "examples" / "features_to_figures.ipynb", tmp_path, monkeypatch)
    pictures = shown(cells, "image/png")
    assert len(pictures) >= 5
    assert all(len(p) > 4000 for p in pictures)
    texts = shown(cells, "text/plain")
    assert any("4 shots x 5" in t for t in texts)
    assert any("few-shot.pdf" in t for t in texts)


def test_there_are_two_and_each_is_tested() -> None:
    tested = [n for n in globals() if n.startswith("test_own_")]
    assert len(NOTEBOOKS) == len(tested) == 2


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)
def test_a_notebook_is_kept_without_outputs(path: Path) -> None:
    notebook = json.loads(path.read_text())
    nbformat.validate(notebook)
    code = [c for c in notebook["cells"] if c["cell_type"] == "code"]
    assert code
    assert all(c["outputs"] == [] and c["execution_count"] is None for c in code)
    assert not [k for c in notebook["cells"] for k in c["metadata"]]
    assert str(Path.home()) not in path.read_text()
