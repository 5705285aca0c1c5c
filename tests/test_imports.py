"""Imports run downwards, no two files import each other, and cheap commands stay cheap."""

from __future__ import annotations

import ast
import importlib
import json
import re
import subprocess
import sys
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

import featprobe

ROOT = Path(featprobe.__file__).parent
# one level a room, from the ground up: a room imports from rooms before it alone
ROOMS = (
    "core",
    "metrics",
    "solvers",
    "splits",
    "neighbours",
    "images",
    "store",
    "backbones",
    "datasets",
    "stats",
    "features",
    "probes",
    "extraction",
    "evaluation",
    "imagetext",
    "segmentation",
    "finetuning",
    "leaderboard",
    "studies",
    "figures",
    "plots",
    "report",
    "testing",
    "cli",
)
MODULES = {
    ".".join(("featprobe", *p.relative_to(ROOT).with_suffix("").parts)): p
    for p in sorted(ROOT.rglob("*.py"))
    if p.name != "__init__.py"
}


def imports(path: Path) -> set[str]:
    """Modules of featprobe that a module imports, at its top, inside functions or for types."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module:
            inner = {f"{node.module}.{a.name}" for a in node.names}
            found |= (inner & MODULES.keys()) or {node.module}
            if inner - MODULES.keys():
                found.add(node.module)
        elif isinstance(node, ast.Import):
            found |= {a.name for a in node.names}
    return found & MODULES.keys()


def room_of(module: str) -> str:
    return module.split(".")[1]


def test_every_room_has_a_level_of_its_own(capsys: pytest.CaptureFixture[str]) -> None:
    assert {room_of(m) for m in MODULES} == set(ROOMS)
    assert len(set(ROOMS)) == len(ROOMS)
    arrows = {
        (room_of(m), room_of(o)) for m, p in MODULES.items() for o in imports(p)
    } - {(r, r) for r in ROOMS}  # fmt: skip
    with capsys.disabled():
        print(f"\n{len(ROOMS)} rooms, {len(arrows)} arrows, from the top:")
        for level in reversed(range(len(ROOMS))):
            entered = sorted((o for r, o in arrows if r == ROOMS[level]), key=ROOMS.index)
            print(f"{level:3} {ROOMS[level]:12}", *entered)


@pytest.mark.parametrize("module", MODULES)
def test_imports_never_run_upwards(module: str) -> None:
    own = ROOMS.index(room_of(module))
    upwards = {o for o in imports(MODULES[module]) if ROOMS.index(room_of(o)) > own}
    assert not upwards, f"{module} imports {upwards} from above"


def test_no_two_files_import_each_other_on_any_way() -> None:
    try:
        TopologicalSorter({m: imports(p) - {m} for m, p in MODULES.items()}).prepare()
    except CycleError as error:
        pytest.fail(f"a circle of imports: {' -> '.join(error.args[1])}")


def test_the_design_draws_the_same_rooms_and_no_arrow_upwards() -> None:
    design = (ROOT.parent / "docs" / "design.md").read_text(encoding="utf-8")
    table = design.split("\n## Rooms\n", 1)[1].split("```")[1]
    lines = [line.strip() for line in table.splitlines()]
    drawn = [
        [w for w in re.split(r" {2,}", line)[:2] if w in ROOMS]
        for line in lines
        if line.partition(" ")[0] in ROOMS
    ]
    assert sorted(room for line in drawn for room in line) == sorted(ROOMS)
    height = {room: -n for n, line in enumerate(drawn) for room in line}
    arrows = {(room_of(m), room_of(o)) for m, p in MODULES.items() for o in imports(p)}
    assert not {(r, o) for r, o in arrows if r != o and height[o] > height[r]}, "drawn too low"


def test_no_module_is_over_300_lines() -> None:
    long = {m: n for m, p in MODULES.items() if (n := len(p.read_text().splitlines())) > 300}
    assert not long


def test_the_root_holds_no_module() -> None:
    assert sorted(p.name for p in ROOT.glob("*.py")) == ["__init__.py"]


def test_what_texts_import_is_there() -> None:
    """Programs of tests and benchmarks in quotes, those of the documentation, and the examples."""
    root = ROOT.parent
    texts = [*root.glob("tests/**/*.py"), *root.glob("docs/*.md"), root / "README.md"]
    texts += [p for end in ("py", "md", "ipynb") for p in root.glob(f"examples/**/*.{end}")]
    for path in texts:
        if "archives" in path.parts:
            continue
        for module, names in re.findall(
            r"from (featprobe(?:\.\w+)*) import \(?([\w, ]+)", _program(path)
        ):
            for name in re.findall(r"\w+", names.partition(" as ")[0]):
                found = importlib.import_module(module)
                there = hasattr(found, name) or f"{module}.{name}" in MODULES
                assert there, f"{path}: from {module} import {name}"


def _program(path: Path) -> str:
    """The text of a file; of a notebook that of its code cells, whose lines JSON has in quotes."""
    text = path.read_text(encoding="utf-8")
    if path.suffix != ".ipynb":
        return text
    cells = json.loads(text)["cells"]
    return "\n".join("".join(c["source"]) for c in cells if c["cell_type"] == "code")


def test_inner_packages_hold_a_docstring_only() -> None:
    # featprobe.plots loads its public names on first use, as featprobe does
    public = {ROOT / "__init__.py", ROOT / "plots" / "__init__.py"}
    inits = [p for p in ROOT.rglob("__init__.py") if p not in public]
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


@pytest.mark.parametrize("verb", ["knn", "compare", "leaderboard", "report"])
def test_a_table_of_results_imports_no_torch(verb, tmp_path) -> None:
    """Nearly three times the seconds of a probe's command."""
    code = (
        "import featprobe.evaluation.evaluate, featprobe.leaderboard.table\n"
        "from featprobe.cli.main import main\n"
        f"try: main([{verb!r}, '--cache', {str(tmp_path)!r}])\nexcept SystemExit: pass"
    )
    assert loaded(code, "torch", "transformers") == set()


def test_public_names_survive_importing_the_modules_behind_them() -> None:
    code = (
        "import featprobe.extraction.local, featprobe.evaluation.evaluate, featprobe as fp\n"
        "assert callable(fp.extract) and callable(fp.evaluate)\n"
        "assert all(hasattr(fp, n) for n in fp.__all__)\n"
        "try: fp.nothing\nexcept AttributeError: pass\nelse: raise SystemExit(1)"
    )
    loaded(code)
