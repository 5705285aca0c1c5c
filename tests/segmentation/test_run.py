"""A decoder under every protocol on tokens that tell the mask."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from featprobe.core.errors import InputError
from featprobe.evaluation import results
from featprobe.evaluation.protocols import CrossVal, Full
from featprobe.leaderboard.board import build
from featprobe.leaderboard.compare import compare
from featprobe.leaderboard.rank_ranges import RankRanges
from featprobe.segmentation.decoders.named import make_decoder
from featprobe.segmentation.items import MaskedItems
from featprobe.segmentation.partition import Shots, split_items
from featprobe.segmentation.run import segment
from featprobe.segmentation.training import Training
from tests.segmentation.phantoms import Phantoms

QUICK = Training(lr=(1e-4, 3e-2), epochs=15, min_steps=1, batch=8)
LINEAR = make_decoder("linear")


@pytest.fixture(scope="module")
def items() -> MaskedItems:
    return MaskedItems(Phantoms(items=60, frames=2))


def test_val_chooses_a_rate_and_test_is_scored_in_voxels(
    items: MaskedItems, tmp_path: Path
) -> None:
    (r,) = segment(items, LINEAR, training=QUICK, cache=tmp_path, save=True)
    assert r.params["lr"] == 3e-2
    assert r.searched == ["lr"]
    assert r.metrics["dice"] > 0.8
    assert {f"dice:{c}" for c in items.foreground} <= r.metrics.keys()
    low, high = r.ci["dice"]
    assert low < r.metrics["dice"] < high
    assert r.ci_method["dice"] == "patient bootstrap, logit scale"
    assert r.sizes["test"] == 12
    (again,) = results.read(tmp_path)
    assert again.to_json() == r.to_json()
    scored = results.scored(tmp_path, again)
    assert scored.mean(["dice"])["dice"] == pytest.approx(r.metrics["dice"])
    json.loads(r.to_json())


@pytest.mark.slow
def test_a_run_is_the_same_again_and_another_seed_is_not(items: MaskedItems) -> None:
    one, same = (segment(items, LINEAR, training=QUICK)[0].metrics["dice"] for _ in range(2))
    assert one == same
    other = segment(items, LINEAR, training=QUICK, seeds=[1])[0].metrics["dice"]
    assert one != other
    (both,) = segment(items, LINEAR, training=QUICK, seeds=[0, 1])
    assert both.metrics["dice"] == pytest.approx((one + other) / 2, abs=1e-4)
    assert both.spread["dice"] == pytest.approx(abs(one - other) / np.sqrt(2), abs=1e-4)
    assert "scores of items are means over 2 seeds" in both.notes


@pytest.mark.slow
def test_folds_test_every_item_once(items: MaskedItems, tmp_path: Path) -> None:
    (r,) = segment(items, LINEAR, CrossVal(3), QUICK, cache=tmp_path, save=True)
    assert r.sizes["test"] == len(items)
    assert len(r.params["lr"]) == 3
    scored = results.scored(tmp_path, r)
    assert scored.rows is not None
    assert sum(map(len, scored.rows)) == len(items)
    assert scored.mean(["dice"])["dice"] == pytest.approx(r.metrics["dice"])


def test_few_shots_leave_val_alone_and_are_part_of_more(items: MaskedItems) -> None:
    protocol = Shots((1, 4), tries=2)
    one, four = segment(items, LINEAR, protocol, QUICK)
    assert (one.shots, four.shots) == (1, 4)
    assert one.val == {}
    assert one.metrics["dice"] < four.metrics["dice"] + 0.05
    train = split_items(items, protocol).train
    assert set(protocol.of(items, train, 2, 1)) <= set(protocol.of(items, train, 4, 1))
    spaced = Shots((3,), draw="spaced")
    assert spaced.tries == 1
    rows = spaced.of(items, train, 3, 0)
    assert len(set(np.diff(np.searchsorted(train, rows)))) <= 2
    assert len(spaced.of(items, train, 500, 0)) == len(train)


@pytest.mark.slow
def test_results_are_ranked_and_tested_as_of_classification(
    items: MaskedItems, tmp_path: Path
) -> None:
    weak = Phantoms(items=60, frames=2, noise=3.0)
    weak.backbone = "blurred"
    for one in (items, MaskedItems(weak)):
        segment(one, LINEAR, training=QUICK, cache=tmp_path, save=True)
    found = results.read(tmp_path)
    rows = build(found, stand=RankRanges(tmp_path))
    assert [r.rank for r in rows] == [1, 2]
    assert rows[0].result.backbone == "told"
    assert rows[0].metric == "dice"
    (made,), _ = compare(tmp_path, found)
    assert made.values[1] > made.values[0]
    assert made.p < 0.05
    far, _ = compare(tmp_path, found, "hd95")
    assert far[0].difference > 0


def test_parts_share_no_patient_and_an_official_split_is_kept() -> None:
    phantoms = Phantoms(items=20, each=2)
    split = split_items(MaskedItems(phantoms), Full())
    parts = [set(phantoms.groups[getattr(split, n)]) for n in ("train", "val", "test")]
    assert not parts[0] & parts[1] | parts[0] & parts[2] | parts[1] & parts[2]
    phantoms.split[:] = np.repeat(["train", "val", "test"], [12, 4, 4])
    split = split_items(MaskedItems(phantoms), Full())
    assert split.test.tolist() == [16, 17, 18, 19]


def test_labels_that_overlap_are_segmented(tmp_path: Path) -> None:
    (r,) = segment(
        MaskedItems(Phantoms(items=30, frames=2, multilabel=True)), LINEAR, training=QUICK
    )
    assert r.classes == 3
    assert r.metrics["dice"] > 0.7


def test_a_class_that_a_part_lacks_is_said() -> None:
    phantoms = Phantoms(items=20, frames=2)
    phantoms.split[:] = np.repeat(["train", "val", "test"], [12, 4, 4])
    for i in range(12):
        phantoms.values[i][phantoms.values[i] == 2] = 0
    (r,) = segment(MaskedItems(phantoms), LINEAR, training=QUICK)
    assert any("no train item has organ2: it cannot be learnt" in n for n in r.notes)
    assert any("count the diagonal" in n for n in r.notes)
    assert r.metrics["dice:organ2"] < 0.2
    for i in range(16, 20):
        phantoms.values[i][phantoms.values[i] == 2] = 0
    (r,) = segment(MaskedItems(phantoms), LINEAR, training=QUICK)
    assert np.isnan(r.metrics["dice:organ2"])
    assert r.metrics["dice"] == r.metrics["dice:organ1"]


def test_items_without_masks_are_left_out_and_none_is_refused() -> None:
    phantoms = Phantoms(items=20)
    phantoms.there[:4] = False
    split = split_items(MaskedItems(phantoms), Full())
    assert not {0, 1, 2, 3} & {*split.train, *split.val, *split.test}
    phantoms.there[:] = False
    with pytest.raises(InputError, match="no item has a mask"):
        split_items(MaskedItems(phantoms), Full())


def test_tokens_that_are_not_finite_name_the_item() -> None:
    phantoms = Phantoms(items=20)
    phantoms.stored[3][0, -1, 0, 0, 0] = np.nan
    with pytest.raises(InputError, match="item-03: its tokens are NaN or infinite"):
        segment(MaskedItems(phantoms), LINEAR, training=QUICK)


def test_what_makes_no_sense_is_one_line(items: MaskedItems) -> None:
    with pytest.raises(InputError, match="decoders are chosen by dice or log_loss"):
        segment(items, LINEAR, training=QUICK, select="auroc")
    with pytest.raises(InputError, match="takes the tokens of the last 4 blocks, and 2 are stored"):
        segment(items, make_decoder("multi"), training=QUICK)
