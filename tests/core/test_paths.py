"""Paths as users write them."""

from __future__ import annotations

from pathlib import Path

from featprobe.core.paths import expanded


def test_a_tilde_is_filled_in_and_one_of_nobody_stays(monkeypatch) -> None:
    monkeypatch.setenv("HOME", "/somewhere")
    assert expanded("~/films") == Path("/somewhere/films")
    assert expanded("~nobody-is-called-so/films") == Path("~nobody-is-called-so/films")
