"""Whether to compile: by the work that is expected, and where what was compiled is kept."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import Any

import pytest
import torch
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from torch._inductor.runtime.cache_dir_utils import default_cache_dir

import featprobe as fp
from featprobe.cli import extract as verb
from featprobe.core.errors import InputError
from featprobe.extraction import compiling
from featprobe.extraction.compiling import decide, flops_of, kind_of, settle_compiling
from featprobe.extraction.options import Options
from featprobe.extraction.resolve import settle
from tests.conftest import make_tiny

KINDS = st.sampled_from(["convolutions", "rotary", "attention", "unheard of"])
PRECISIONS = st.sampled_from(["float32", "bf16", "fp16", "bf16-pure"])


@pytest.mark.parametrize(
    ("frames", "gflop", "kind", "compiled"),
    [
        (1_000_000, 8.2, "convolutions", False),  # 55 s of work
        (100_000_000, 8.2, "convolutions", True),
        (1_000_000, 160, "rotary", True),
        (1_000_000, 160, "attention", False),  # gains a twentieth of 18 minutes
        (100_000_000, 160, "attention", True),
        (1000, 160, "rotary", False),
    ],
)
def test_a_card_compiles_where_much_is_to_do_and_much_is_gained(frames, gflop, kind, compiled):
    found = decide(frames, gflop * 1e9, kind, "cuda", "bf16")
    assert found.compiled is compiled
    assert found.why.startswith("compiled: " if compiled else "not compiled: ")
    assert f"{frames} frames" in found.why


@given(st.integers(0, 10**10), st.floats(0, 1e13), KINDS, PRECISIONS)
def test_more_work_never_speaks_against_compiling(frames, flops, kind, precision) -> None:
    less = decide(frames, flops, kind, "cuda", precision)
    assert not less.compiled or decide(2 * frames, flops, kind, "cuda", precision).compiled
    assert not less.compiled or decide(frames, flops, kind, "cuda", "float32").compiled


@given(st.integers(0, 10**10), st.floats(0, 1e13), PRECISIONS)
def test_what_gains_nothing_is_never_compiled(frames, flops, precision) -> None:
    assert not decide(frames, flops, "unheard of", "cuda", precision).compiled
    assert not decide(frames, flops, "attention", "mps", precision).compiled


def test_networks_are_told_apart_by_their_blocks() -> None:
    assert kind_of(make_tiny()) == "attention"
    for name, kind in (("resnet18", "convolutions"), ("dinov3_vits16", "rotary")):
        assert kind_of(fp.load_backbone(name, init="random", image_size=64)) == kind


def test_operations_are_those_of_the_products() -> None:
    layer = torch.nn.Linear(3 * 8 * 8, 5, bias=False)
    module = torch.nn.Sequential(torch.nn.Flatten(), layer)
    made = fp.Backbone.from_module(module, {"crop": 8})
    assert flops_of(made) == 2 * 3 * 8 * 8 * 5


@pytest.fixture
def clean(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("TORCHINDUCTOR_CACHE_DIR", "TORCHINDUCTOR_FX_GRAPH_CACHE"):
        monkeypatch.setenv(name, "")  # so that it is put back
        monkeypatch.delenv(name)
    monkeypatch.setattr(compiling, "missing", lambda device: "")


def settings(compiled: Any, **options: Any):
    return settle(Options(device="cpu", compiled=compiled, **options))


@pytest.mark.usefixtures("clean")
def test_what_is_compiled_is_kept_in_the_cache(tmp_path, monkeypatch) -> None:
    assert settle_compiling(make_tiny(), settings(False), 10, tmp_path).compiled is False
    assert "TORCHINDUCTOR_CACHE_DIR" not in os.environ
    assert settle_compiling(make_tiny(), settings(True), 10, tmp_path).compiled is True
    assert os.environ["TORCHINDUCTOR_CACHE_DIR"] == str(tmp_path / "compiled")
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", default_cache_dir())  # as torch itself sets it
    settle_compiling(make_tiny(), settings(True), 10, tmp_path / "b")
    assert os.environ["TORCHINDUCTOR_CACHE_DIR"] == str(tmp_path / "b" / "compiled")
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", "/of/the/user")
    settle_compiling(make_tiny(), settings(True), 10, tmp_path)
    assert os.environ["TORCHINDUCTOR_CACHE_DIR"] == "/of/the/user"


@pytest.mark.usefixtures("clean")
def test_the_work_of_a_process_decides(tmp_path, monkeypatch) -> None:
    asked: list[int] = []
    real = decide

    def watched(frames: int, *rest: Any):
        asked.append(frames)
        return real(frames, *rest)

    monkeypatch.setattr(compiling, "decide", watched)
    o = settings("auto", part=(2, 5))
    assert not settle_compiling(make_tiny(), o, 1000, tmp_path).compiled
    settle_compiling(make_tiny(), replace(o, devices=("cpu", "cpu"), part=(1, 1)), 1000, tmp_path)
    assert asked == [200, 500]


def test_a_machine_without_a_compiler_is_told(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(compiling.shutil, "which", lambda name: None)
    found = settle_compiling(make_tiny(), settings("auto"), 10**9, tmp_path)
    assert not found.compiled
    assert found.why == "not compiled: a C++ compiler (g++) is not installed"
    with pytest.raises(InputError, match=r"--compile on needs a C\+\+ compiler"):
        settle_compiling(make_tiny(), settings(True), 10, tmp_path)


def test_a_python_without_headers_is_told(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(compiling.shutil, "which", lambda name: "/usr/bin/g++")
    monkeypatch.setattr(compiling.sysconfig, "get_path", lambda name: str(tmp_path))
    with pytest.raises(InputError, match=r"--compile on needs Python.h \(python3-dev\)"):
        settle_compiling(make_tiny(), settings(True), 10, tmp_path)
    (tmp_path / "Python.h").touch()
    assert compiling.missing("cpu") == ""


def test_auto_is_in_the_record_of_the_run(class_folders, tmp_path) -> None:
    found = fp.extract(
        make_tiny(), fp.load_dataset(class_folders), cache=tmp_path, compiled="auto", device="cpu"
    )
    assert found.summary.notes["compile"].startswith("not compiled: ")
    assert found.summary.compiled is False


@pytest.mark.parametrize(
    ("typed", "meant"),
    [([], False), (["--compile"], True), (["--compile", "on"], True), (["--compile=off"], False),
     (["--compile", "auto"], "auto"), (["--compile", "graphs"], "graphs")],
)  # fmt: skip
def test_the_option_takes_a_word_or_none(typed, meant, monkeypatch, class_folders) -> None:
    seen: dict[str, Any] = {}

    def extract(*_args: Any, **options: Any) -> None:
        seen.update(options)
        raise InputError("seen")

    monkeypatch.setattr("featprobe.extraction.local.extract", extract)
    options = ["--model", "tiny_vit14", *typed, "--data", str(class_folders)]
    CliRunner().invoke(verb.command, options)
    assert seen["compiled"] == meant
