"""core/text_columns.py: as numpy arrays of the same texts."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from featprobe.core import text_columns
from featprobe.core.text_columns import CodedTexts, PackedTexts, TextColumn, codes_of, each_text

TEXT = st.text(max_size=6).filter(lambda t: not t.endswith("\0"))  # numpy cuts zeros off
TEXTS = st.lists(TEXT | st.sampled_from(["a", "b", "", "ä/ö", "\udc80x"]), min_size=1, max_size=30)
MAKE = [PackedTexts, CodedTexts.of, lambda ts: CodedTexts.of(ts)[:], lambda ts: PackedTexts(ts)[:]]


@pytest.mark.parametrize("make", MAKE)
@given(TEXTS, st.data())
def test_a_column_is_the_array_of_its_texts(make, texts: list[str], data: st.DataObject) -> None:
    column, array = make(texts), np.array(texts)
    assert isinstance(column, TextColumn)
    assert len(column) == column.size == len(texts)
    assert column.shape == array.shape
    assert column.tolist() == list(column) == list(each_text(column)) == texts
    np.testing.assert_array_equal(np.asarray(column), array)
    rows = np.array(data.draw(st.lists(st.integers(0, len(texts) - 1), max_size=9)), np.int64)
    mask = np.array(data.draw(st.lists(st.booleans(), min_size=len(texts), max_size=len(texts))))
    for key in (rows, mask, slice(1, None, 2), slice(None), [0, len(texts) - 1]):
        assert column[key].tolist() == array[key].tolist()
    i = data.draw(st.integers(-len(texts), len(texts) - 1))
    assert column[i] == texts[i]
    assert isinstance(column[i], str)
    assert (column == texts[0]).tolist() == (array == texts[0]).tolist()
    assert (column != array).any() == np.False_
    assert texts[0] in column
    np.testing.assert_array_equal(np.unique(column), np.unique(array))
    np.testing.assert_array_equal(np.isin(column, texts[:2]), np.isin(array, texts[:2]))
    np.testing.assert_array_equal(np.concatenate([column, array]), np.concatenate([array, array]))
    assert column.astype(object).tolist() == texts
    for other in (pickle.loads(pickle.dumps(column)), copy.deepcopy(column), column.copy()):
        assert other.tolist() == texts


@given(TEXTS, st.data())
def test_codes_are_equal_where_texts_are(texts: list[str], data: st.DataObject) -> None:
    rows = np.array(data.draw(st.lists(st.integers(0, len(texts) - 1), max_size=20)), np.int64)
    drawn = [texts[i] for i in rows]
    for column in (CodedTexts.of(texts)[rows], PackedTexts(texts)[rows], np.array(texts)[rows]):
        codes = codes_of(column).tolist()
        assert len(set(codes)) == len(set(drawn)) == len(set(zip(codes, drawn)))
        assert set(codes) == set(range(len(set(drawn))))


def test_texts_of_one_mark_are_told_apart(monkeypatch) -> None:
    monkeypatch.setattr(text_columns, "hash", len, raising=False)
    texts = np.array(["ab", "c", "ba", "c", "ab"])
    assert codes_of(texts).tolist() == [0, 2, 1, 2, 0]
    assert codes_of(np.array(["ab", "c", "c"])).tolist() in ([0, 1, 1], [1, 0, 0])


@pytest.mark.parametrize("block", [1, 3, 1024])
def test_blocks_are_put_together(block: int, monkeypatch) -> None:
    monkeypatch.setattr(text_columns, "BLOCK", block)
    texts = ["a.hdr", "ä", "", "B.HDR", "c"] * 3
    column = PackedTexts(texts)
    assert list(column) == texts
    assert np.asarray(CodedTexts.of(texts)).tolist() == texts
    assert column.mention([".hdr"])
    assert not column.mention(["z", "ö"])


def test_a_column_is_not_written_to() -> None:
    with pytest.raises(TypeError):
        PackedTexts(["a"])[0] = "b"
