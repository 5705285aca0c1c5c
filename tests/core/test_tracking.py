"""Mirrors of metrics: what each client's own reader finds afterwards, and what is not sent."""

from __future__ import annotations

import json
import math
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

import pytest

from featprobe.core import tracking as module
from featprobe.core.errors import FeatprobeError, InputError, MissingExtra
from featprobe.core.tracking import track, tracked, tracking, within


class Kept:
    """A client that keeps what it is given."""

    made: ClassVar[list[Kept]] = []

    def __init__(self, name, config, folder) -> None:
        self.name, self.config, self.folder = name, config, folder
        self.logged: list[tuple[dict, int | None]] = []
        self.failed: bool | None = None
        Kept.made.append(self)

    def log(self, values, step) -> None:
        self.logged.append((dict(values), step))

    def close(self, failed: bool) -> None:
        self.failed = failed


@pytest.fixture
def kept(monkeypatch) -> list[Kept]:
    Kept.made = []
    monkeypatch.setitem(module.CLIENTS, "wandb", Kept)
    return Kept.made


def run_of(client: str, folder: Path) -> None:
    with tracking((client,), "finetune films", {"data": "films", "lr": 1e-3}, folder):
        track({"loss": 0.7, "val": math.nan}, 1)
        track({"loss": 0.5, "val": 0.9}, 2)
        with within("films / tiny"):
            track({"auroc": 0.8})


def test_without_a_client_nothing_happens() -> None:
    track({"loss": 1.0})
    assert not tracked()


def test_numbers_reach_the_client_by_place_and_step(kept, tmp_path: Path) -> None:
    run_of("wandb", tmp_path)
    (client,) = kept
    assert client.logged == [
        ({"loss": 0.7}, 1), ({"loss": 0.5, "val": 0.9}, 2), ({"films   tiny/auroc": 0.8}, None),
    ]  # fmt: skip
    assert client.config == {"data": "films", "lr": "0.001"}
    assert client.failed is False
    assert not tracked()


def test_a_run_that_fails_is_closed_as_such(kept, tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), tracking(("wandb",), "a", {}, tmp_path):
        raise ZeroDivisionError
    assert kept[0].failed is True
    assert not tracked()


def test_a_client_that_cannot_begin_is_one_line(monkeypatch, tmp_path: Path) -> None:
    def broken(*_given):
        raise RuntimeError("no\nserver")

    monkeypatch.setitem(module.CLIENTS, "wandb", broken)
    with pytest.raises(InputError, match="--log wandb: it cannot begin: RuntimeError: no server"):
        run_of("wandb", tmp_path)
    with pytest.raises(FeatprobeError, match="unknown log 'wanddb'. Did you mean 'wandb'"):
        run_of("wanddb", tmp_path)


def test_one_that_is_not_installed_names_its_extra(monkeypatch, tmp_path: Path) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "wandb", None)
    with pytest.raises(MissingExtra, match=r"pip install 'featprobe\[wandb\]'"):
        run_of("wandb", tmp_path)


def test_tensorboard_reads_the_numbers_back(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard", reason="tensorboard is not installed")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    run_of("tensorboard", tmp_path)
    found = EventAccumulator(str(tmp_path / "tensorboard")).Reload()
    losses = [(e.step, e.value) for e in found.Scalars("loss")]
    assert losses == [(1, pytest.approx(0.7)), (2, pytest.approx(0.5))]
    assert [e.value for e in found.Scalars("val")] == [pytest.approx(0.9)]
    assert found.Scalars("films   tiny/auroc")[0].step == 0


@pytest.mark.slow
def test_mlflow_reads_the_numbers_back(tmp_path: Path, monkeypatch) -> None:
    mlflow = pytest.importorskip("mlflow", reason="mlflow is not installed")
    address = f"sqlite:///{tmp_path / 'runs.db'}"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", address)
    mlflow.set_tracking_uri(address)
    run_of("mlflow", tmp_path)
    (run,) = mlflow.search_runs(experiment_names=["featprobe"], output_format="list")
    assert run.data.params == {"data": "films", "lr": "0.001"}
    assert run.data.metrics["loss"] == 0.5
    assert run.info.status == "FINISHED"
    history = mlflow.MlflowClient().get_metric_history(run.info.run_id, "loss")
    assert [(m.step, m.value) for m in history] == [(1, 0.7), (2, 0.5)]
    told = " ".join(sqlite3.connect(tmp_path / "runs.db").iterdump())
    assert str(Path(__file__).parent) not in told


@pytest.mark.slow
def test_wandb_keeps_the_numbers_offline(tmp_path: Path, monkeypatch) -> None:
    wandb = pytest.importorskip("wandb", reason="wandb is not installed")
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_SILENT", "true")
    run_of("wandb", tmp_path)
    wandb.teardown()  # its service, which writes behind, has ended then
    (file,) = tmp_path.rglob("run-*.wandb")
    from wandb.proto import wandb_internal_pb2

    rows, told = [], []
    for data in records(file.read_bytes()):
        record = wandb_internal_pb2.Record()
        record.ParseFromString(data)
        told.append(str(record))
        if record.WhichOneof("record_type") == "history":
            rows.append({
                "/".join(i.nested_key) or i.key: json.loads(i.value_json)
                for i in record.history.item
            })  # fmt: skip
    assert [r["loss"] for r in rows if "loss" in r] == [0.7, 0.5]
    assert [r["step"] for r in rows if "loss" in r] == [1, 2]
    assert any(0.8 in r.values() for r in rows)
    assert str(Path(__file__).parent) not in " ".join(told)


def records(data: bytes) -> Iterator[bytes]:
    """The records of a wandb file: LevelDB's log format behind seven bytes, blocks of 32 kB."""
    at, part = 7, b""
    while at + 7 <= len(data):
        left = 32768 - at % 32768
        if left < 7:
            at += left
            continue
        size, kind = int.from_bytes(data[at + 4 : at + 6], "little"), data[at + 6]
        part += data[at + 7 : at + 7 + size]
        at += 7 + size
        if kind in (1, 4):  # whole, or the last part of one
            yield part
            part = b""
