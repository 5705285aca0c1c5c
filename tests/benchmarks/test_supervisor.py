"""Tables of a card when their process dies, and what ``bin/bench gpu`` installs before."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.benchmarks import __main__ as command
from tests.benchmarks import supervisor
from tests.benchmarks.supervisor import supervise

ROOT = Path(__file__).parents[2]
# writes down how it was called; dies, waits or ends as told for each call
CHILD = """
import os, signal, sys, threading
place, *rest = sys.argv[1:]
with open(place, "a") as f:
    print(*rest, file=f)
turn = open(place).read().count("\\n")
assert os.environ["BENCH_CHILD"]
what = rest[turn - 1] if turn <= len(rest) else "0"
if what == "segv":
    os.kill(os.getpid(), signal.SIGSEGV)
if what == "hang":
    threading.Event().wait()
sys.exit(int(what))
"""


def run(place: Path, *turns: str, seconds: float = 60.0) -> tuple[int, list[str]]:
    code = supervise([sys.executable, "-c", CHILD, str(place), *turns], seconds)
    return code, place.read_text().splitlines()


def test_a_process_that_dies_is_begun_again_where_it_was(tmp_path, capsys) -> None:
    code, calls = run(tmp_path / "calls", "segv", "segv", "0")
    assert code == 0
    assert calls == ["segv segv 0", *["segv segv 0 --resume"] * 2]
    assert capsys.readouterr().err.count("died by SIGSEGV; the tables behind that go on") == 2


def test_one_that_ends_by_itself_or_dies_always_is_not(tmp_path) -> None:
    assert run(tmp_path / "a", "3") == (3, ["3"])
    code, calls = run(tmp_path / "b", *["segv"] * 9)
    assert code == 1
    assert len(calls) == supervisor.TRIES


def test_one_that_hangs_is_killed(tmp_path, monkeypatch, capsys) -> None:
    monkeypatch.setattr(supervisor, "GRACE", 0.5)
    monkeypatch.delenv("BENCH_BEGAN", raising=False)
    code = supervise([sys.executable, "-c", CHILD, str(tmp_path / "calls"), "hang"], 0.0)
    assert code == 1
    assert "did not end in time and was killed" in capsys.readouterr().err


def test_the_tables_of_a_card_are_made_in_such_a_process(tmp_path, monkeypatch) -> None:
    seen: list[tuple[list[str], float]] = []
    monkeypatch.delenv("BENCH_CHILD", raising=False)
    monkeypatch.delenv("OUT", raising=False)
    monkeypatch.setattr(command, "supervise", lambda words, s: seen.append((words, s)) or 0)
    for more in (["--out", str(tmp_path)], []):
        with pytest.raises(SystemExit, match="0"):
            command.main(["gpu", "--minutes", "2", *more])
    (words, seconds), (without, _) = seen
    assert words[1:] == ["-m", "tests.benchmarks", "gpu", "--minutes", "2", "--out", str(tmp_path)]
    assert seconds == 120
    assert Path(without[-1]).is_dir()  # rows are kept somewhere, to go on from


# -- bin/bench ------------------------------------------------------------------------------------

PYTHON = """#!/usr/bin/env bash
echo "$(basename "$(dirname "$0")")/python $*" >> "$LOG"
case "$*" in
    *cuda*) exit "$NO_TORCH" ;;
    *torch.__version__*) echo torch==2.11.0+cu130 ;;
    *torch.__file__*) echo /opt/torch/site-packages ;;
    *purelib*) echo .venv-gpu/site-packages ;;
    *"-m venv"*) mkdir -p "${@: -1}/"{bin,site-packages}; cp "$0" "${@: -1}/bin/python" ;;
    *"-m pip"*) [[ "$*" == *"$REFUSED"* ]] && exit 1 ;;
    *"-m tests.benchmarks"*) echo "tables, path $PYTHONPATH" ;;
esac
exit 0
"""


@pytest.fixture
def bare(tmp_path: Path) -> Path:
    """A folder with ``bin/bench``, and ``python3`` and ``bin/setup`` that write down calls."""
    (tmp_path / "bin").mkdir()
    (tmp_path / "tools").mkdir()
    shutil.copy(ROOT / "bin" / "bench", tmp_path / "bin" / "bench")
    setup = '#!/usr/bin/env bash\necho "setup $*" >> "$LOG"; [ "$*$NO_TIMM" != timm1 ] || exit 1\n'
    setup += 'mkdir -p .venv/bin; cp "$PYTHON" .venv/bin/python\n'
    for name, text in (("bin/setup", setup), ("tools/python3", PYTHON)):
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o755)
    return tmp_path


def called(bare: Path, **given: str) -> tuple[subprocess.CompletedProcess[str], list[str]]:
    log = bare / "log"
    environment = {
        "PATH": os.environ["PATH"], "LOG": str(log), "PYTHON": str(bare / "tools" / "python3"),
        "NO_TORCH": "0", "NO_TIMM": "0", "REFUSED": "nothing", **given,
    }  # fmt: skip
    done = subprocess.run(
        ["bash", bare / "bin" / "bench", "gpu", "--minutes", "9"], env=environment, text=True,
        capture_output=True, check=False,
    )  # fmt: skip
    return done, log.read_text().splitlines()


def test_a_torch_that_sees_a_card_is_not_fetched_again(bare: Path) -> None:
    done, calls = called(bare)
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"tables, path {bare}\n"
    [venv] = [c for c in calls if "-m venv" in c]
    assert "--system-site-packages" in venv
    [pip] = [c for c in calls if "-m pip" in c]
    assert "--constraint .venv-gpu/torch.txt --editable .[gpu,timm]" in pip
    assert (bare / ".venv-gpu" / "torch.txt").read_text() == "torch==2.11.0+cu130\n"
    place = bare / ".venv-gpu" / "site-packages" / "torch_is_here.pth"
    assert place.read_text() == "/opt/torch/site-packages\n"
    assert not any(c.startswith("setup") for c in calls)
    assert calls[-1] == "bin/python -m tests.benchmarks gpu --minutes 9"


@pytest.mark.parametrize(
    ("refused", "tried", "said"),
    [("timm", 2, ""), ("gpu", 3, ""), ("pip", 3, "nothing could be installed; going on")],
)
def test_what_cannot_be_had_is_left_out(bare: Path, refused, tried, said) -> None:
    done, calls = called(bare, REFUSED=f"[{refused}" if refused == "gpu" else refused)
    assert done.returncode == 0, done.stderr
    assert sum("-m pip" in c for c in calls) == tried
    assert said in done.stderr
    assert calls[-1].endswith("-m tests.benchmarks gpu --minutes 9")


@pytest.mark.parametrize(("no_timm", "setups"), [("0", 1), ("1", 2)])
def test_a_bare_machine_gets_all_by_setup(bare: Path, no_timm: str, setups: int) -> None:
    done, calls = called(bare, NO_TORCH="1", NO_TIMM=no_timm)
    assert done.returncode == 0, done.stderr
    assert [c for c in calls if c.startswith("setup")] == ["setup timm", "setup "][:setups]
    assert done.stdout == f"tables, path {bare}\n"
