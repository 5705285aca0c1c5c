"""Presets have the numbers of the studies, and those that the documentation says."""

from __future__ import annotations

from pathlib import Path

import pytest

from featprobe.backbones.offer import Offer
from featprobe.cli.knn import PRESETS as KNN
from featprobe.core.errors import FeatprobeError, MissingPath, UnknownName
from featprobe.finetuning.settings import Training
from featprobe.finetuning.studies import STUDIES, study
from featprobe.probes.presets import PRESETS, of_verb, preset

DOCS = Path(__file__).parents[2] / "docs" / "protocols.md"
WORDS = {"yes": True, "no": False, "-": None}


def table(section: str) -> dict[str, dict[str, str]]:
    """The table below a heading: for each preset what stands in each column."""
    text = DOCS.read_text(encoding="utf-8").split(f"## {section}\n")[1].split("\n## ")[0]
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in text.splitlines()
        if line.startswith("|")
    ]
    heads, body = rows[0], rows[2:]
    assert heads[0] == "preset"
    assert all(len(row) == len(heads) for row in body)
    return {row[0].strip("`"): dict(zip(heads, row)) for row in body}


def numbers(cell: str) -> list[float]:
    return [] if cell == "-" else [float(v) for v in cell.split(",")]


def number(cell: str) -> float | None:
    found = numbers(cell)
    return found[0] if found else None


def words(cell: str) -> list[str]:
    return [] if cell == "-" else [v.strip() for v in cell.split(",")]


TUNED, LINEAR, NEAREST = (
    table(s) for s in ("Fine-tuning", "Linear probes on frozen features", "Nearest neighbours")
)


def test_the_documentation_has_every_preset_and_no_other() -> None:
    assert set(TUNED) == set(STUDIES)
    assert set(LINEAR) == {n for n in PRESETS if not n.endswith("-knn")} - {"dinov2-logreg"}
    assert set(NEAREST) == set(KNN)
    assert len(STUDIES) == 6


@pytest.mark.parametrize("name", STUDIES)
def test_a_file_says_what_the_table_of_fine_tuning_says(name) -> None:
    said, made = TUNED[name], study(name)
    training = Training(**made.training)
    assert said["recipe"] == made.recipe
    assert numbers(said["grid"]) == list(made.lrs)
    assert words(said["augment"]) == list(training.augment)
    for column, value in {
        "lr": training.lr, "head lr": training.head_lr, "weight decay": training.weight_decay,
        "batch": training.batch, "epochs": training.epochs, "warm-up": training.warmup,
        "clip": training.clip, "patience": training.patience,
    }.items():  # fmt: skip
        assert number(said[column]) == value, column
    for column in ("optimizer", "schedule", "keep"):
        assert said[column] == getattr(training, column)


@pytest.mark.parametrize("name", LINEAR)
def test_a_frozen_preset_says_what_the_table_says(name) -> None:
    said, made = LINEAR[name], preset(name)
    p = made.params
    lrs = p["lr"] if isinstance(p["lr"], tuple) else [p["lr"]]
    assert said["probe"] == made.probe
    assert numbers(said["lr"]) == list(lrs)
    vit = Offer.of("vit", {"cls": 12, "mean": 12, "logits": 1}, "cls")
    assert words(said["views"]) == list(made.views.of(vit))
    assert WORDS[said["refit"]] == made.refit
    assert WORDS[said["scaled by batch / 256"]] == p.get("scale_lr")
    length, unit = said["length"].split()
    assert p[{"steps": "iterations", "epochs": "epochs"}[unit]] == int(length)
    for column in ("weight decay", "batch", "warm-up", "clip", "patience"):
        field = {"weight decay": "weight_decay", "warm-up": "warmup"}.get(column, column)
        assert number(said[column]) == p.get(field), column
    for column in ("optimizer", "schedule"):
        assert (WORDS.get(said[column], said[column])) == p.get(column)


@pytest.mark.parametrize("name", NEAREST)
def test_a_preset_of_neighbours_says_what_the_table_says(name) -> None:
    said, study = NEAREST[name], of_verb(name, "knn")
    made = {**study.params, "probe": study.probe}
    assert tuple(numbers(said["k"])) == made["k"]
    assert number(said["temperature"]) == made.get("temperature")
    for column in ("probe", "metric", "vote"):
        assert WORDS.get(said[column], said[column]) == made.get(column)


def test_one_study_has_the_same_numbers_frozen_and_unfrozen() -> None:
    for tuned, frozen in (("wacv", "wacv-linear"), ("medmnist", "medmnist-linear")):
        a, b = study(tuned).training, preset(frozen).params
        names = {"optimizer", "lr", "batch", "epochs", "weight_decay", "schedule", "warmup", "clip"}
        assert {n: a[n] for n in names & set(b)} == {n: b[n] for n in names & set(b)}
    a, b = study("freeze").training, preset("freeze").params
    assert all(a[n] == b[n] for n in ("lr", "batch", "epochs", "weight_decay"))
    assert study("medmnist").training["patience"] == preset("medmnist-linear").params["patience"]
    rad, heads = study("rad-full").training, preset("rad-linear").params
    names = ("optimizer", "momentum", "weight_decay", "batch", "epochs", "schedule")
    assert all(rad[n] == heads[n] for n in names)
    assert rad["head_lr"] in heads["lr"]


def test_rads_adapters_are_of_rank_48_and_all_three_share_their_training() -> None:
    full, lora, bitfit = (study(f"rad-{n}") for n in ("full", "lora", "bitfit"))
    assert full.training == lora.training == bitfit.training
    assert full.lrs == lora.lrs == bitfit.lrs == (1e-5, 1e-6, 1e-7)
    assert {n: lora.options[n] for n in ("rank", "alpha", "dropout")} == {
        "rank": 48, "alpha": 16, "dropout": 0.1,
    }  # fmt: skip
    assert lora.options["targets"] == ("qkv", "fc1", "fc2")
    assert not full.options
    assert not bitfit.options


@pytest.mark.parametrize("name", STUDIES)
def test_every_file_makes_a_recipe_and_says_where_it_comes_from(name) -> None:
    from featprobe.finetuning.recipes.named import make_recipe

    made = study(name)
    assert made.source
    assert made.differs
    assert Training(**made.training).standardize is False
    assert made.training["lr"] in (made.lrs or [made.training["lr"]])
    recipe = make_recipe(made.recipe, **made.options)
    assert recipe.name == made.recipe
    given = {k: list(v) if isinstance(v, tuple) else v for k, v in made.options.items()}
    assert given.items() <= recipe.to_dict().items()


def test_a_file_of_ones_own_is_a_study(tmp_path) -> None:
    file = tmp_path / "ours.yaml"
    file.write_text(
        "recipe: last-n\noptions: {blocks: 2}\nlrs: [1e-4, 1.0e-3]\n"
        "training: {lr: 1e-4, epochs: 3, augment: [flip], clip: null}\n"
    )
    made = study(str(file))
    assert (made.name, made.recipe, made.options) == ("ours", "last-n", {"blocks": 2})
    assert made.lrs == (1e-4, 1e-3)  # YAML reads 1e-4 as text
    assert Training(**made.training) == Training(lr=1e-4, epochs=3, augment=("flip",), clip=None)
    assert (made.source, made.differs) == ("", "")
    file.write_text("recipe: full\n")
    assert study(str(file)).training == {}


def test_an_unknown_study_offers_the_nearest() -> None:
    with pytest.raises(UnknownName, match="Did you mean 'rad-lora'"):
        study("rad-lra")
    with pytest.raises(MissingPath, match="no such file"):
        study("nowhere.yaml")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("- full\n", "needs at least 'recipe: NAME'"),
        ("training: {}\n", "needs at least 'recipe: NAME'"),
        ("recipe: [\n", "not readable as YAML"),
        ("recipe: full\ntrainin: {}\n", "unknown key 'trainin'. Did you mean 'training'"),
        ("recipe: full\ntraining: {epoch: 3}\n", "unknown key 'epoch'. Did you mean 'epochs'"),
        ("recipe: full\ntraining: [lr]\n", "training must be a mapping or null"),
        (
            "recipe: full\ntraining: {batch: many}\n",
            "batch must be a whole number, not 'many'",
        ),
        (
            "recipe: full\ntraining: {batch: 3.5}\n",
            "batch must be a whole number, not 3.5",
        ),
        ("recipe: full\ntraining: {lr: yes}\n", "lr must be a number or null, not True"),
        (
            "recipe: full\ntraining: {augment: [1]}\n",
            r"augment must be a list of names",
        ),
        ("recipe: full\ntraining: {optimizer: adamx}\n", "Did you mean 'adam"),
        ("recipe: full\ntraining: {lr: -1}\n", "training: lr -1 must be positive"),
        ("recipe: full\nlrs: 0.1\n", "ours.yaml: lrs must be a list of numbers"),
        ("recipe: full\nlrs: [0.1, -1]\n", "training: lr -1 must be positive"),
    ],
)
def test_mistakes_in_a_file_are_one_line_that_names_it(tmp_path, text, told) -> None:
    file = tmp_path / "ours.yaml"
    file.write_text(text)
    with pytest.raises(FeatprobeError, match=told) as caught:
        study(str(file))
    assert str(caught.value).startswith(str(file))
    assert len(str(caught.value).splitlines()) == 1
