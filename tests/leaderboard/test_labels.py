"""What results are called."""

from __future__ import annotations

from featprobe.leaderboard.labels import backbone_name, probe_name, setting
from tests.test_results import result


def test_the_setting_says_what_was_chosen() -> None:
    linear = result(
        probe="logistic", params={"Cs": 0.001, "standardize": True}, searched=["Cs"]
    )  # fmt: skip
    assert (probe_name(linear), setting(linear)) == ("linear", "C=0.001")
    shots = result(
        probe="logistic", protocol="fewshot", shots=4, view="cls+mean",
        settings={"tries": 20, "by": "patient"},
    )  # fmt: skip
    assert probe_name(shots) == "fewshot logistic cls+mean"
    assert setting(shots) == "4 patients x 20"


def test_one_backbone_with_features_made_in_two_ways_is_told_apart() -> None:
    rows = [result(provenance={"key": {"recipe": r, "dataset": "d"}}) for r in ("all", "n=2")]
    names = {backbone_name(r, rows) for r in rows}
    assert len(names) == 2
    assert all(n.startswith("net #") for n in names)
    assert backbone_name(rows[0], rows[:1]) == "net"
    changed = [result(provenance={"key": {"dataset": d}}) for d in "de"]
    assert backbone_name(changed[0], changed) == "net"


def test_a_level_above_items_is_part_of_the_setting() -> None:
    assert setting(result(settings={"level": "patient"})) == "k=20, by patient"
