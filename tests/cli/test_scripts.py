"""The batch script: a grid that goes on after a failing cell."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

BIN = Path(__file__).parents[2] / "bin"
FEATPROBE = Path(sys.executable).parent / "featprobe"


def leaderboard(*args: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(BIN / "leaderboard"), *map(str, args)], capture_output=True, text=True,
        env={**os.environ, "FEATPROBE": str(FEATPROBE)},
    )  # fmt: skip


@pytest.mark.slow
def test_a_failing_cell_is_named_and_the_rest_is_ranked(class_folders, cache) -> None:
    done = leaderboard(
        "--init", "random", "--image-size", 32, "--quiet", "resnet18", "--", "no_such_set",
        class_folders,
    )  # fmt: skip
    assert done.returncode == 1
    assert "failed: extract resnet18 x no_such_set" in done.stderr
    table = done.stdout[done.stdout.index("== leaderboard") :]
    for probe in ("knn", "linear", "fewshot logistic"):
        assert probe in table
    assert (cache / "leaderboard" / "leaderboard.csv").exists()


@pytest.mark.parametrize("args", [[], ["resnet18"], ["resnet18", "--"], ["--", "digits"], ["-h"]])
def test_without_models_and_data_it_shows_its_usage(args: list[str]) -> None:
    done = leaderboard(*args)
    assert done.returncode == 2
    assert "bin/leaderboard [EXTRACT OPTIONS] MODEL... -- DATA..." in done.stderr


SLURM = """#!/bin/sh
# a sbatch that runs every task at once, in the order of the array
script=$(cat)
echo "$@" >> "$SBATCH_LOG"
case "$*" in
*--array=1-*)
    last=$(echo "$*" | sed 's/.*--array=1-\\([0-9]*\\).*/\\1/')
    for i in $(seq "$last"); do
        echo "$script" | SLURM_ARRAY_TASK_ID=$i bash >> "$SBATCH_LOG.out" 2>&1
    done
    echo "17;cluster" ;;
*) echo "$script" | bash >> "$SBATCH_LOG.out" 2>&1; echo 18 ;;
esac
"""


@pytest.fixture
def slurm(tmp_path: Path):
    """Runs bin/slurm-leaderboard beside a sbatch that runs what it is given."""
    (tmp_path / "bin").mkdir()
    for name, text in (
        ("sbatch", SLURM),
        ("featprobe", f'#!/bin/sh\nexec {sys.executable} -m featprobe.cli.main "$@"\n'),
    ):
        (tmp_path / "bin" / name).write_text(text)
        (tmp_path / "bin" / name).chmod(0o755)

    def run(*args: object, path: str = "") -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["/bin/bash", str(BIN / "slurm-leaderboard"), *map(str, args)], capture_output=True,
            text=True, env={
                **os.environ, "PATH": path or f"{tmp_path / 'bin'}:{os.environ['PATH']}",
                "SBATCH_LOG": str(tmp_path / "log"),
            },
        )  # fmt: skip

    return run


@pytest.mark.slow
def test_an_array_of_parts_and_a_last_job_make_the_table(
    slurm, class_folders: Path, tmp_path: Path, cache: Path
) -> None:
    file = tmp_path / "some cells.yaml"
    file.write_text(
        f"data: {class_folders.name}\nmodels: [{{model: tiny_vit14, image_size: 14}}, "
        "{model: tiny_vit14, image_size: 28}]\nextract: {workers: 0}\nprobes: prototype\n"
        "resamples: 20\nout: table"
    )
    done = slurm(2, file, "--gres=gpu:1", "--", "--metric", "accuracy")
    assert done.returncode == 0, done.stderr
    assert done.stdout == "submitted 2 parts as job 17, the table as job 18\n"
    assert "2 to run" in done.stderr
    array, table = (tmp_path / "log").read_text().splitlines()
    assert "--array=1-2" in array
    assert "--dependency=afterany:17 " in table
    assert array.endswith("--gres=gpu:1")
    assert table.endswith("--gres=gpu:1")
    said = (tmp_path / "log.out").read_text()
    assert said.count("1 cells ran, 0 were in the cache") == 2
    assert said.count("0 cells ran, 2 were in the cache") == 1
    assert (tmp_path / "table.csv").read_text().count("\n") == 3


def test_a_mistake_is_told_before_anything_is_submitted(slurm, tmp_path: Path) -> None:
    assert "PARTS FILE" in slurm("cells.yaml").stderr
    assert slurm("0", "cells.yaml").returncode == 2
    wrong = slurm(2, tmp_path / "no.yaml")
    assert wrong.returncode == 2
    assert "no.yaml: no such file" in wrong.stderr
    (tmp_path / "bin" / "sbatch").unlink()
    nowhere = slurm(2, "rad", path=f"{tmp_path / 'bin'}:/usr/bin:/bin")
    assert "no sbatch in PATH" in nowhere.stderr
    assert not (tmp_path / "log").exists()
