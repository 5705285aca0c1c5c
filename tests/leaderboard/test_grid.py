"""The YAML of a leaderboard: what it means, and mistakes in it."""

from __future__ import annotations

import inspect
from dataclasses import fields
from pathlib import Path

import pytest
import yaml

from featprobe.core.errors import FeatprobeError
from featprobe.evaluation.evaluate import evaluate
from featprobe.evaluation.protocols import Full
from featprobe.finetuning.recipes.named import RECIPES
from featprobe.finetuning.settings import Training
from featprobe.leaderboard import finetune_request
from featprobe.leaderboard.grid import Grid, read
from featprobe.probes.presets import preset
from featprobe.probes.registry import PROBES

EXAMPLE = Path(__file__).parents[2] / "docs" / "examples" / "unfrozen.yaml"
LEAST = "data: digits\nmodels: tiny_vit14\nprobes: knn\n"


@pytest.fixture
def grid(tmp_path: Path):
    """Read a text as the file cells.yaml of a folder that has a folder films and a file w.pth."""
    (tmp_path / "films").mkdir()
    (tmp_path / "w.pth").touch()

    def make(text: str) -> Grid:
        (tmp_path / "cells.yaml").write_text(text)
        return read(tmp_path / "cells.yaml")

    return make


def test_the_least_has_the_defaults_of_the_verbs(grid) -> None:
    found = grid(LEAST)
    assert [d.text for d in found.data] == ["digits"]
    assert [(m.text, m.options) for m in found.models] == [("tiny_vit14", ())]
    assert [(p.name, p.refit, repr(p.probe)) for p in found.probes] == [
        ("knn", True, repr(PROBES.get("knn")()))
    ]
    default = inspect.signature(evaluate).parameters["resamples"].default
    assert (found.resamples, found.seeds) == (default, (0,))
    assert [p.make() for p in found.protocols] == [Full()]
    assert len(found.cells) == 1
    assert (found.metric, found.against, found.out, found.finetune) == (None, None, None, ())


def test_all_that_can_be_said_is_read(grid, tmp_path: Path) -> None:
    found = grid(
        """
        data: [digits, {data: ./films, name: nih, group: folder, spacing: 2, label: [a, b]},
               {data: chestmnist, option: {size: 64}}]
        models: [tiny_vit14, {model: tiny_vit14, init: random, seed: 3, image_size: 28},
                 {model: tiny_vit14, weights: w.pth}]
        extract: {blocks: 4, batch_size: 8, precision: float32, features: [cls, mean]}
        probes:
          - knn
          - {probe: logistic, refit: false, features: [cls+mean], Cs: [1e-2, 1]}
          - {preset: dinov2-linear, epochs: 5}
        finetune:
          - frozen
          - {recipe: last-n, blocks: 2, epochs: 10, lr: [1e-4, 1e-3], augment: [flip]}
          - {recipe: full, lr: 2e-5, model: {model: tiny_vit14, init: random}, name: from scratch}
          - {preset: rad-full, epochs: 5}
        subset: [0.1, 1]
        against: from scratch
        metric: f1
        resamples: 50
        seed: 7
        out: tables/one
        """
    )
    _, films, small = found.data
    assert films.text == str(tmp_path / "films")
    assert films.loading == {"name": "nih", "group": "folder", "spacing": 2, "label": ["a", "b"]}
    assert small.loading == {"size": 64}
    assert dict(found.models[1].options) == {"init": "random", "seed": 3, "image_size": 28}
    assert dict(found.models[2].options)["weights"] == (str(tmp_path / "w.pth"),)
    assert found.extract == {
        "blocks": 4, "batch_size": 8, "precision": "float32", "features": ("cls", "mean"),
    }  # fmt: skip

    _, linear, sgd = found.probes
    assert (linear.name, linear.refit, linear.how["view"]) == (
        "linear cls+mean", False, ["cls+mean"],
    )  # fmt: skip
    assert linear.probe.get_params()["Cs"] == [0.01, 1]
    study = preset("dinov2-linear")
    assert (sgd.name, sgd.refit, sgd.how["view"]) == ("sgd", study.refit, study.views)
    assert sgd.probe.get_params()["lr"] == study.params["lr"]
    assert sgd.probe.get_params()["epochs"] == 5

    frozen, last, scratch, rad = (t for _, t in found.finetune)
    assert frozen.name == "finetune frozen"
    assert frozen.training == Training(seed=7)
    assert last.recipe.to_dict() == {"blocks": 2}
    assert last.lrs == (1e-4, 1e-3)
    assert last.training == Training(epochs=10, augment=("flip",), seed=7)
    assert (scratch.name, scratch.lrs, scratch.training.lr) == ("from scratch", (), 2e-5)
    assert [own and dict(own.options) for own, _ in found.finetune] == [
        None, None, {"init": "random"}, None,
    ]  # fmt: skip
    assert rad.training.epochs == 5
    assert rad.recipe.name == "full"

    assert [p.make() for p in found.protocols] == [Full(subset=0.1), Full()]
    assert (found.against, found.metric) == ("from scratch", "f1")
    assert (found.resamples, found.seeds, found.out) == (50, (7,), tmp_path / "tables" / "one")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "a mapping is needed"),
        ("data: [", "not readable as YAML"),
        (LEAST + "seed: 1\nseed: 2\n", "'seed' is there twice"),
        ("model: tiny_vit14\ndata: digits", "unknown key 'model'. Did you mean 'models'?"),
        ("models: tiny_vit14\nprobes: knn", "'data' is needed"),
        ("data: digits\nprobes: knn", "'models' is needed"),
        ("data: digits\nmodels: tiny_vit14", "'probes' or 'finetune' is needed"),
        ("data: digits\nfinetune: [frozen]", "'models' is needed"),
        (LEAST.replace("digits", "digit"), "data: unknown data set 'digit': * 'digits'?"),
        (LEAST.replace("digits", "./fims"), "data: */fims: no such file or folder"),
        (LEAST.replace("digits", "3"), "data: a name or a mapping is needed, not 3"),
        (
            LEAST.replace("digits", "[digits, {data: films, groop: auto}]"),
            "data, entry 2: unknown key 'groop'. Did you mean 'group'?",
        ),
        (
            LEAST.replace("digits", "[{data: films, plane: axiall}]"),
            "data, entry 1: *'axiall'*Did you mean 'axial'?",
        ),
        (
            LEAST.replace("digits", "[{data: films, split: no.csv}]"),
            "data, entry 1: */no.csv: no such file",
        ),
        (LEAST.replace("digits", "[{name: x}]"), "data, entry 1: 'data' is needed"),
        (
            LEAST.replace("tiny_vit14", "[tiny_vit15]"),
            "models, entry 1: unknown model 'tiny_vit15'. Did you mean 'tiny_vit14'?",
        ),
        (LEAST.replace("tiny_vit14", "./vit"), "models: */vit: no such file or folder"),
        (
            LEAST.replace("tiny_vit14", "{model: tiny_vit14, weights: x.pth}"),
            "models: */x.pth: no such file",
        ),
        (
            LEAST.replace("tiny_vit14", "{model: tiny_vit14, init: zeros}"),
            "models: init can only be 'random', not 'zeros'",
        ),
        (
            LEAST.replace("tiny_vit14", "{model: tiny_vit14, image_size: big}"),
            "models: image_size must be a whole number or a list of whole numbers, not 'big'",
        ),
        (LEAST + "extract: {block: 4}", "extract: unknown key 'block'. Did you mean 'blocks'?"),
        (LEAST + "extract: {blocks: 0}", "extract: blocks 0 must be at least 1"),
        (LEAST + "extract: {precision: int8}", "extract: unknown precision 'int8'"),
        (LEAST + "extract: {features: clss}", "extract: unknown output 'clss'. Did you mean 'cls'"),
        (LEAST + "extract: 4", "extract must be a mapping, not 4"),
        (LEAST.replace("knn", "[knm]"), "probes, entry 1: unknown probe 'knm'. *'knn'"),
        (
            LEAST.replace("knn", "[knn, {probe: knn, kk: 5}]"),
            "probes, entry 2: unknown key 'kk'. Did you mean 'k'?",
        ),
        (
            LEAST.replace("knn", "{probe: knn, k: five}"),
            "probes: k must be a whole number or a list of whole numbers",
        ),
        (
            LEAST.replace("knn", "{probe: knn, features: [cls, men]}"),
            "probes: unknown output 'men'. Did you mean 'mean'?",
        ),
        (LEAST.replace("knn", "{probe: knn, pool: sum}"), "probes: unknown pooling 'sum'"),
        (
            LEAST.replace("knn", "{probe: knn, refit: 1}"),
            "refit must be true or false, not 1",
        ),
        (LEAST.replace("knn", "{k: 5}"), "probes: either 'probe' or 'preset' is needed"),
        (
            LEAST.replace("knn", "{preset: dinov2-liner}"),
            "probes: unknown preset 'dinov2-liner'. Did you mean 'dinov2-linear'?",
        ),
        (LEAST + "finetune: [frozn]", "finetune, entry 1: unknown recipe 'frozn'. *'frozen'"),
        (
            LEAST + "finetune: {recipe: full, epoch: 3}",
            "finetune: unknown key 'epoch'. Did you mean 'epochs'?",
        ),
        (
            LEAST + "finetune: {recipe: full, epochs: ten}",
            "finetune: *epochs must be a number, not 'ten'",
        ),
        (LEAST + "finetune: {recipe: full, epochs: 0}", "finetune: epochs 0 must be positive"),
        (LEAST + "finetune: {recipe: full, decoder: conv}", "add 'task: segmentation'"),
        (
            LEAST + "finetune: {recipe: full, task: multiclass}",
            "only 'task: segmentation' is given",
        ),
        (
            LEAST + "finetune: {recipe: full, task: segmentation, decoder: knn}",
            "decoder knn is nothing that a backbone trains through",
        ),
        (
            LEAST + "finetune: {recipe: full, task: segmentation, decoder: conv, widht: 3}",
            "unknown key 'widht'. Did you mean 'width'",
        ),
        (
            LEAST + "finetune: {recipe: full, task: segmentation, balanced: true}",
            "balanced has no effect on segmentation",
        ),
        (LEAST + "finetune: {recipe: full, lr: [1e-3, 0]}", "finetune: lr 0 must be positive"),
        (LEAST + "finetune: {recipe: full, optimizer: adan}", "Did you mean 'adam'"),
        (LEAST + "finetune: {recipe: full, preset: rad-full}", "either 'recipe' or 'preset'"),
        (LEAST + "finetune: {preset: rad-ful}", "finetune: unknown preset 'rad-ful'. *'rad-full'"),
        (
            LEAST + "finetune: [{recipe: full, model: tiny}]",
            "finetune, entry 1, model: unknown model 'tiny'",
        ),
        (LEAST + "subset: [0.5, 1.5]", "subset: subset 1.5 must be above 0 and at most 1"),
        (LEAST + "against: liner", "against: nothing here is called 'liner'. There: knn"),
        (LEAST + "metric: aurok", "metric: no metric 'aurok'. Did you mean 'auroc'?"),
        (LEAST + "resamples: 1", "resamples must be at least 10"),
        (LEAST + "seed: x", "seed must be a whole number, not 'x'"),
    ],
)
def test_a_mistake_is_one_line_with_the_file_and_the_place(grid, text: str, said: str) -> None:
    with pytest.raises(FeatprobeError) as error:
        grid(text)
    told = str(error.value)
    assert "cells.yaml" in told
    assert "\n" not in told
    rest = told
    for part in said.split("*"):
        assert part.strip() in rest, told
        rest = rest.partition(part.strip())[2]


def test_a_file_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(FeatprobeError, match=r"no\.yaml: no such file"):
        read(tmp_path / "no.yaml")


def test_the_name_of_a_probe_is_no_parameter_of_one_that_holds_another(grid) -> None:
    found = grid(LEAST.replace("knn", "{probe: calibrated}")).probes[0].probe
    assert repr(found) == repr(PROBES.get("calibrated")())


def test_no_key_of_a_fine_tuning_means_two_things() -> None:
    assert not {f.name for f in fields(Training)} & set(finetune_request.OWN)


def test_the_example_has_every_recipe() -> None:
    listed = yaml.safe_load(EXAMPLE.read_text())["finetune"]
    assert {e["recipe"] for e in listed} == set(RECIPES.names())
    found = read(EXAMPLE)
    assert len(found.finetune) == len(listed)
    assert found.against in {p.name for p in found.probes}


AXES = """
data: [digits, phantom_cxr]
models: [tiny_vit14, {model: tiny_vit14, init: random, image_size: 14}]
image_size: [28, 56]
extract: {blocks: 2}
probes: [knn, {probe: logistic, features: [cls, mean]}]
views: [cls, mean, "cls:2"]
protocols: [full, {protocol: cv, folds: 3}, {protocol: full, repeats: 4}]
subset: [0.1, 1]
finetune: [frozen, {recipe: full, model: {model: tiny_vit14, init: random}, name: scratch}]
"""


def test_every_combination_is_a_cell(grid) -> None:
    found = grid(AXES + "seeds: 3")
    assert [m.name for m in found.models] == [
        "tiny_vit14@28", "tiny_vit14@56", "tiny_vit14@14-random0",
    ]  # fmt: skip
    assert [p.name for p in found.probes] == ["knn", "knn mean", "knn cls:2", "linear"]
    assert [p.name for p in found.protocols] == [
        "10 % of train", "", "cv", "10 % of train, 4 splits", "4 splits",
    ]  # fmt: skip
    probes = 2 * 3 * 4 * 5
    trainings = 2 * 2 * (3 + 2)  # the whole split and a tenth; of its own model in each size
    assert len(found.cells) == probes + trainings
    assert len({c.name for c in found.cells}) == len(found.cells)


def test_seeds_are_of_split_probe_and_training(grid) -> None:
    text = LEAST.replace("knn", "[knn, mlp, {probe: sgd, seed: 5}]") + "finetune: frozen\n"
    found = grid(text + "seeds: [3, 4]")
    assert [c.seed for c in found.cells] == [3, 4] * 4
    by = {(c.work.name, c.seed): c for c in found.cells}
    assert by["mlp", 4].work.probe.get_params()["seed"] == 4
    assert by["sgd", 4].work.probe.get_params()["seed"] == 5  # the file says so
    assert by["finetune frozen", 4].work.training.seed == 4
    assert by["knn", 4].protocol.make(4) == Full(seed=4)
    one = grid(text + "seed: 3").cells[1]
    assert one.work.probe.get_params()["seed"] == 0  # as before there were several


def test_a_protocol_without_draws_has_one_seed(grid) -> None:
    found = grid(LEAST.replace("knn", "{probe: knn, k: 5}") + "protocols: [loo]\nseeds: [0, 1]")
    assert [(c.protocol.kind, c.seed) for c in found.cells] == [("loo", 0)]


def test_exclusions_leave_out_what_is_all_of_them(grid) -> None:
    whole = len(grid(AXES).cells)
    found = grid(AXES + "exclude: [{probe: knn, protocol: cv}, {data: phantom_cxr, view: 'cls:2'}]")
    assert not [c for c in found.cells if "knn" in c.work.names and c.protocol.kind == "cv"]
    assert whole - len(found.cells) == 2 * 3 * 3 + 3 * 4  # the cv of cls:2 counts once
    assert any(c.data.name == "digits" and "cls:2" in c.name for c in found.cells)
    only = grid(AXES + "exclude: {finetune: [frozen, scratch]}")
    assert all(c.probes for c in only.cells)


def test_only_some_data_sets_and_backbones_of_a_file(grid) -> None:
    found = grid(AXES)
    some = found.only(["digits"], ["tiny_vit14@28"])
    assert {(c.data.name, c.model.name) for c in some.cells} == {("digits", "tiny_vit14@28")}
    assert found.only([], ["tiny_vit14"]).cells == found.cells
    with pytest.raises(FeatprobeError, match=r"cells\.yaml: no cell has model 'tiny_vit15'. Did"):
        found.only([], ["tiny_vit15"])


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("protocols: [fewshots]", "protocols, entry 1: unknown protocol 'fewshots'. *'fewshot'"),
        ("protocols: {protocol: fewshot, shot: 5}", "protocols: unknown key 'shot'. *'shots'"),
        ("protocols: {protocol: fewshot, shots: 0}", "protocols: few-shot needs shots"),
        ("protocols: {protocol: fewshot, by: slide}", "protocols: few-shot by 'slide'"),
        ("protocols: {protocol: cv, folds: 2}", "protocols: 2 folds"),
        ("protocols: {protocol: cv, subset: 0.1}", "protocols: unknown key 'subset'"),
        ("protocols: {protocol: full, subset: -3}", "subset -3 must be above 0 and at most 1"),
        ("protocols: {folds: 3}", "protocols: 'protocol' is needed"),
        ("protocols: {protocol: full, repeats: 3}\nseeds: [0, 1]", "'repeats' and several seeds"),
        ("views: [cls, clss]", "probes: unknown output 'clss'. Did you mean 'cls'?"),
        ("views: 'cls:6'", "'cls:6' is of 6 blocks and 4 are stored: write 'extract: {blocks: 6}'"),
        ("views: 4", "views must be a name or a list of names, not 4"),
        ("image_size: big", "image_size must be a whole number or a list"),
        ("image_size: [28, 0]", "models: *image_size at least 1"),
        ("seeds: [0, 0]", "seeds [0, 0]: one is there twice"),
        ("seeds: [-1]", "seeds must be at least 0"),
        ("seed: 1\nseeds: [1, 2]", "'seed' is one and 'seeds' are several"),
        ("finetune: {recipe: frozen, seed: 1}\nseeds: [1, 2]", "finetune: 'seeds' says the seeds"),
        ("exclude: {data: digit}", "exclude: no cell has data 'digit'. Did you mean 'digits'?"),
        ("exclude: {probes: knn}", "exclude: unknown key 'probes'. Did you mean 'probe'?"),
        ("exclude: {seed: 3}", "exclude: no cell has seed 3"),
        ("exclude: {probe: knn}", "exclude: nothing is left"),
        ("include: [3]", "include must be a path or a list of paths, not 3"),
        ("include: no.yaml", "include: */no.yaml: no such file"),
        ("include: radd", "include: 'radd' is neither a file nor a ready leaderboard"),
        ("include: cells.yaml", "include: goes in a circle: cells.yaml > cells.yaml"),
    ],
)
def test_a_mistake_in_an_axis_is_one_line_too(grid, text: str, said: str) -> None:
    with pytest.raises(FeatprobeError) as error:
        grid(LEAST + text)
    rest = str(error.value)
    assert "cells.yaml" in rest
    assert "\n" not in rest
    for part in said.split("*"):
        assert part.strip() in rest, str(error.value)
        rest = rest.partition(part.strip())[2]


def test_what_cannot_be_together_names_the_way_out_and_it_works(grid) -> None:
    with pytest.raises(FeatprobeError, match="knn x loo: loo has no val to choose among settings"):
        grid(LEAST.replace("knn", "{probe: knn, k: [5, 20]}") + "protocols: loo")
    with pytest.raises(FeatprobeError, match="linear x fewshot: fewshot has no val to ch"):
        grid(LEAST.replace("knn", "{probe: linear, features: [cls, mean]}") + "protocols: fewshot")
    text = LEAST.replace("knn", "[{probe: knn, k: 5}, mlp]") + "protocols: [full, loo]\n"
    with pytest.raises(FeatprobeError) as error:
        grid(text)
    way = str(error.value).split("'")[-2]
    assert [c.work.name for c in grid(text + way).cells] == ["knn", "knn", "mlp"]


def test_files_add_up_and_the_including_one_has_the_last_word(grid, tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "images").mkdir()
    (tmp_path / "sub" / "base.yaml").write_text(
        "data: [./images]\nprobes: [knn, mlp]\nseeds: [0, 1]\nmetric: f1\nout: one\n"
        "extract: {blocks: 2, dtype: float32}\ninclude: deeper.yaml"
    )
    (tmp_path / "sub" / "deeper.yaml").write_text("models: tiny_vit14\nmetric: ap\nprobes: knn")
    found = grid(
        "include: [sub/base.yaml, sub/deeper.yaml]\ndata: digits\nprobes: [ridge]\n"
        "extract: {blocks: 3}\nmetric: auroc"
    )
    assert [d.text for d in found.data] == [str(tmp_path / "sub" / "images"), "digits"]
    assert [p.name for p in found.probes] == ["knn", "mlp", "ridge"]
    assert (found.seeds, found.metric) == ((0, 1), "auroc")
    assert found.extract == {"blocks": 3, "dtype": "float32"}
    assert found.out == tmp_path / "sub" / "one"
    assert grid("include: sub/base.yaml\nseed: 7").seeds == (7,)


@pytest.mark.parametrize(
    ("base", "said"),
    [
        ("probes: [knn, knm]", "base.yaml: probes, entry 2: unknown probe 'knm'"),
        ("metric: aurok", "base.yaml: metric: no metric 'aurok'"),
        ("extract: {block: 3}", "base.yaml: extract: unknown key 'block'"),
        ("probe: knn", "base.yaml: unknown key 'probe'"),
        ("include: cells.yaml", "base.yaml: include: goes in a circle: cells.yaml > base.yaml > "),
    ],
)
def test_a_mistake_is_said_of_the_file_that_it_is_in(grid, tmp_path: Path, base, said) -> None:
    (tmp_path / "base.yaml").write_text(base)
    with pytest.raises(FeatprobeError) as error:
        grid(LEAST + "include: base.yaml")
    assert said in str(error.value)


def test_the_file_of_the_documentation_is_read(grid, tmp_path: Path) -> None:
    text = (EXAMPLE.parents[1] / "how-to.md").read_text()
    block = next(b for b in text.split("```") if b.startswith("yaml\ninclude: common.yaml"))
    (tmp_path / "common.yaml").write_text("metric: auroc\n")
    found = grid(block.removeprefix("yaml\n"))
    assert found.metric == "auroc"
    assert len(found.seeds) == 3
    kinds = {c.protocol.kind for c in found.cells if "logistic" in c.work.names}
    assert kinds == {"full", "fewshot", "cv"}


def test_a_backbone_with_another_transform_is_another_row(tmp_path: Path) -> None:
    lines = (
        "data: digits\nprobes: knn\n"
        "models: [tiny_vit14, {model: tiny_vit14, transform: freeze}, "
        "{model: tiny_vit14, transform: authors, image_size: 56}]\n"
    )
    (tmp_path / "cells.yaml").write_text(lines)
    names = [c.model.name for c in read(tmp_path / "cells.yaml").cells]
    assert names == ["tiny_vit14", "tiny_vit14@freeze", "tiny_vit14@56"]
    (tmp_path / "cells.yaml").write_text(lines.replace("freeze", "frieze"))
    with pytest.raises(FeatprobeError, match="models, entry 2: --transform 'frieze'.*'freeze'"):
        read(tmp_path / "cells.yaml")


def test_a_data_set_has_a_transform_of_its_own_over_that_of_each_backbone(tmp_path: Path) -> None:
    """WACV: mean and deviation of each data set; mammograms and chest films as one channel."""
    lines = (
        "data: [digits, {data: digits, name: grey, transform: 'stats=chexpert,channels=1'}]\n"
        "models: [tiny_vit14, {model: dinov2_vits14, transform: wacv}]\nprobes: knn\n"
        "finetune: [{recipe: frozen}, {recipe: frozen, model: tiny_vit14, name: own}]\n"
        "exclude: {model: tiny_vit14, probe: knn, data: digits}\n"
    )
    (tmp_path / "cells.yaml").write_text(lines)
    found = {(c.data.name, c.model.name) for c in read(tmp_path / "cells.yaml").cells}
    assert found == {
        ("digits", "tiny_vit14"), ("digits", "dinov2_vits14@wacv"),
        ("grey", "tiny_vit14@statschexpert-channels1"),
        ("grey", "dinov2_vits14@wacv-statschexpert-channels1"),
    }  # fmt: skip
    for wrong, message in (("chexpret", "Did you mean 'chexpert'"), ("chexpert,", "''")):
        (tmp_path / "cells.yaml").write_text(lines.replace("chexpert", wrong))
        with pytest.raises(FeatprobeError, match=f"data, entry 2: --transform .*{message}"):
            read(tmp_path / "cells.yaml")
