"""Trainings in processes of their own: killed, stopped, several together."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from featprobe.evaluation.results import read, scored
from tests.extraction.commands import Command, save_tiny, start
from tests.extraction.films import class_films
from tests.extraction.moments import after_steps, in_a_checkpoint

NET = 1800  # seconds under a hang; no verdict on how fast it is
FAST = ("--epochs", 4, "--batch", 4, "--quiet", "--workers", 0, "--device", "cpu")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("trainings")
    save_tiny(folder / "model")
    class_films(folder / "films", 20)
    return folder


def begin(place: Path, cache: Path, *more: object, **first: Any) -> Command:
    return start(
        cache.parent / f"said-{cache.name}.txt", "finetune", "--model", place / "model",
        "--data", place / "films", "--cache", cache, "--resamples", 20, *FAST, *more, **first,
    )  # fmt: skip


def weights(cache: Path) -> dict[str, torch.Tensor]:
    (file,) = cache.glob("finetuned/films/*/lr=*.pt")
    saved = torch.load(file, weights_only=True)
    assert saved["state"]["ended"]
    return saved["weights"]


def checkpoints(cache: Path) -> list[Path]:
    return list(cache.glob("finetuned/films/*/lr=*.pt"))


@pytest.mark.slow
@pytest.mark.parametrize("recipe", ["full", "lora"])
def test_killed_between_steps_and_in_checkpoints_it_ends_with_the_same_weights(
    recipe: str, place: Path, tmp_path: Path
) -> None:
    more = ["--recipe", recipe, "--set", "ema=0.9", "--augment", "crop", "flip"]
    if recipe == "lora":
        more = ["--recipe", "lora", "--set", "ema=0.9", "dropout=0.3", "--augment", "crop", "flip"]
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    code, said = begin(place, whole, *more).end()
    assert code == 0, said
    moments = [(after_steps, 11), (in_a_checkpoint, 1), (after_steps, 3), (in_a_checkpoint, 2)]
    for moment, n in moments:
        code, said = begin(place, cut, *more, first=partial(moment, n, signal.SIGKILL)).end()
        assert code == -signal.SIGKILL, said
    code, said = begin(place, cut, *more).end()
    assert code == 0, said
    one, other = weights(whole), weights(cut)
    assert one.keys() == other.keys()
    assert all(torch.equal(one[n], other[n]) for n in one)
    first, last = read(whole)[-1], read(cut)[-1]
    assert (scored(whole, first).tries[0] == scored(cut, last).tries[0]).all()
    assert [e["loss"] for e in first.provenance["history"]] == [
        e["loss"] for e in last.provenance["history"]
    ]


@pytest.mark.slow
def test_a_signal_keeps_the_step(place: Path, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    stop = partial(after_steps, 3, signal.SIGINT)
    code, said = begin(place, cache, "--epochs", 400, first=stop).end()
    assert code == 130
    (file,) = checkpoints(cache)
    assert torch.load(file, weights_only=True)["state"]["step"] == 3
    assert "the same command goes on from there" in said
    assert "Traceback" not in said


@pytest.mark.slow
def test_two_processes_train_one_network(place: Path, tmp_path: Path) -> None:
    """Gradients of equal shares are averaged, so the losses are those of one process."""
    losses, values = {}, {}
    for n in (1, 2):
        cache = tmp_path / f"of{n}"
        done = subprocess.run(
            [
                sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node",
                str(n), "-m", "featprobe.cli.main", "finetune", "--model", str(place / "model"),
                "--data", str(place / "films"), "--cache", str(cache), "--recipe", "last-n",
                "--epochs", "2", "--batch", "8", "--accumulate", "2", "--device", "cpu",
                "--workers", "0", "--resamples", "20", "--json",
            ],
            capture_output=True, text=True, timeout=NET,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        (line,) = done.stdout.splitlines()  # of the main process alone
        result = json.loads(line)
        losses[n] = [e["loss"] for e in result["provenance"]["history"]]
        values[n] = result["metrics"]["auroc"]
        assert len(read(cache)) == 1
        (file,) = checkpoints(cache)
        assert torch.load(file, weights_only=True)["spec"]["processes"] == n
    assert values[1] == pytest.approx(values[2], abs=0.02)
    np.testing.assert_allclose(losses[1], losses[2], rtol=1e-4)


TOGETHER = """
import sys
import torch
from accelerate.utils import gather_object
from featprobe.cli.main import main
from featprobe.finetuning import loop
from featprobe.finetuning.average import statistics

validate = loop.validate

def looked(state):
    average = state.average
    own = [*statistics(state.trainable.live), *(average.values if average is not None else [])]
    one, other = gather_object([[v.clone() for v in own]])
    same = len(one) > 40 and all(map(torch.equal, one, other))
    print("same" if same else "different", file=sys.stderr)
    validate(state)

loop.validate = looked
main(sys.argv[1:])
"""


@pytest.mark.slow
def test_norms_by_batch_are_the_same_in_all_processes(place: Path, tmp_path: Path) -> None:
    script = tmp_path / "together.py"
    script.write_text(TOGETHER)
    done = subprocess.run(
        [
            sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2",
            str(script), "finetune", "--model", "resnet18", "--init", "random", "--image-size",
            "32", "--data", str(place / "films"), "--cache", str(tmp_path / "cache"), "--epochs",
            "1", "--batch", "8", "--device", "cpu", "--workers", "0", "--resamples", "20",
            "--ema", "0.5", "--quiet",
        ],
        capture_output=True, text=True, timeout=NET,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("same") == 2
    assert "different" not in done.stderr


@pytest.mark.slow
def test_too_little_memory_is_told_by_a_real_process(place: Path, tmp_path: Path) -> None:
    def limit() -> None:
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (6 << 30, 6 << 30))

    done = subprocess.run(
        [
            sys.executable, "-m", "featprobe.cli.main", "finetune", "--model", "resnet18",
            "--init", "random", "--image-size", "1216", "--data", str(place / "films"), "--cache",
            str(tmp_path / "cache"), "--batch", "24", "--quiet", "--workers", "0", "--device",
            "cpu", "--set", "standardize=false",
        ],
        capture_output=True, text=True, timeout=NET, preexec_fn=limit,
    )  # fmt: skip
    assert done.returncode == 2
    last = done.stderr.splitlines()[-1]
    assert "cpu has too little memory for 24 items at once; use --accumulate 2" in last
    assert "Traceback" not in done.stderr
