"""What results are called."""

from __future__ import annotations

from featprobe.finetuning.settings import Training
from featprobe.leaderboard.row_labels import backbone_name, probe_name, row, setting
from tests.evaluation.test_results import result


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


def tuned(**changes):
    """A fine-tuned result as a training leaves it, with the settings of its defaults."""
    training = {k: v for k, v in Training().to_dict().items() if k not in ("seed", "refit")}
    given = {"recipe": "lora", "rank": 8, "bias": "none", **training, **changes.pop("params", {})}
    settings = {"seed": 0, "refit": False, **changes.pop("settings", {})}
    return result(
        probe="finetune", **{"params": given, "settings": settings, "searched": [], **changes}
    )


def test_a_fine_tuning_is_called_by_its_recipe_or_by_the_users_name() -> None:
    assert probe_name(tuned()) == "finetune lora"
    assert probe_name(tuned(view="cls+mean")) == "finetune lora cls+mean"
    named = tuned(settings={"label": "from scratch"})
    assert probe_name(named) == "from scratch"
    assert named.cell != tuned().cell


def test_the_setting_of_a_fine_tuning_is_what_val_chose_and_what_is_unusual() -> None:
    assert setting(tuned(params={"lr": 1e-3}, searched=["lr"])) == "lr=0.001, rank=8"
    assert setting(tuned(params={"lr": 1e-3})) == "lr=0.001, rank=8"
    roles = tuned(params={"targets": ["qkv", "fc1"]}, settings={"usual": ["rank"]})
    assert setting(roles) == "targets=qkv+fc1"
    assert setting(tuned(params={"rank": 4, "epochs": 5})) == "rank=4, epochs=5"
    many = {"rank": 4, "epochs": 5, "batch": 8, "optimizer": "sgd", "clip": None, "ema": 0.9}
    said = "lr=0.1, rank=4, epochs=5, batch=8, optimizer=sgd, clip=None, ..."
    assert setting(tuned(params=many | {"lr": 0.1})) == said
    assert setting(tuned(settings={"refit": True})) == "rank=8, refit"
    assert setting(tuned(params={"recipe": "frozen", "rank": None, "lr": 1e-4})) == ""
    some = tuned(params={"rank": None}, settings={"subset": 0.1})
    assert setting(some) == "10 % of train"


def test_a_probe_that_was_not_fitted_again_says_so() -> None:
    linear = {"probe": "logistic", "params": {"Cs": 0.1}, "searched": ["Cs"]}
    assert setting(result(**linear, settings={"refit": False})) == "C=0.1, no refit"
    assert setting(result(**linear, settings={"refit": True})) == "C=0.1"


def test_features_of_a_training_mark_no_backbone() -> None:
    frozen = [result(provenance={"key": {"dtype": d, "dataset": "d"}}) for d in ("a", "b")]
    trained = [tuned(provenance={"key": {"dtype": d, "dataset": "d"}}) for d in ("x", "y")]
    both = [frozen[0], *trained]
    assert {backbone_name(r, both) for r in both} == {"net"}
    every = [*frozen, *trained]
    assert [backbone_name(r, every) for r in trained] == ["net", "net"]
    assert all(backbone_name(r, every).startswith("net #") for r in frozen)


def test_a_sentence_names_its_row_with_or_without_a_setting() -> None:
    plain, searched = result(probe="ridge", params={}, searched=[]), result()
    assert setting(plain) == ""
    assert row(plain) == f"{plain.dataset} / {plain.backbone}"
    assert row(searched) == f"{searched.dataset} / {searched.backbone}, k=20"
