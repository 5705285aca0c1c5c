"""Values against annotations."""

from __future__ import annotations

import pytest

from featprobe.annotations import allowed, in_words


@pytest.mark.parametrize(
    ("value", "kind", "fits"),
    [
        (3, "int", True),
        (3, "float", True),
        (2.5, "int", False),
        (True, "int", False),
        (True, "bool", True),
        (None, "float | None", True),
        (None, "float", False),
        ("mean", "str | Sequence[str]", True),
        (["cls", "mean"], "str | Sequence[str]", True),
        (["cls", 1], "str | Sequence[str]", False),
        ([1, 5], "int | Sequence[int]", True),
        ([], "int | Sequence[int]", False),
        (["flip"], "tuple[str, ...]", True),
        ([], "tuple[str, ...]", True),
        ("flip", "tuple[str, ...]", False),
        ([1, 2.5, 3], "tuple[float, float, float] | None", True),
        ({"k": 5}, "dict[str, Any] | None", True),
        ({"0": 1.0}, "str | Mapping[int, float] | None", True),
        ({"k": 5}, "float", False),
        (object(), "Any", True),
    ],
)
def test_what_fits_an_annotation(value, kind, fits) -> None:
    assert allowed(value, kind) is fits


def test_an_annotation_in_words() -> None:
    assert in_words("float | Sequence[float] | None") == "a number or a list of numbers or null"
