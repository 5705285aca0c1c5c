"""What a store is, whatever holds it: the key, the shards, the table of items."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from featprobe.store.format import FeatureKey, Items, Layout, plan_shard
from featprobe.testing.cases import make_items, make_key

CHANGES = [
    {"weights": "x"}, {"config": "x"}, {"preprocess": {}}, {"recipe": {}}, {"outputs": {"cls": 1}},
    {"precision": "bf16"}, {"dtype": "float32"}, {"dataset": "x"}, {"format": 2},
]  # fmt: skip


@pytest.mark.parametrize("change", CHANGES, ids=lambda c: next(iter(c)))
def test_every_field_of_the_key_changes_its_digest(change: dict) -> None:
    assert set(make_key().to_dict()) == {next(iter(c)) for c in CHANGES}
    assert make_key(**change).digest != make_key().digest
    assert make_key(**change).differences(make_key().to_dict()) == [next(iter(change))]
    assert FeatureKey(**make_key(**change).to_dict()) == make_key(**change)


@given(st.integers(1, 10**7), st.integers(1, 48), st.integers(1, 4096), st.integers(1, 256))
def test_shards_hold_whole_batches_and_stay_small(frames, blocks, width, batch) -> None:
    shard = plan_shard(frames, {"cls": (blocks, width)}, "float16", batch)
    assert shard % batch == 0
    assert shard == batch or shard * blocks * width * 2 <= 4 << 20
    layout = Layout(frames, shard, {"cls": (blocks, width)})
    assert layout.bounds(layout.shards - 1)[1] == frames


def test_small_sets_get_many_shards_and_large_ones_chunks_of_megabytes() -> None:
    arrays = {"cls": (4, 384)}
    assert -(-168 // plan_shard(168, arrays, "float16", 16)) >= 5
    large = plan_shard(112_120, arrays, "float16", 16)
    assert 2 << 20 <= large * 4 * 384 * 2 <= 4 << 20


def test_a_table_is_made_of_its_parts() -> None:
    table = make_items(5)
    columns = {n: getattr(table, n) for n in ("ids", "groups", "split")}
    again = Items.made(columns, table.targets, table.about)
    assert again.labels_digest == table.labels_digest
    assert again.classes == ("no", "yes")


def test_the_digest_of_labels_sees_labels_groups_and_split_and_no_names() -> None:
    table = make_items(6, groups=np.array(list("aabbcc")))
    renamed = make_items(6, groups=np.array(list("xxyyzz")), ids=np.array(list("123456")))
    assert renamed.labels_digest == table.labels_digest
    others = [
        make_items(6, groups=np.array(list("abbbcc"))),
        make_items(6, groups=table.groups, split=np.array(["test"] * 6)),
        make_items(6, groups=table.groups, targets=np.zeros(6, int)),
        make_items(6, groups=table.groups, classes=("a", "b")),
    ]
    assert len({t.labels_digest for t in [table, *others]}) == 5


def test_the_digest_of_a_table_sees_every_column_and_word() -> None:
    table = make_items(6)
    others = [
        make_items(6, groups=np.array(list("aabbcc"))),
        make_items(6, groups=np.array(list("xxyyzz"))),
        make_items(6, split=np.array(["test"] * 6)),
        make_items(6, targets=np.zeros(6, int)),
        make_items(6, targets=None, task=None, classes=()),
        make_items(6, classes=("a", "b")),
        make_items(6, group_origin="other"),
    ]
    assert len({t.table_digest for t in [table, *others]}) == 8
    assert make_items(6).table_digest == table.table_digest
