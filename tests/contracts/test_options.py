"""Options of everything that is registered: refused or meant, never ignored and never a crash."""

from __future__ import annotations

import inspect
import math
import re
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from featprobe.core.errors import FeatprobeError, InputError
from featprobe.core.fingerprint import digest
from featprobe.core.options import annotations_of, checked
from featprobe.evaluation.evaluate import make_probe
from featprobe.finetuning.recipes.base import Recipe
from featprobe.finetuning.recipes.named import RECIPES, make_recipe
from featprobe.finetuning.recipes.vpt import VPT
from featprobe.finetuning.request import Request, request
from featprobe.finetuning.settings import Training
from featprobe.finetuning.studies import STUDIES
from featprobe.leaderboard.finetune_request import make_finetune_request
from featprobe.probes.base import Probe
from featprobe.probes.presets import PRESETS
from featprobe.probes.registry import PROBES
from featprobe.probes.ridge import RidgeProbe
from featprobe.probes.selection import selectable
from tests.probes.every import QUICK

ODD: list[Any] = [
    "False", "x", "", -1, 0, 1.5, math.nan, math.inf, None, True, [], [1, "x"], {"a": 1}, object(),
]  # fmt: skip
OPTIONS = [(n, f.name) for n in RECIPES.names() for f in fields(RECIPES.get(n))]
PARAMETERS = [
    (n, p) for n in PROBES.names() for p in inspect.signature(PROBES.get(n)).parameters
]  # fmt: skip


def known(kind: Any, name: str, value: Any) -> None:
    """The value is one that the annotation allows."""
    checked(name, value, annotations_of(kind)[name], "the test")


@pytest.mark.parametrize(("recipe", "option"), OPTIONS)
def test_an_option_of_a_recipe_is_of_its_type_or_refused(recipe: str, option: str) -> None:
    for odd in ODD:
        try:
            made = make_recipe(recipe, **{option: odd})
        except FeatprobeError:
            continue
        known(type(made), option, getattr(made, option))


@pytest.mark.parametrize("name", [f.name for f in fields(Training)])
def test_a_setting_of_a_training_is_of_its_type_or_refused(name: str) -> None:
    for odd in ODD:
        try:
            made = Training(**{name: odd})
        except FeatprobeError:
            continue
        known(Training, name, getattr(made, name))


SETTINGS = [*OPTIONS, *(("full", f.name) for f in fields(Training))]
WRITTEN = [odd for odd in ODD if type(odd) is not object]  # what a YAML file can hold


def made_of(ask: Any) -> Request | str:
    """What is asked for, or the message of the error that refuses it."""
    try:
        found: Request = ask()
    except FeatprobeError as error:
        return str(error)
    return found


@pytest.mark.parametrize(("recipe", "name"), SETTINGS)
def test_the_verb_a_grid_and_a_preset_take_and_refuse_the_same(
    recipe: str, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The value of ``--set``, of an entry of a leaderboard's file, and of a preset of one's own."""
    # looked for at every name, which takes the time of all else together
    monkeypatch.setattr("importlib.metadata.entry_points", lambda **_: ())
    part = "options" if (recipe, name) in OPTIONS else "training"
    for odd in WRITTEN:
        if name == "seed" or (name == "lr" and isinstance(odd, list)):
            continue  # a grid has its own seed, and a list of rates is a grid
        (tmp_path / "preset.yaml").write_text(yaml.safe_dump({"recipe": recipe, part: {name: odd}}))
        entry = {"recipe": recipe, name: odd}
        verb = made_of(lambda: request(recipe, None, {name: odd}))  # noqa: B023
        grid = made_of(lambda: make_finetune_request(entry, tmp_path, 0, "entry 1"))  # noqa: B023
        preset = made_of(lambda: request(preset=str(tmp_path / "preset.yaml")))
        if isinstance(verb, str):
            assert "\n" not in verb
            assert isinstance(grid, str), (odd, verb)
            assert grid.startswith("entry 1: ")
            if odd not in (None, ""):
                assert isinstance(preset, str), (odd, verb)
                assert preset.startswith(f"{tmp_path / 'preset.yaml'}: {part}: "), preset
        else:
            assert not isinstance(grid, str), grid
            assert (grid.recipe, grid.training, grid.lrs) == (verb.recipe, verb.training, verb.lrs)
            assert preset == verb or name == "lr" or isinstance(odd, str)


@pytest.mark.parametrize(("recipe", "name"), SETTINGS)
def test_numbers_that_are_equal_are_one_setting(recipe: str, name: str) -> None:
    """3 and 3.0 are the same training, in the same folder, and a default is its own equal."""
    kind = RECIPES.get(recipe) if (recipe, name) in OPTIONS else Training
    default = next(f.default for f in fields(kind) if f.name == name)
    for number in (1, 2, 3, default):
        if type(number) not in (int, float) or number != int(number):
            continue
        found = []
        for value in (int(number), float(number), np.int64(number), np.float64(number)):
            try:
                found.append(kind(**{name: value}))
            except FeatprobeError:
                continue  # out of range, or a whole number is wanted
        assert len({digest(one.to_dict()) for one in found}) <= 1
        assert len(set(found)) <= 1
        if found and number == default:
            assert digest(found[0].to_dict()) == digest(kind().to_dict())


def test_rates_are_checked_before_anything_is_loaded(tmp_path: Path) -> None:
    file = tmp_path / "own.yaml"
    for text, said in (
        ("recipe: frozen\nlrs: [0.1, 0.2]", "training: frozen trains the head alone"),
        ("recipe: lora\nlrs: [0.1, -1]", "training: lr -1 must be positive"),
        ("recipe: lora\nrecipe: full", "'recipe' is there twice"),
        ("recipe: lora\noptions: {rnak: 2}", "options: recipe lora has no option 'rnak'"),
        ("recipe: lorra", "unknown recipe 'lorra'. Did you mean 'lora'"),
    ):
        file.write_text(text)
        with pytest.raises(FeatprobeError, match=f"{re.escape(str(file))}: .*{re.escape(said)}"):
            request(preset=str(file))
    for rates in ([1e-3, 1e-4], [1e-3, -1e-4]):
        with pytest.raises(InputError, match="frozen trains the head alone|lr -0.0001 must be"):
            request("frozen", None, {"lr": rates})


@pytest.mark.parametrize("option", ["deep", "prompts", "dropout"])
def test_every_recipe_refuses_a_word_for_a_number_or_a_truth(option: str) -> None:
    with pytest.raises(InputError, match=f"recipe vpt: {option} must be"):
        make_recipe("vpt", **{option: "False"})


def test_a_recipe_cannot_leave_out_the_checks() -> None:
    for name in ("__post_init__", "__init__"):
        with pytest.raises(TypeError, match=f"must not define {name}: define check"):
            type("Own", (VPT,), {name: lambda self: None})

    @dataclass(frozen=True)
    class Own(VPT):
        more: int = 1

        def check(self) -> None:
            """Checks nothing."""

    with pytest.raises(InputError, match="deep must be true or false, not 'False'"):
        Own(deep="False")  # type: ignore[arg-type]
    with pytest.raises(InputError, match="prompts=0 must be at least 1"):
        Own(prompts=0)
    with pytest.raises(InputError, match="more must be a whole number"):
        Own(more="3")  # type: ignore[arg-type]


@pytest.mark.parametrize(("probe", "parameter"), PARAMETERS)
def test_a_parameter_of_a_probe_is_meant_or_refused(probe: str, parameter: str) -> None:
    rng = np.random.default_rng(0)
    y = np.repeat([0, 1, 2], 12)
    x = rng.standard_normal((36, 4)).astype(np.float32) + y[:, None]
    kind = type(make_probe(probe))
    annotation = annotations_of(kind.__init__)[parameter]
    for odd in ODD:
        # a training that long is not meant by a test
        made = kind(**{**QUICK.get(probe, {}), parameter: odd})
        try:
            checked(parameter, odd, annotation, "the test")
        except InputError:
            for use in (lambda p: p.fit(x, y), lambda p: p.candidates(), fewshot(x, y)):
                with pytest.raises(InputError):
                    use(made)
            continue
        try:
            p = made.fit(x, y).predict_proba(x)
        except FeatprobeError:
            continue
        assert np.isfinite(p).all()


def fewshot(x: np.ndarray, y: np.ndarray) -> Any:
    return lambda probe: list(probe.score_tries(x, y, [np.arange(36)], x))


def test_a_probe_cannot_leave_out_the_checks() -> None:
    class Own(RidgeProbe):
        def __init__(self, alphas: float = 1.0, strong: bool = False) -> None:
            super().__init__(alphas)
            self.strong = strong

        def fit_candidates(self, x: np.ndarray, y: np.ndarray) -> Probe:
            return super().fit_candidates(x, y)

        def check(self) -> None:
            if self.alphas == 7.0:
                raise InputError("seven")

    x, y = np.eye(6), np.repeat([0, 1], 3)
    with pytest.raises(InputError, match="strong must be true or false, not 'no'"):
        Own(strong="no").fit_candidates(x, y)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="seven"):
        Own(7.0).fit_candidates(x, y)
    Own().fit_candidates(x, y)


def test_presets_are_made_of_options_there_are() -> None:
    for preset in PRESETS.values():
        selectable(preset.select)
        for variant in (preset, *preset.variants):
            made = make_probe(variant.probe, **variant.params)
            made.check_params()
            assert variant.probe not in ("knn", "mlknn") or not made.idle()
    for study in STUDIES:
        made_of = request(preset=study)
        assert isinstance(made_of.recipe, Recipe)
        assert not made_of.recipe.idle() + made_of.training.idle()


@pytest.mark.parametrize(
    ("probe", "params", "said"),
    [
        ("knn", {"vote": "uniform", "temperature": 0.5}, "temperature=0.5 has no effect with vote"),
        ("knn", {"index": "flat", "nprobe": 4}, "nprobe=4 has no effect with index=flat"),
        ("mlknn", {"index": "ivf", "ef": 4}, "ef=4 has no effect with index=ivf"),
        ("sgd", {"optimizer": "adamw", "momentum": 0.5}, "momentum=0.5 has no effect"),
        ("sgd", {"epochs": 2.0, "iterations": 10}, "iterations=10 has no effect"),
    ],
)
def test_a_parameter_without_effect_is_said(probe: str, params: dict, said: str) -> None:
    assert [text for text in make_probe(probe, **params).idle() if said in text]
    for name in params:  # alone each has one
        assert not make_probe(probe, **{name: params[name]}).idle() or name in ("ef", "nprobe")


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"momentum": 0.5}, "momentum=0.5 has no effect with optimizer=adamw"),
        ({"schedule": "constant", "final_lr": 0.1}, "final_lr=0.1 has no effect with schedule"),
        ({"steps": 10, "epochs": 3.0}, "epochs=3.0 has no effect with steps=10"),
    ],
)
def test_a_setting_without_effect_is_said(given: dict, said: str) -> None:
    assert any(said in text for text in Training(**given).idle())
    assert not Training().idle()
