"""Options of everything that is registered: refused or meant, never ignored and never a crash."""

from __future__ import annotations

import inspect
import math
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import pytest

from featprobe.cli.knn import PRESETS as KNN_PRESETS
from featprobe.core.errors import FeatprobeError, InputError
from featprobe.core.options import annotations_of, checked
from featprobe.evaluation.evaluate import make_probe
from featprobe.finetuning.recipes.base import Recipe
from featprobe.finetuning.recipes.named import RECIPES, make_recipe
from featprobe.finetuning.recipes.vpt import VPT
from featprobe.finetuning.request import request
from featprobe.finetuning.settings import Training
from featprobe.finetuning.studies import STUDIES
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
        make_probe(preset.probe, **preset.params).check_params()
    for values in KNN_PRESETS.values():
        given = {**values, "k": list(values["k"])}
        selectable(given.pop("select", "auto"))
        given.pop("one_se", None)
        made = make_probe(given.pop("probe"), **given)
        made.check_params()
        assert not made.idle()
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
