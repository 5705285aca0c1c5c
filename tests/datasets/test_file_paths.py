"""datasets/file_paths.py: as a list of tuples of paths, and as text."""

from __future__ import annotations

import os
from pathlib import Path
from unittest.mock import patch

from hypothesis import given
from hypothesis import strategies as st

from featprobe.core import text_columns
from featprobe.datasets.file_paths import FilePaths, ItemNames

NAMES = st.binary(min_size=1, max_size=6).filter(lambda b: not set(b) & set(b"\0/."))
ITEMS = st.lists(st.lists(NAMES.map(os.fsdecode), max_size=3).map(tuple), max_size=5)


@given(ITEMS, st.sampled_from(["", ".", "a folder/ä"]))
def test_text_and_paths_are_those_that_were_given(items, folder: str) -> None:
    """Also names that are no text in the encoding of the file system."""
    found = FilePaths(items, folder)
    assert list(found) == [tuple(Path(folder, n) for n in item) for item in items]
    texts = [found.texts(i) for i in range(len(found))]
    assert [tuple(map(Path, item)) for item in texts] == list(found)
    assert [n for item in texts for n in item] == list(found.names())
    assert list(found.sizes()) == list(map(len, items))
    names = ItemNames(items)
    assert list(names) == [names[i] for i in range(len(names))] == items
    rows = list(range(len(items)))[::-2]
    assert list(names.take(rows)) == [items[i] for i in rows]
    assert names.single == all(len(item) == 1 for item in items)


@given(st.lists(st.text("aB.hdr/é", max_size=9), max_size=2000), st.sampled_from([1, 3, 1024]))
def test_blocks_of_names_are_the_names(names, block: int) -> None:
    """Some blocks are ASCII throughout and some are not."""
    with patch.object(text_columns, "BLOCK", block):
        found = FilePaths((n,) for n in names)
        assert list(found.names()) == names
    assert found.mention([".hdr"]) == (".hdr" in "".join(names).lower())
    assert not found.mention(["z"])
