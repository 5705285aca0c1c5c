"""Imports run downwards, and cheap commands stay cheap."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import featprobe

ROOT = Path(featprobe.__file__).parent
LEVELS = [
    {
        "errors",
        "registry",
        "fingerprint",
        "records",
        "spreadsheet",
        "settings",
        "progress",
        "threads",
        "devices",
        "options",
        "_version",
        "jsonvalues",
    },
    {"images", "scoring", "splits", "splits_first", "balancing", "bags"},
    {"metrics", "protocols", "partition", "shots", "solvers"},
    {"scored", "selection", "calibration", "prepare", "thresholds"},
    {"stats"},
    {"datasets", "backbones", "store", "probes", "neighbours", "saving", "loading"},
    {
        "levels",
        "results",
        "features",
        "findings",
        "fitted",
        "judged",
        "choosing",
        "runs",
        "exchange",
        "relabelling",
        "presets",
        "reporting",
        "subjects",
    },
    {"extraction", "evaluation", "prediction", "leakage", "doctor", "testing"},
    {"zeroshot", "retrieval", "finetuning"},
    {"leaderboard"},
    {"cli"},
]
LEVEL = {name: i for i, names in enumerate(LEVELS) for name in names}


def imports(path: Path) -> set[str]:
    """Rooms of featprobe that a module imports, at its top or inside functions."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module:
            names = [f"{node.module}.{a.name}" for a in node.names]
        elif isinstance(node, ast.Import):
            names = [a.name for a in node.names]
        else:
            continue
        found |= {n.split(".")[1] for n in names if n.startswith("featprobe.")}
    return found


MODULES = sorted(p for p in ROOT.rglob("*.py") if p != ROOT / "__init__.py")


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(ROOT)))
def test_imports_never_run_upwards(path: Path) -> None:
    room = path.relative_to(ROOT).parts[0].removesuffix(".py")
    assert room in LEVEL, f"{room} has no place in the order of rooms"
    upwards = {other for other in imports(path) if LEVEL[other] > LEVEL[room]}
    assert not upwards, f"{room} imports {upwards} from above"


def test_inner_packages_hold_a_docstring_only() -> None:
    inits = [p for p in ROOT.rglob("__init__.py") if p != ROOT / "__init__.py"]
    assert inits
    for path in inits:
        body = ast.parse(path.read_text()).body
        assert len(body) == 1, path
        assert isinstance(body[0], ast.Expr), path


def loaded(code: str, *names: str) -> set[str]:
    """Which of the named packages a fresh interpreter has imported after running ``code``."""
    program = f"{code}\nimport sys\nprint(*(n for n in {names!r} if n in sys.modules))"
    out = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    return set(out.stdout.splitlines()[-1].split())


HEAVY = ("torch", "transformers", "sklearn", "faiss", "zarr", "scipy", "pandas", "rich", "numpy")


def test_help_imports_nothing_heavy() -> None:
    code = (
        "from featprobe.cli.main import main\n"
        "try: main(['--help'])\nexcept SystemExit as e: assert e.code == 0"
    )
    assert loaded(code, *HEAVY) == set()


def test_listing_models_imports_no_torch() -> None:
    code = (
        "from featprobe.cli.main import main\n"
        "try: main(['models'])\nexcept SystemExit as e: assert e.code == 0"
    )
    assert loaded(code, *HEAVY) <= {"numpy"}


def test_a_knn_imports_neither_torch_nor_sklearn() -> None:
    code = (
        "import numpy as np, featprobe as fp\n"
        "x = np.random.default_rng(0).normal(size=(30, 4))\n"
        "fp.KNNProbe(k=3).fit(x, np.arange(30) % 2).predict_proba(x)"
    )
    assert loaded(code, "torch", "sklearn", "transformers", "faiss") == {"faiss"}


def test_public_names_survive_importing_the_modules_behind_them() -> None:
    code = (
        "import featprobe.extraction.local, featprobe.evaluation, featprobe as fp\n"
        "assert callable(fp.extract) and callable(fp.evaluate)\n"
        "assert all(hasattr(fp, n) for n in fp.__all__)\n"
        "try: fp.nothing\nexcept AttributeError: pass\nelse: raise SystemExit(1)"
    )
    loaded(code)
