"""--log of every verb: what reaches a client, and what the terminal says of time."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

import pytest

from featprobe.cli.main import main
from featprobe.core import tracking


class Kept:
    """A client that keeps what it is given."""

    runs: ClassVar[list[Kept]] = []

    def __init__(self, name, config, folder) -> None:
        self.name, self.config = name, config
        self.values: dict[str, list[float]] = {}
        Kept.runs.append(self)

    def log(self, values, step) -> None:
        for name, value in values.items():
            self.values.setdefault(name, []).append(value)

    def close(self, failed: bool) -> None:
        self.failed = failed


@pytest.fixture(autouse=True)
def runs(monkeypatch) -> list[Kept]:
    Kept.runs = []
    for name in tracking.CLIENTS:
        monkeypatch.setitem(tracking.CLIENTS, name, Kept)
    return Kept.runs


def called(*args: object) -> int:
    with pytest.raises(SystemExit) as end:
        main([str(a) for a in args])
    return int(end.value.code or 0)


def spotless(run: Kept, folder: Path) -> None:
    """No item, patient or path is in what a client has."""
    told = repr((run.name, run.config, list(run.values)))
    for word in ("normal0", "sick0", "patient", str(folder), ".png"):
        assert word not in told


BACKBONE = ("--model", "tiny_vit14", "--image-size", 14)


def test_extract_and_finetune_tell_their_numbers(class_folders, runs, capsys) -> None:
    assert not called("extract", *BACKBONE, "--data", class_folders, "--log", "wandb", "mlflow")
    out = capsys.readouterr().out
    assert "network and transfer" in out
    assert "beside it decoding, in workers" in out
    first, second = runs
    assert first.values["frames"] == [40]
    assert first.values == second.values
    assert first.config["data"] == "films"
    spotless(first, class_folders)
    runs.clear()

    done = called(
        "finetune", *BACKBONE, "--data", class_folders, "--recipe", "last-n", "--epochs", 2,
        "--workers", 0, "--log", "tensorboard", "--resamples", 20,
    )  # fmt: skip
    assert done == 0
    (run,) = runs
    assert len(run.values["loss"]) == len(run.values["val"]) == 2
    assert 0 <= run.values["test/auroc"][0] <= 1
    assert run.config["recipe"] == "last-n"
    spotless(run, class_folders)
    err = capsys.readouterr().err
    line = next(text for text in err.splitlines() if text.startswith("time: "))
    assert "network" in line
    assert "validation" in line
    assert line.count("%") >= 4


def test_a_leaderboard_tells_each_cell(class_folders, tmp_path, runs, capsys) -> None:
    (tmp_path / "cells.yaml").write_text(
        f"data: {class_folders.name}\nmodels: {{model: tiny_vit14, image_size: 14}}\n"
        "extract: {workers: 0}\nprobes: prototype\nseeds: [0, 1]\nresamples: 20\n"
    )
    assert not called("leaderboard", tmp_path / "cells.yaml", "--log", "mlflow")
    (run,) = runs
    assert run.values["films - tiny_vit14_14 - prototype_ seed 1/auroc"]
    assert run.values["cells/done"] == [1, 2]
    assert run.failed is False
    spotless(run, class_folders)
    assert "time: extraction " in capsys.readouterr().err
    assert called("leaderboard", "--log", "mlflow") == 2


def test_an_unknown_client_is_refused(class_folders, capsys) -> None:
    assert called("extract", *BACKBONE, "--data", class_folders, "--log", "neptune") == 2
    assert "neptune" in capsys.readouterr().err
