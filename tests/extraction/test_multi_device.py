"""Extraction by several processes of this machine: --devices, and tasks of a job array."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
import torch

import featprobe as fp
from featprobe.core.errors import InputError, MissingExtra, UnreadableItem
from featprobe.extraction import resolve
from featprobe.extraction.options import Options
from featprobe.extraction.resolve import settle
from featprobe.store.zarr import ZarrStore
from tests.extraction.films import committed, extract, hostile, make_films, same, stores, when

TWO = ("cpu", "cpu")
SBATCH = Path(fp.__file__).parent.parent / "bin" / "extract.sbatch"


@pytest.mark.slow
def test_two_processes_fill_a_store_that_equals_that_of_one(tiny_backbone, tmp_path) -> None:
    folder = make_films(tmp_path / "films", 40, {3: "flat", 17: "damaged"})
    data = fp.load_dataset(folder, group="none")
    here = extract(tiny_backbone, data, tmp_path / "here")
    there = extract(tiny_backbone, data, tmp_path / "there", devices=TWO)
    assert same(there, here)
    assert there.summary.new_frames == 40
    assert there.summary.device == "cpu,cpu"
    assert there.summary.notes == here.summary.notes != {}
    assert there.summary.failures == here.summary.failures != {}
    assert not list((tmp_path / "there").rglob("*.shared"))


@pytest.mark.slow
def test_a_killed_process_is_told_and_loses_nothing(tiny_backbone, tmp_path, capfd) -> None:
    folder = make_films(tmp_path / "films", 24, {5: "killed_once"})
    data = hostile(folder)
    there = extract(tiny_backbone, data, tmp_path / "there", devices=TWO, workers=0)
    assert (folder / "killed_once05.once").exists()
    here = extract(tiny_backbone, data, tmp_path / "here", workers=0)
    assert same(there, here)
    assert there.summary.new_frames == 24
    assert "the process on cpu died (SIGKILL)" in capfd.readouterr().err


@pytest.mark.slow
def test_an_error_of_a_process_is_that_of_the_whole(tiny_backbone, tmp_path) -> None:
    folder = make_films(tmp_path / "films", 24, {9: "damaged"})
    data = fp.load_dataset(folder, group="none")
    with pytest.raises(UnreadableItem, match=r"damaged09\.png"):
        extract(tiny_backbone, data, tmp_path / "c", devices=("cpu",), strict=True)


class Unsendable:
    """A source that holds something open."""

    def __init__(self, source) -> None:
        self.source, self.lock = source, threading.Lock()
        self.frames, self.read, self.contents = source.frames, source.read, source.contents
        self.kinds = source.kinds


def test_a_data_set_that_cannot_be_sent_is_told(tiny_backbone, tmp_path) -> None:
    data = hostile(make_films(tmp_path / "films", 8))
    data.source = Unsendable(data.source)
    with pytest.raises(InputError, match="cannot be sent to other processes .* use --device and"):
        extract(tiny_backbone, data, tmp_path / "c", devices=TWO)


@pytest.mark.slow
def test_ctrl_c_reaches_all_and_stops_after_the_shards_in_flight(tmp_path) -> None:
    folder = make_films(tmp_path / "films", 600)
    command = [
        sys.executable, "-m", "featprobe.cli.main", "extract", "--model", "dinov2_vits14",
        "--init", "random", "--image-size", "42", "--batch-size", "2", "--devices", "cpu,cpu",
        "--data", str(folder), "--cache", str(tmp_path / "c"), "--quiet", "--json",
    ]  # fmt: skip
    process = subprocess.Popen(
        command, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True
    )
    stop = when(
        lambda: committed(tmp_path / "c") > 0 or process.poll() is not None,
        lambda: os.killpg(process.pid, signal.SIGINT),
    )
    stop.join()
    out, error = process.communicate()
    assert process.returncode == 130, error
    assert out == ""
    first, last = error.splitlines()
    assert "stopping after the shard in flight" in first
    assert "of 600 frames are in the cache; the same command goes on from there" in last
    (path,) = stores(tmp_path / "c")
    done = int((ZarrStore.open(path).status() == 1).sum())
    assert 0 < done < 600
    assert f"{done} of 600" in last


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"devices": ("cpu", "warp")}, "unknown device 'warp'"),
        ({"devices": ("cpu",), "device": "cpu"}, "not both"),
        ({"engine": "slurm"}, "unknown engine 'slurm': use one of local, ray"),
    ],
)
def test_devices_that_cannot_be_had_are_refused(options, told) -> None:
    with pytest.raises(InputError, match=told):
        settle(Options(**options))


def test_devices_share_the_cores(monkeypatch) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: 12)
    o = settle(Options(devices=("cpu",) * 3))
    assert (o.workers, o.streams) == (4, 4)
    assert settle(Options(devices=("cpu",) * 3, workers=7)).workers == 7
    assert settle(Options(device="cpu")).workers == 8
    monkeypatch.setattr(os, "cpu_count", lambda: 64)
    monkeypatch.setattr(resolve, "choose_device", torch.device)  # as where there are cards
    assert settle(Options(device="cuda")).workers == 16  # takes thousands of frames a second
    assert settle(Options(devices=("0", "1", "2", "3", "4", "5", "6", "7"))).workers == 8


def test_without_ray_the_extra_is_named(tiny_backbone, tmp_path, monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    data = fp.load_dataset(make_films(tmp_path / "films", 4))
    with pytest.raises(MissingExtra, match=r"pip install 'featprobe\[ray\]'"):
        extract(tiny_backbone, data, tmp_path / "c", engine="ray")


# -- a job array ----------------------------------------------------------------------------------


@pytest.fixture
def task(tmp_path: Path):
    """Runs bin/extract.sbatch with bash as one task of an array."""
    bin_ = tmp_path / "bin"
    bin_.mkdir()
    program = bin_ / "featprobe"
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -m featprobe.cli.main "$@"\n')
    program.chmod(0o755)

    def run(*args: str, path: str = f"{bin_}:{os.environ['PATH']}", **array: int):
        given = {f"SLURM_ARRAY_TASK_{name.upper()}": str(v) for name, v in array.items()}
        env = {k: v for k, v in os.environ.items() if not k.startswith("SLURM")}
        return subprocess.run(
            ["/bin/bash", str(SBATCH), *args], capture_output=True, text=True,
            env=env | {"PATH": path, "SLURM_CPUS_PER_TASK": "1"} | given,
        )  # fmt: skip

    return run


@pytest.mark.slow
def test_two_tasks_of_an_array_complete_one_store(task, tmp_path) -> None:
    args = [
        "--model", "dinov2_vits14", "--init", "random", "--image-size", "42", "--batch-size", "4",
        "--data", str(make_films(tmp_path / "films with spaces", 12)), "--json",
        "--cache", str(tmp_path / "c"),
    ]  # fmt: skip
    first = task(*args, id=0, min=0, max=1, count=2, step=1)
    assert first.returncode == 0, first.stderr
    assert "part 1 of 2 is done" in first.stdout
    second = task(*args, id=1, min=0, max=1, count=2, step=1)
    assert second.returncode == 0, second.stderr
    assert json.loads(second.stdout)["new_frames"] == 8
    (path,) = stores(tmp_path / "c")
    assert ZarrStore.open(path).attributes["complete"]


def test_parts_are_counted_from_one_wherever_the_array_begins(task, tmp_path) -> None:
    program = tmp_path / "bin" / "featprobe"
    program.write_text('#!/bin/sh\necho "$@"\n')

    def told(**array: int) -> str:
        return task("--data", "x y", **array).stdout.strip()

    assert told(id=1, min=1, max=4, count=4, step=1).endswith("--shard 1/4 --data x y")
    assert "--shard 4/4" in told(id=3, min=0, max=3, count=4, step=1)
    assert "--shard 3/4" in told(id=8, min=4, max=10, count=4, step=2)
    gaps = task(id=5, min=1, max=5, count=2, step=1)
    assert gaps.returncode == 2
    assert "an array with gaps" in gaps.stderr
    alone = task()
    assert alone.returncode == 2
    assert "sbatch --array=1-N" in alone.stderr
    nowhere = task(path="/nonexistent", id=1, min=1, max=1, count=1, step=1)
    assert nowhere.returncode == 2
    assert "no featprobe in PATH" in nowhere.stderr
