"""Print tables of ratios and rates against their goals: of the benchmarks named, or of all."""

from __future__ import annotations

import argparse
import ast
import importlib
import inspect
import os
import pkgutil
import sys
import tempfile
from collections.abc import Iterable
from functools import partial
from pathlib import Path
from typing import Any

from tests.benchmarks.supervisor import CHILD, supervise

HERE = Path(__file__).parent
NONE = ("rows", "rivals", "others", "running", "supervisor")  # what benchmarks are made with


def main(arguments: list[str] | None = None) -> None:
    names = sorted(
        m.name for m in pkgutil.iter_modules([str(HERE)])
        if not m.name.startswith(("_", "test_")) and m.name not in NONE
    )  # fmt: skip
    parser = argparse.ArgumentParser(prog="bin/bench", description=__doc__)
    parser.add_argument("names", nargs="*", default=[], help=f"of: {', '.join(names)}")
    parser.add_argument("--list", action="store_true", help="say what there is, and run nothing")
    parser.add_argument("--runs", type=int, default=3, help="of each side; the median counts")
    parser.add_argument("--part", nargs="*", default=[], help="of a benchmark that has parts")
    parser.add_argument("--cache", help="a folder that keeps what parts have made")
    parser.add_argument("--minutes", type=float, help="end in about this time (gpu: 9)")
    parser.add_argument("--cpu", action="store_true", help="compare seconds of the processor")
    parser.add_argument("--against", help="another checkout (of startup)")
    parser.add_argument(
        "--json", type=Path, metavar="FILE", help="write a JSON object a row, and one of the run"
    )
    parser.add_argument("--resume", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--dry", action="store_true", help="of gpu: its code, on a CPU, in small")
    parser.add_argument(
        "--out", type=Path, default=os.environ.get("OUT"),
        help="of gpu: a folder for gpu.json and gpu.md, by default $OUT",
    )  # fmt: skip
    given = parser.parse_args(arguments)
    if given.list:
        print("\n".join(f"{name:14}{purpose(name)}" for name in names))
        return
    if given.names == ["gpu"]:
        of_card(given, sys.argv[1:] if arguments is None else arguments)
        return
    names.remove("gpu")  # tables of another kind, for a machine that has one
    if unknown := set(given.names) - set(names):
        parser.error(f"unknown benchmark {', '.join(unknown)}; there are {', '.join(names)}")
    if not given.names:
        print(f"all of {', '.join(names)}: hours; --list says what they are", file=sys.stderr)
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    more = {"parts": given.part, "cache": given.cache, "minutes": given.minutes}
    more |= {"cpu": given.cpu, "against": given.against}
    from tests.benchmarks.running import run_all

    benches = {n: partial(rows_of, n, given.runs, more) for n in given.names or names}
    if run_all(benches, partial(print, flush=True), given.json).failed:
        raise SystemExit(1)


def of_card(given: argparse.Namespace, arguments: list[str]) -> None:
    """The tables of a card; but for a dry run in a process that may die without the others."""
    os.environ.setdefault("HF_HUB_OFFLINE", "1")  # random weights: nothing is looked for
    out, minutes = given.out and Path(given.out), given.minutes or 9
    if given.dry or os.environ.get(CHILD):
        importlib.import_module("tests.benchmarks.gpu").run(
            minutes, given.dry, out, given.part, given.json, given.resume
        )
        return
    words = list(arguments)
    if out is None:
        words += ["--out", tempfile.mkdtemp(prefix="bench-")]
    print(f"gpu.json and gpu.md: in {out or words[-1]}", file=sys.stderr)
    raise SystemExit(supervise([sys.executable, "-m", "tests.benchmarks", *words], 60 * minutes))


def rows_of(name: str, runs: int, more: dict[str, Any]) -> Iterable[Any]:
    """The rows of a benchmark, given of ``more`` what it takes."""
    run = importlib.import_module(f"tests.benchmarks.{name}").rows
    able = inspect.signature(run).parameters
    return run(runs, **{k: v for k, v in more.items() if v and k in able})


def purpose(name: str) -> str:
    """The first sentence of what a benchmark says of itself; it is not imported."""
    place = HERE / name / "__init__.py" if (HERE / name).is_dir() else HERE / f"{name}.py"
    text = ast.get_docstring(ast.parse(place.read_text())) or ""
    return text.split("\n\n")[0].replace("\n", " ")


if __name__ == "__main__":
    main()
