"""Extraction that is stopped, split, starved of memory or compiled."""

from __future__ import annotations

import json
import os
import signal
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

import featprobe as fp
from featprobe.core import devices
from featprobe.core.errors import InputError, Unfinished
from featprobe.extraction import device, stopping
from featprobe.extraction.device import Forward
from featprobe.extraction.options import Options
from featprobe.extraction.pipeline import Times
from featprobe.extraction.resolve import settle
from featprobe.extraction.summary import bottleneck
from featprobe.finetuning.export import export
from featprobe.store.zarr import ZarrStore
from tests.conftest import make_tiny
from tests.extraction import commands, moments
from tests.extraction.films import class_films

# -- parts ----------------------------------------------------------------------------------------


def test_parts_fill_one_store_that_equals_a_whole_run(tiny_backbone, class_folders, tmp_path):
    data = fp.load_dataset(class_folders)
    whole = fp.extract(tiny_backbone, data, cache=tmp_path / "whole", batch_size=4)
    for i in (3, 1, 2):
        if i != 2:
            with pytest.raises(Unfinished, match=f"part {i} of 3 is done; .* other parts") as stop:
                fp.extract(tiny_backbone, data, cache=tmp_path / "c", batch_size=4, part=(i, 3))
            assert stop.value.code == 0
    parts = fp.extract(tiny_backbone, data, cache=tmp_path / "c", batch_size=4, part=(2, 3))
    assert 0 < parts.summary.new_frames < 40
    assert parts.key.digest == whole.key.digest
    for name in ("cls", "mean"):
        assert parts.frames(name).tobytes() == whole.frames(name).tobytes()


@pytest.mark.parametrize("text", ["0/3", "4/3", "x", "1/", "1/0", "-1/2"])
def test_a_part_that_is_none_is_refused(text, class_folders, capsys) -> None:
    from featprobe.cli.main import main

    with pytest.raises(SystemExit) as stop:
        main([
            "extract", "--model", "resnet18", "--init", "random", "--image-size", "32",
            "--data", str(class_folders), "--shard", text,
        ])  # fmt: skip
    assert stop.value.code == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert "--shard" in error


# -- signals --------------------------------------------------------------------------------------


@pytest.fixture
def films(tmp_path: Path) -> Path:
    return class_films(tmp_path / "films", 100)


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_finishes_the_shard_in_flight_and_says_how_to_go_on(films, tmp_path, number):
    command = (
        "extract", "--model", commands.save_tiny(tmp_path / "tiny"), "--batch-size", 4,
        "--workers", 1, "--data", films, "--cache", tmp_path / "c", "--quiet",
    )  # fmt: skip
    code, error = commands.run(
        tmp_path / "said", *command, first=partial(moments.after_shards, 3, number)
    )
    assert code == 128 + number
    assert "Traceback" not in error
    assert "stopping after the shard in flight" in error
    assert "of 200 frames are in the cache; the same command goes on from there" in error
    (path,) = (tmp_path / "c").glob("features/*/*.zarr")
    status = ZarrStore.open(path).status()
    done = int((status == 1).sum())
    assert 0 < done < 200
    assert str(done) in error
    code, said = commands.run(tmp_path / "said", *command, "--json")
    assert code == 0
    assert json.loads(said)["new_frames"] == 200 - done


def test_a_second_signal_is_the_systems_own() -> None:
    before = [signal.getsignal(n) for n in stopping.SIGNALS]  # ignored in a shell's background
    with stopping.Stopping() as stop:
        assert not stop.requested
        os.kill(os.getpid(), signal.SIGTERM)
        assert stop.requested
        assert stop.signal == signal.SIGTERM
        assert [signal.getsignal(n) for n in stopping.SIGNALS] == before
    assert [signal.getsignal(n) for n in stopping.SIGNALS] == before


# -- memory ---------------------------------------------------------------------------------------


class Starved:
    """A backbone whose device holds so many frames at a time."""

    def __init__(self, backbone, most: int) -> None:
        self.inner, self.most, self.sizes = backbone, most, []
        self.name, self.device = backbone.name, backbone.device

    def forward(self, x, wanted, precision):
        self.sizes.append(len(x))
        if len(x) > self.most:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 1 GiB")
        return self.inner.forward(x, wanted, precision)


@pytest.fixture
def whole(monkeypatch) -> None:
    """Batches are not cut into the pieces that suit a CPU."""
    monkeypatch.setattr(devices, "NEAR", 1000)


@pytest.mark.usefixtures("whole")
def test_too_little_memory_halves_the_batch_and_goes_on(tiny_backbone) -> None:
    starved = Starved(tiny_backbone, most=5)
    forward = Forward(starved, {"cls": 2, "mean": 1}, "float32", 16)
    x = torch.randn(16, 3, 28, 28)
    out = forward(x).arrays()
    expected = tiny_backbone.forward(x, {"cls": 2, "mean": 1})
    assert forward.batch == 4
    assert forward.halved == 2
    assert starved.sizes == [16, 8, 4, 4, 4, 4]
    for name, value in expected.items():
        np.testing.assert_allclose(out[name], value.numpy(), atol=1e-5)
    forward(x[:3])
    assert starved.sizes[-1] == 3


def test_too_little_memory_for_one_frame_is_told(tiny_backbone) -> None:
    forward = Forward(Starved(tiny_backbone, most=0), {"cls": 1}, "float32", 4)
    with pytest.raises(InputError, match="too little memory for one frame; use a smaller"):
        forward(torch.randn(4, 3, 28, 28))


def test_other_errors_of_the_device_are_not_taken_for_memory(tiny_backbone) -> None:
    broken = Starved(tiny_backbone, most=9)
    broken.inner = type("Broken", (), {"forward": lambda *_: torch.zeros(2) @ torch.zeros(3)})()
    with pytest.raises(RuntimeError, match="inconsistent tensor size"):
        Forward(broken, {"cls": 1}, "float32", 4)(torch.randn(4, 3, 28, 28))


@pytest.mark.usefixtures("whole")
def test_a_run_short_of_memory_says_which_batch_size_suffices(class_folders, monkeypatch) -> None:
    from featprobe.backbones.base import Backbone

    real = Backbone.forward

    def forward(self, x, *rest):
        if len(x) > 4:
            raise MemoryError
        return real(self, x, *rest)

    monkeypatch.setattr(Backbone, "forward", forward)
    features = fp.extract(make_tiny(), fp.load_dataset(class_folders), batch_size=16)
    assert len(features) == 40
    assert "--batch-size 4 starts there" in features.summary.notes["memory"]


# -- what suits a CPU ----------------------------------------------------------------------------


def test_a_batch_goes_through_a_cpu_in_pieces_of_a_few_frames_a_thread(
    tiny_backbone, monkeypatch
) -> None:
    def few(where, most, threads, size):  # frames of 28 pixels are many
        assert (where.type, size) == ("cpu", (28, 28))
        return devices.frames_at_once(where, most, threads, (224, 224))

    monkeypatch.setattr(device, "frames_at_once", few)
    watched = Starved(tiny_backbone, most=1000)
    x = torch.randn(30, 3, 28, 28)
    with device.Streams(2) as streams:
        threads = streams.threads
        forward = Forward(watched, {"cls": 2, "mean": 1}, "float32", 24, streams=streams)
        out = [forward(part).arrays() for part in x.split(24)]
    n = devices.NEAR * threads
    assert watched.sizes == [len(p) for part in x.split(24) for p in part.split(n)]
    for name, value in tiny_backbone.forward(x, {"cls": 2, "mean": 1}).items():
        got = np.concatenate([o[name] for o in out])
        np.testing.assert_allclose(got, value.numpy(), atol=1e-5)
    assert forward.batch == 24


def test_convolutions_run_channels_last_with_the_same_features(class_folders, tmp_path) -> None:
    backbone = fp.load_backbone("resnet18", init="random", image_size=64)
    data = fp.load_dataset(class_folders)
    convolution = next(m for m in backbone.module.modules() if isinstance(m, torch.nn.Conv2d))
    x = torch.randn(3, 3, 64, 64)
    before = backbone.forward(x)["mean"]
    first = backbone.weights_sha256
    fp.extract(backbone, data, cache=tmp_path)
    assert convolution.weight.is_contiguous(memory_format=torch.channels_last)
    del backbone.__dict__["weights_sha256"]
    assert backbone.weights_sha256 == first
    torch.testing.assert_close(backbone.forward(x)["mean"], before, rtol=1e-4, atol=1e-5)
    export(backbone, tmp_path / "export", {"dataset": "none"})
    assert convolution.weight.is_contiguous()
    assert torch.equal(backbone.forward(x)["mean"], before)


# -- compiled -------------------------------------------------------------------------------------


@pytest.mark.slow
def test_compiled_blocks_give_the_same_features_for_one_shape(class_folders, tmp_path, monkeypatch):
    shapes: list[tuple[int, ...]] = []
    real = torch.compile

    def watched(function, dynamic=None):
        assert dynamic is False

        def run(x, *rest, **keywords):
            shapes.append(tuple(x.shape))
            return compiled(x, *rest, **keywords)

        compiled = real(function, dynamic=dynamic, backend="aot_eager")
        return run

    monkeypatch.setattr(torch, "compile", watched)
    data = fp.load_dataset(class_folders)
    plain = fp.extract(make_tiny(), data, dtype="float32", cache=tmp_path / "p", batch_size=16)
    fast = fp.extract(
        make_tiny(), data, dtype="float32", cache=tmp_path / "f", batch_size=16, compiled=True
    )
    np.testing.assert_allclose(fast.x("cls:2+mean"), plain.x("cls:2+mean"), atol=1e-5)
    assert set(shapes) == {(16, 5, 32)}  # 40 frames: the last batch of 8 was filled up


def test_a_compiled_network_sees_one_shape_in_pieces_that_suit_a_cpu(tiny_backbone) -> None:
    sizes: list[int] = []
    forward = Forward(tiny_backbone, {"cls": 1}, "float32", 16)
    forward.compiled, forward.threads = True, 1
    real = tiny_backbone.forward

    def watched(x, *rest):
        sizes.append(len(x))
        return real(x, *rest)

    forward.backbone = SimpleNamespace(forward=watched, device=tiny_backbone.device, name="x")
    x = torch.randn(10, 3, 28, 28)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(device, "frames_at_once", lambda *_: 4)  # as 224 pixels have it
        out = forward(x).arrays()["cls"]
    assert sizes == [4, 4, 4]
    np.testing.assert_allclose(out, real(x, {"cls": 1})["cls"].numpy(), atol=1e-5)


# -- where the time went --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("times", "options", "told"),
    [
        ({"blocked": 5.0}, {}, "writing"),
        ({"wait": 5.0}, {"workers": 1}, "decoding: --workers"),
        ({"wait": 5.0}, {"workers": 1000}, "with all cores"),
        ({"device": 9.0}, {}, "on this CPU"),
    ],
)
def test_the_bottleneck_is_named_with_what_relieves_it(times, options, told, monkeypatch) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: 8)
    settings = settle(Options(device="cpu", **options))
    assert told in bottleneck(Times(**times), 10.0, settings)


def test_the_summary_says_where_the_time_went(tiny_backbone, class_folders) -> None:
    features = fp.extract(tiny_backbone, fp.load_dataset(class_folders))
    summary = features.summary
    assert set(summary.times) == {"decode", "wait", "device", "write", "blocked"}
    assert summary.rate > 0
    assert summary.bottleneck
    stored = features.store.attributes["summary"]
    assert stored["rate"] == summary.rate
    assert stored["bottleneck"] == summary.bottleneck


# -- tokens ---------------------------------------------------------------------------------------


def test_tokens_are_stored_as_a_grid(tiny_backbone, class_folders) -> None:
    data = fp.load_dataset(class_folders)
    features = fp.extract(
        tiny_backbone, data, features=["cls", "tokens:2"], dtype="float32", batch_size=8
    )
    stored = features.frames("tokens")
    assert stored.shape == (40, 2, 2, 2, 32)
    picture = data.open(5)
    x = tiny_backbone.prepare(picture.pixels, 0, 255)
    direct = tiny_backbone.forward(x, blocks=2, outputs=["tokens"])["tokens"].numpy()
    np.testing.assert_allclose(stored[5], direct[0], atol=1e-5)
    assert features.x().shape == (40, 32)
    with pytest.raises(InputError, match="a grid for every frame"):
        features.x("tokens")
