"""Graphs of a card, by a stand-in that replays as one does: over the same memory, nothing new."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

import featprobe as fp
from featprobe.cli.main import main
from featprobe.core import devices
from featprobe.core.errors import InputError
from featprobe.extraction import device, engine, graphs
from featprobe.extraction.compiling import settle_compiling
from featprobe.extraction.device import Forward
from featprobe.extraction.graphs import Outputs, Replayed
from featprobe.extraction.options import Options
from featprobe.extraction.resolve import settle
from tests.conftest import make_tiny

SIZE = (3, 28, 28)


class Card:
    """Records as a card does: outputs keep their memory, and a replay writes into it."""

    def __init__(self, error: BaseException | None = None) -> None:
        self.error, self.recorded, self.replays = error, 0, 0

    def __call__(self, run: Callable[[], Outputs], where: torch.device) -> tuple[Outputs, Any]:
        if self.error:
            raise self.error
        self.recorded += 1
        with torch.inference_mode():
            kept = {name: value.clone() for name, value in run().items()}

        def replay() -> None:
            self.replays += 1
            for name, value in run().items():
                kept[name].copy_(value)

        return kept, SimpleNamespace(replay=replay)


def forward_with(card: Card, backbone: Any, batch: int) -> Forward:
    forward = Forward(backbone, {"cls": 2, "mean": 1}, "float32", batch, graphs=True)
    assert forward.replayed is not None
    forward.replayed.record = card
    return forward


@pytest.fixture
def whole(monkeypatch: pytest.MonkeyPatch) -> None:
    """Batches are not cut into the pieces that suit a CPU."""
    monkeypatch.setattr(devices, "NEAR", 1000)


@pytest.mark.usefixtures("whole")
def test_whole_batches_are_replayed_and_a_short_one_runs_as_it_is(tiny_backbone) -> None:
    card = Card()
    forward = forward_with(card, tiny_backbone, 6)
    plain = Forward(tiny_backbone, {"cls": 2, "mean": 1}, "float32", 6)
    batches = [torch.randn(n, *SIZE) for n in (6, 6, 2, 6)]
    found = [forward(x) for x in batches]  # all on their way before the first is looked at
    assert (card.recorded, card.replays) == (1, 3)
    for x, one in zip(batches, found):
        for name, values in plain(x).arrays().items():
            np.testing.assert_array_equal(one.arrays()[name], values)


@pytest.mark.usefixtures("whole")
def test_what_comes_in_may_be_written_over_afterwards(tiny_backbone) -> None:
    forward = forward_with(Card(), tiny_backbone, 4)
    x = torch.randn(4, *SIZE)
    expected = tiny_backbone.forward(x, {"cls": 2, "mean": 1})["cls"].numpy()
    first = forward(x)
    x.zero_()
    forward(x)
    np.testing.assert_array_equal(first.arrays()["cls"], expected)


def test_another_shape_is_recorded_anew_and_memory_given_back() -> None:
    card = Card()
    replayed = Replayed(lambda x: {"mean": x.mean((1, 2, 3))}, card)
    for n, whole in ((4, 4), (4, 4), (2, 2), (1, 2)):
        x = torch.randn(n, *SIZE)
        assert torch.equal(replayed(x, whole)["mean"], x.mean((1, 2, 3)))
    assert (card.recorded, card.replays) == (2, 3)
    replayed.forget()
    assert replayed._graph is None
    assert replayed._outputs == {}
    replayed(torch.randn(2, *SIZE), 2)
    assert card.recorded == 3


@pytest.mark.usefixtures("whole")
def test_a_network_that_cannot_be_recorded_runs_as_it_is_and_says_so(tiny_backbone) -> None:
    card = Card(RuntimeError("operation not permitted when stream is capturing\nmore"))
    forward = forward_with(card, tiny_backbone, 4)
    x = torch.randn(4, *SIZE)
    out = forward(x).arrays()["cls"]
    np.testing.assert_array_equal(out, tiny_backbone.forward(x, {"cls": 2})["cls"].numpy())
    card.error = None
    forward(x)
    assert card.recorded == 0  # it is not tried again
    assert forward.replayed.why == (
        "not recorded as a graph: RuntimeError: operation not permitted when stream is capturing "
        "more"
    )


@pytest.mark.usefixtures("whole")
@pytest.mark.parametrize(
    "error", [torch.OutOfMemoryError("CUDA out of memory"), RuntimeError("CUDA out of memory.")]
)
def test_too_little_memory_for_the_graph_halves_the_batch(tiny_backbone, error) -> None:
    class Small(Card):
        def __call__(self, run, where):
            found = super().__call__(run, where)
            if len(found[0]["cls"]) > 4:
                raise error
            return found

    card = Small()
    forward = forward_with(card, tiny_backbone, 16)
    x = torch.randn(16, *SIZE)
    out = forward(x).arrays()["cls"]
    assert forward.batch == 4
    assert forward.replayed.why == ""
    assert card.replays == 4
    np.testing.assert_allclose(out, tiny_backbone.forward(x, {"cls": 2})["cls"], atol=1e-5)


def as_a_card(monkeypatch: pytest.MonkeyPatch, record: Card) -> None:
    """The CPU is taken for a card by what decides; graphs are the stand-in's."""
    real = Forward

    def made(*args: Any) -> Forward:
        forward = real(*args)
        if forward.replayed:
            forward.replayed.record = record
        return forward

    monkeypatch.setattr(engine, "Forward", made)
    monkeypatch.setattr("featprobe.extraction.local.settle", lambda o: plain_settings(o))


def plain_settings(options: Options):
    import dataclasses

    compiled = options.compiled
    return dataclasses.replace(
        settle(dataclasses.replace(options, compiled=False)), compiled=compiled, streams=1
    )


@pytest.mark.usefixtures("whole")
def test_an_extraction_is_the_same_with_graphs(class_folders, tmp_path, monkeypatch) -> None:
    data = fp.load_dataset(class_folders)
    plain = fp.extract(make_tiny(), data, cache=tmp_path / "a", batch_size=16, device="cpu")
    card = Card()
    as_a_card(monkeypatch, card)
    found = fp.extract(
        make_tiny(), data, cache=tmp_path / "b", batch_size=16, device="cpu", compiled="graphs"
    )
    assert found.key.digest == plain.key.digest
    assert (card.recorded, card.replays) == (1, 2)  # 40 frames
    np.testing.assert_array_equal(found.x("cls:2+mean"), plain.x("cls:2+mean"))
    assert found.summary.compiled is False
    assert found.summary.notes["compile"] == "whole batches are replayed as a CUDA graph"


def test_the_record_of_a_run_says_that_nothing_was_replayed(
    class_folders, tmp_path, monkeypatch
) -> None:
    as_a_card(monkeypatch, Card(RuntimeError("no")))
    data = fp.load_dataset(class_folders)
    found = fp.extract(
        make_tiny(), data, cache=tmp_path, batch_size=16, device="cpu", compiled="graphs"
    )
    assert found.summary.notes["compile"] == "not recorded as a graph: RuntimeError: no"
    assert len(found) == 40


def test_a_cpu_has_no_graphs_and_the_user_is_told(class_folders, tmp_path, capsys) -> None:
    with pytest.raises(InputError, match="--compile graphs is for CUDA devices and this is cpu"):
        settle(Options(device="cpu", compiled="graphs"))
    words = ["extract", "--model", "tiny_vit14", "--data", str(class_folders)]
    words += ["--device", "cpu", "--compile", "graphs", "--cache", str(tmp_path / "c")]
    with pytest.raises(SystemExit, match="2"):
        main(words)
    [line] = capsys.readouterr().err.splitlines()
    assert "--compile graphs is for CUDA devices and this is cpu; leave it out" in line
    assert not (tmp_path / "c" / "features").exists()


def test_a_card_takes_graphs_without_a_compiler(tiny_backbone, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr("featprobe.extraction.compiling.missing", lambda device: "a compiler")
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    monkeypatch.setattr("torch.cuda.device_count", lambda: 1)
    o = settle(Options(device="cuda", compiled="graphs"))
    assert settle_compiling(tiny_backbone, o, 10, tmp_path).compiled == "graphs"


def test_recording_warms_up_aside_and_records_on_the_device(monkeypatch) -> None:
    events: list[str] = []

    class Stream:
        def __init__(self, name: str = "aside") -> None:
            self.name = name

        def wait_stream(self, other: Stream) -> None:
            events.append(f"{self.name} waits for {other.name}")

    class Within:
        def __init__(self, what: Any, **options: Any) -> None:
            self.what = getattr(what, "name", what)
            assert options in ({}, {"capture_error_mode": "thread_local"})

        def __enter__(self) -> None:
            events.append(f"in {self.what}")

        def __exit__(self, *_: Any) -> None:
            events.append(f"out of {self.what}")

    cuda = SimpleNamespace(
        device=Within, stream=Within, Stream=Stream, graph=Within, CUDAGraph=lambda: "graph",
        current_stream=lambda: Stream("main"),
    )  # fmt: skip
    monkeypatch.setattr(graphs, "torch", SimpleNamespace(cuda=cuda))

    def run() -> Outputs:
        events.append("run")
        return {}

    assert graphs.record_on_card(run, torch.device("cuda:1")) == ({}, "graph")
    assert events == [
        "in cuda:1", "aside waits for main", "in aside", "run", "run", "run", "out of aside",
        "main waits for aside", "in graph", "run", "out of graph", "out of cuda:1",
    ]  # fmt: skip


def test_features_on_their_way_are_waited_for_on_their_own_card(monkeypatch) -> None:
    asked: list[Any] = []
    event = SimpleNamespace(record=asked.append, synchronize=lambda: None)
    monkeypatch.setattr(device.torch.cuda, "Event", lambda: event)
    monkeypatch.setattr(device.torch.cuda, "current_stream", lambda where: f"stream of {where}")
    real = torch.empty
    monkeypatch.setattr(
        device.torch, "empty", lambda *a, pin_memory=False, **k: real(*a, **k)
    )  # fmt: skip
    forward = Forward(SimpleNamespace(device=torch.device("cuda:1")), {"cls": 1}, "float32", 4)
    host = forward._to_host({"cls": torch.ones(4, 1, 2)})
    assert asked == ["stream of cuda:1"]
    assert host.arrays()["cls"].sum() == 8
