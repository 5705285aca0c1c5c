"""Paths as users write them."""

from __future__ import annotations

from pathlib import Path

import pytest

import featprobe as fp
from featprobe.core.errors import FeatprobeError
from featprobe.core.paths import expanded
from featprobe.features.exchange.transfer import load


def test_a_tilde_is_filled_in_and_one_of_nobody_stays(monkeypatch) -> None:
    monkeypatch.setenv("HOME", "/somewhere")
    assert expanded("~/films") == Path("/somewhere/films")
    assert expanded("~nobody-is-called-so/films") == Path("~nobody-is-called-so/films")


@pytest.mark.parametrize("value", [-1, 2.5, ["films"], {"root": 1}, b"films", object()])
@pytest.mark.parametrize(
    "door",
    [
        lambda v: fp.load_dataset(v),
        lambda v: fp.load_dataset("digits", cache=v),
        lambda v: fp.load_dataset("digits", root=v),
        lambda v: fp.load_dataset("digits", split=v),
        lambda v: fp.load_backbone(v),
        lambda v: fp.load_backbone("tiny_vit14", weights=[v]),
        lambda v: fp.load_probe(v),
        lambda v: load(v, "."),
        lambda v: load("x.npz", v),
        lambda v: load("x.npz", ".", items=v),
    ],
)
def test_what_is_no_path_is_one_line_at_every_door(door, value, tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("FEATPROBE_CACHE", str(tmp_path))
    with pytest.raises(FeatprobeError) as caught:
        door(value)
    assert "\n" not in str(caught.value)
