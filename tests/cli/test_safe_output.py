"""safe_output.py: control characters in names do not reach the terminal from any verb."""

from __future__ import annotations

import io
import os
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from featprobe.cli.safe_output import Edge, escaped, escaping


@given(st.text())
def test_nothing_that_is_printed_is_a_control_character(text: str) -> None:
    out = escaped(text)
    assert not [c for c in out if (ord(c) < 32 and c not in "\t\n\r") or 127 <= ord(c) < 160]
    if text.isprintable():
        assert out == text


def test_bytes_that_are_no_text_can_be_printed() -> None:
    name = os.fsdecode(b"a\xff.png")
    stream = io.TextIOWrapper(io.BytesIO(), encoding="utf-8")
    Edge(stream).write(name)  # type: ignore[arg-type]
    stream.flush()
    assert stream.buffer.getvalue() == b"a\\xff.png"  # type: ignore[attr-defined]


def test_the_streams_come_back() -> None:
    before = sys.stdout, sys.stderr
    with escaping():
        assert isinstance(sys.stdout, Edge)
    assert (sys.stdout, sys.stderr) == before


ESCAPE = "a\x1b[2J\x1b]0;x\x07b"


@pytest.fixture
def hostile(tmp_path: Path) -> Path:
    root = tmp_path / "films"
    for label, level in ((ESCAPE, 60), ("c", 120)):
        (root / label).mkdir(parents=True)
        for i in range(12):
            pixels = np.random.default_rng(i).integers(level, level + 60, (24, 24), dtype=np.uint8)
            Image.fromarray(pixels).save(root / label / f"{label}\x9b31m{i}.png")
    (root / f"x{ESCAPE}.png").write_bytes(b"no image")
    return root


@pytest.mark.parametrize("verb", [
    ["data", "check"], ["data", "split"], ["extract", "--model", "tiny_vit14", "--data"],
])  # fmt: skip
def test_verbs(verb: list[str], hostile: Path, tmp_path: Path, run) -> None:
    more = ["--out", tmp_path / "split.csv"] if verb[1] == "split" else []
    _, out, err = run(*verb, hostile, *more)
    for text in (out, err):
        assert not set(text) & {"\x1b", "\x07", "\x9b"}
    assert "\\x1b" in out + err or verb[1] == "split"
