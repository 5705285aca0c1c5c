"""YAML files as users write them."""

from __future__ import annotations

import pytest

from featprobe.core.errors import InputError
from featprobe.core.yaml_file import read_yaml


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("? [1, 2]\n: 3\n", "line 1: a key must be a text"),
        ("a:\n  {[1]: 2}\n", "line 2: a key must be a text"),
        ("? {a: 1}\n: 2\n", "a key must be a text"),
        ("a: 1\na: 2\n", "line 2: 'a' is there twice"),
        ("a: {b: 1, ,[2, 3]: 4}\n", "not readable as YAML"),
        ("- 1\n", "what it needs"),
        ("\x00", "not readable as YAML"),
    ],
)
def test_a_mistake_is_one_line_with_its_place(text, why, tmp_path) -> None:
    file = tmp_path / "given.yaml"
    file.write_text(text)
    with pytest.raises(InputError, match=why) as caught:
        read_yaml(file, "what it needs")
    assert "\n" not in str(caught.value)


def test_numbers_as_people_write_them(tmp_path) -> None:
    file = tmp_path / "given.yaml"
    file.write_text("lr: 1e-4\nrates: [1E3, -2e+5]\n")
    assert read_yaml(file, "") == {"lr": 1e-4, "rates": [1000.0, -2e5]}
