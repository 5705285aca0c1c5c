"""``python -m tests.benchmarks``: print tables of ratios and rates."""

from __future__ import annotations

import argparse
import importlib
import inspect
import json
import os
import pkgutil
import platform
import sys
from pathlib import Path

NONE = ("rows", "rivals")


def main(arguments: list[str] | None = None) -> None:
    names = sorted(
        m.name for m in pkgutil.iter_modules([str(Path(__file__).parent)])
        if not m.name.startswith(("_", "test_")) and m.name not in NONE
    )  # fmt: skip
    parser = argparse.ArgumentParser(prog="bin/bench", description=__doc__)
    parser.add_argument("names", nargs="*", default=[], help=f"of: {', '.join(names)}")
    parser.add_argument("--runs", type=int, default=3, help="of each side; the median counts")
    parser.add_argument("--part", nargs="*", default=[], help="of a benchmark that has parts")
    parser.add_argument("--cache", help="a folder that keeps what parts have made")
    parser.add_argument("--minutes", type=float, help="end in about this time (gpu: 9)")
    parser.add_argument("--cpu", action="store_true", help="compare seconds of the processor")
    parser.add_argument("--against", help="another checkout (of startup)")
    parser.add_argument("--json", action="store_true", help="one JSON object a row")
    parser.add_argument("--dry", action="store_true", help="of gpu: its code, on a CPU, in small")
    parser.add_argument(
        "--out", type=Path, default=os.environ.get("OUT"),
        help="of gpu: a folder for gpu.json and gpu.md, by default $OUT",
    )  # fmt: skip
    given = parser.parse_args(arguments)
    if given.names == ["gpu"]:
        os.environ.setdefault("HF_HUB_OFFLINE", "1")  # random weights: nothing is looked for
        importlib.import_module("tests.benchmarks.gpu").run(
            given.minutes or 9, given.dry, given.out and Path(given.out), given.part
        )
        return
    names.remove("gpu")  # tables of another kind, for a machine that has one
    if unknown := set(given.names) - set(names):
        parser.error(f"unknown benchmark {', '.join(unknown)}; there are {', '.join(names)}")
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    print(f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores", file=sys.stderr)
    missed = 0
    for name in given.names or names:
        run = importlib.import_module(f"tests.benchmarks.{name}").rows
        able = inspect.signature(run).parameters
        more = {"parts": given.part, "cache": given.cache, "minutes": given.minutes}
        more |= {"cpu": given.cpu, "against": given.against}
        for row in run(given.runs, **{k: v for k, v in more.items() if v and k in able}):
            missed += row.reached is False
            if given.json:
                print(json.dumps(row.to_dict()), flush=True)
            else:
                print(row.line(), flush=True)
    print(f"{missed} missed", file=sys.stderr)


if __name__ == "__main__":
    main()
