"""What a store is, whatever holds it: the key, the shards, the table of items."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from featprobe.backbones.spec import Preprocess
from featprobe.images.decoded_image import FrameRecipe
from featprobe.store.format import FeatureKey, Items, Layout, plan_shard
from featprobe.testing.cases import make_items, make_key


def changed(value: object) -> list[object]:
    """Other values of the same kind as a field's, however small the change."""
    if isinstance(value, dict):
        inside = [{**value, k: c} for k, v in value.items() for c in changed(v)]
        return [{**value, "new": 2}, *inside, *([{}] if value else [])]
    if isinstance(value, int):
        return [value + 1]
    return ["float32" if value == "float16" else f"{value}x"]


FIELDS = [f.name for f in dataclasses.fields(FeatureKey)]


@pytest.mark.parametrize("name", FIELDS)
def test_every_field_of_the_key_changes_its_digest(name: str) -> None:
    key = make_key(versions={"reader dicom": 2})
    others = changed(getattr(key, name))
    assert others
    for value in others:
        other = make_key(**{"versions": key.versions, name: value})
        assert other.digest != key.digest
        assert other != key
        assert FeatureKey(**other.to_dict()) == other
        told = other.differences(key.to_dict())
        assert told
        assert all("version of" in t if name == "versions" else t == name for t in told)


def test_a_key_is_made_of_everything_it_holds() -> None:
    more = {"parts": {"a": make_key().to_dict()}, "augmented": {"views": 2}}
    full = make_key(versions={"frames": 2}, reduction={"dim": 3}, **more)
    assert set(full.to_dict()) == set(FIELDS)


def test_every_part_of_preprocessing_and_frame_recipe_is_in_the_key() -> None:
    """One that is left out of ``to_dict`` would let two extractions share a store."""
    plain = Preprocess(resize=32, crop=(28, 28))
    others = {
        "resize": 30, "crop": (30, 28), "mean": (0.1, 0.456, 0.406), "std": (0.1, 0.224, 0.225),
        "interpolation": "bilinear", "pad": (32, 32), "channels": 1,
        "centre": "even",
    }  # fmt: skip
    names = [f.name for f in dataclasses.fields(Preprocess)]
    digests = {make_key(preprocess=plain.to_dict()).digest}
    for name in names:
        free = {"crop": None} if name == "pad" else {}  # no crop goes with it
        base = dataclasses.replace(plain, **free)
        made = dataclasses.replace(base, **{name: others[name]})
        assert made.to_dict() != base.to_dict()
        digests.add(make_key(preprocess=made.to_dict()).digest)
    recipe = {
        "plane": "axial", "intensity": "minmax", "frames": "n=2", "channels": "neighbours",
        "fit": "pad", "spacing": (1.0, 1.0, 2.0), "channel": 1, "key": "a",
        "modalities": ("t1", "t2"), "fusion": "late", "decode": "device",
    }  # fmt: skip
    rules = [f.name for f in dataclasses.fields(FrameRecipe)]
    for name in rules:
        more = {"modalities": ("t1", "t2")} if name == "fusion" else {}
        base = FrameRecipe(**more)
        made = dataclasses.replace(base, **{name: recipe[name]})
        assert made.to_dict() != base.to_dict()
        digests.add(make_key(recipe=made.to_dict()).digest)
    assert len(digests) == 1 + len(names) + len(rules)


def test_versions_of_one_are_as_absent_as_in_earlier_keys() -> None:
    plain = make_key()
    assert "versions" not in plain.to_dict()
    assert make_key(versions={"frames": 1, "reader dicom": 1}).digest == plain.digest
    assert make_key(versions={"frames": 1, "reader dicom": 2}).versions == {"reader dicom": 2}


def test_what_reads_pixels_is_not_in_a_lineage_and_what_a_backbone_does_is() -> None:
    plain = make_key()
    assert make_key(versions={"reader dicom": 2}, dataset="e").lineage == plain.lineage
    assert make_key(versions={"code": "0123"}).lineage != plain.lineage
    assert make_key(versions={"backbone": 2}).lineage != plain.lineage


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


@pytest.mark.parametrize("made", [make_key(), Layout(10, 4, {"cls": (1, 2)})])
def test_what_names_a_store_cannot_be_changed_behind_its_back(made: object) -> None:
    for field in dataclasses.fields(made):  # type: ignore[arg-type]
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(made, field.name, 7)
