"""Presets have the numbers of the studies that they are named after."""

from __future__ import annotations

import math

import numpy as np
import pytest

from featprobe.core.errors import UnknownName
from featprobe.evaluation.evaluate import make_probe
from featprobe.probes.presets import PRESETS, preset


def heads(name: str) -> int:
    made = preset(name)
    return len(make_probe(made.probe, **made.params).candidates()) * made.views.most


def test_dinov2s_linear_protocol_has_52_heads() -> None:
    p = preset("dinov2-linear").params
    assert heads("dinov2-linear") == 52
    assert len(p["lr"]) == 13
    assert (min(p["lr"]), max(p["lr"])) == (1e-5, 0.1)
    assert (p["batch"], p["iterations"], p["scale_lr"]) == (128, 12_500, True)
    assert (p["optimizer"], p["momentum"], p["weight_decay"]) == ("sgd", 0.9, 0)
    assert not preset("dinov2-linear").refit


def test_rads_linear_protocol_has_16_heads_and_refits() -> None:
    made = preset("rad-linear")
    assert heads("rad-linear") == 16
    assert made.refit
    assert made.params["lr"] == (1e-3, 5e-3, 1e-2, 5e-2)
    assert (made.params["batch"], made.params["epochs"]) == (128, 10)
    assert set(made.views.options[0]) == {"cls", "cls:4", "cls+mean", "cls:4+mean"}


def test_dinov2s_logistic_regression_has_45_values_of_c() -> None:
    made = preset("dinov2-logreg")
    np.testing.assert_allclose(made.params["Cs"], 10 ** np.linspace(-6, 5, 45))
    assert made.refit


@pytest.mark.parametrize("name", ["wacv-linear", "medmnist-linear"])
def test_adamw_studies_train_100_epochs_at_a_rate_of_1e_4(name) -> None:
    p = preset(name).params
    assert (p["optimizer"], p["lr"], p["epochs"], p["batch"]) == ("adamw", 1e-4, 100, 64)


def test_what_only_one_of_them_does() -> None:
    wacv, plus = preset("wacv-linear").params, preset("medmnist-linear").params
    assert (wacv["weight_decay"], wacv["clip"]) == (1e-5, 1.0)
    assert wacv["warmup"] > 0
    assert plus["patience"] == 5


def test_freeze_reads_logits_with_adam_at_1e_4_in_batches_of_32() -> None:
    made = preset("freeze")
    assert made.views.every == ("pooled", "logits")
    assert (made.params["lr"], made.params["batch"], made.params["epochs"]) == (1e-4, 32, 100)
    assert made.params["weight_decay"] == 0


@pytest.mark.parametrize("name", list(PRESETS))
def test_every_preset_is_a_probe_that_can_be_fitted(name) -> None:
    made = preset(name)
    short = {"iterations": 5} if "iterations" in made.params else {}
    short |= {"epochs": 1} if "epochs" in made.params else {}
    short |= {"Cs": (0.1, 1.0)} if "Cs" in made.params else {}
    short |= {"k": (5,)} if "k" in made.params else {}
    x, y = np.random.default_rng(0).normal(size=(60, 4)), np.arange(60) % 2
    for each in (made, *made.variants):
        if each.probe == "mlknn":  # of labels
            continue
        p = make_probe(each.probe, **{**each.params, **short}).fit(x, y).predict_proba(x)
        assert math.isclose(p.sum(), 60, rel_tol=1e-6)
        assert each.params.get("standardize", False) is False  # none of the studies standardises
        assert each.source


def test_an_unknown_preset_offers_the_nearest() -> None:
    with pytest.raises(UnknownName, match="Did you mean 'dinov2-linear'"):
        preset("dino2-linear")
