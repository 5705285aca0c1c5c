"""Parts of views: last blocks joined, and single blocks."""

from __future__ import annotations

import numpy as np
import pytest

import featprobe as fp
from featprobe.core.errors import InputError
from featprobe.features.view_names import one_block, single_block, view_part


def features(depth: dict | None = None) -> fp.FeatureSet:
    rng = np.random.default_rng(0)
    made = fp.FeatureSet.from_arrays({"cls": rng.normal(size=(8, 4, 3)),
                                      "mean": rng.normal(size=(8, 2, 5))})  # fmt: skip
    if depth:
        made.provenance["outputs"] = depth
    return made


def test_a_single_block_is_counted_from_the_end_or_from_the_first() -> None:
    f = features({"cls": 12, "mean": 12})
    whole = f.frames("cls")
    np.testing.assert_array_equal(f.x("cls@-1"), f.x("cls"))
    np.testing.assert_array_equal(f.x("cls@-3"), whole[:, 1])
    np.testing.assert_array_equal(f.x("cls@12"), whole[:, 3])
    np.testing.assert_array_equal(f.x("cls@9"), whole[:, 0])
    joined = f.x("cls@-2+mean@11")
    np.testing.assert_array_equal(joined, np.hstack([whole[:, 2], f.frames("mean")[:, 0]]))
    np.testing.assert_array_equal(f.x("cls:4"), whole.reshape(8, 12))  # as before


def test_what_is_not_there_says_what_is() -> None:
    f = features({"cls": 12, "mean": 12})
    with pytest.raises(InputError, match=r"no 'cls@-5': it has .* extract again with --blocks 5"):
        f.x("cls@-5")
    with pytest.raises(InputError, match=r"no 'mean@6': .* extract again with --blocks 7"):
        f.x("mean@6")
    with pytest.raises(InputError, match="the network has blocks 1 to 12"):
        f.x("cls@13")
    with pytest.raises(InputError, match="blocks 1 to 12|counted"):
        f.x("cls@0")
    with pytest.raises(InputError, match="count from the end, @-1 is the last"):
        features().x("cls@3")
    for text in ("cls@", "cls@x", "cls:2@3", "cls@1:2", "@3"):
        with pytest.raises(InputError, match="is not understood"):
            f.x(text)


def test_parts_are_read_as_words() -> None:
    assert view_part("cls", "") == ("cls", 1)
    assert view_part("cls:4", "") == ("cls", 4)
    assert view_part("cls@-4", "") == ("cls", 4)
    assert view_part("cls@9", "", 12) == ("cls", 4)
    assert one_block("cls@-1")
    assert not one_block("cls:1")
    assert single_block("cls+mean", 3) == "cls@-3+mean@-3"
    with pytest.raises(InputError, match="names blocks already"):
        single_block("cls:4", 1)
