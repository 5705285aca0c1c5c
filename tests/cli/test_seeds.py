"""Several seeds of one probing command."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest

from featprobe.core import paths
from featprobe.evaluation import results
from tests.support.cached import cached


@pytest.fixture
def films(cache):
    rng = np.random.default_rng(0)
    y = np.arange(160) // 2 % 2
    x = rng.normal(size=(160, 8)) + np.outer(y, np.r_[1, 1, np.zeros(6)])
    groups = np.array([f"p{i // 2}" for i in range(160)])
    cached(paths.feature_root(None), {"cls": x}, y, groups=groups)


@pytest.mark.parametrize(
    "words",
    [["linear", "--C", "0.1"], ["knn", "--k", "3", "9"], ["linear", "--probe", "mlp", "--set",
     "epochs=3", "width=8", "lr=0.01"], ["fewshot", "--shots", "2", "--tries", "3"]],
    ids=["linear", "knn", "mlp", "fewshot"],
)  # fmt: skip
def test_each_is_kept_and_their_mean_is_shown(run, films, cache, words) -> None:
    code, out, _ = run(*words, "--seed", 0, 1, 2, "--resamples", 20, "--json")
    assert code == 0
    (shown,) = [json.loads(line) for line in out.splitlines()]
    kept = [r for r in results.read(cache) if r.selected]
    assert shown["seeds"] == {str(r.settings["seed"]): r.id for r in kept}
    assert list(shown["seeds"]) == ["0", "1", "2"]
    values = [r.metrics["auroc"] for r in kept]
    assert shown["metrics"]["auroc"] == pytest.approx(np.mean(values))
    assert shown["spread"]["auroc"] == pytest.approx(np.std(values, ddof=1))
    low, high = shown["ci"]["auroc"]
    assert low < np.mean(values) < high
    assert len({r.split["digest"] for r in kept}) == 3  # no split is official
    if "mlp" in words:
        assert [r.params["seed"] for r in kept] == [0, 1, 2]


def test_the_table_has_mean_and_deviation_and_one_seed_is_as_ever(run, films) -> None:
    code, out, _ = run("linear", "--C", 0.1, "--seed", 3, 4, "--resamples", 20)
    assert code == 0
    assert re.search(r"2 seeds.* \d\.\d{3} ± \d\.\d{3} \[", out)
    code, out, _ = run("linear", "--C", 0.1, "--seed", 3, "--resamples", 20, "--json")
    assert json.loads(out)["seeds"] == {}
    assert json.loads(out)["settings"]["seed"] == 3


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["knn", "--loo", "--seed", "0", "1"], "--loo draws nothing: give one --seed"),
        (
            ["linear", "--seed", "0", "1", "--save", "p.safetensors"],
            "--save is of one --subset and",
        ),
    ],
)
def test_what_has_one_seed_alone(run, films, words, said) -> None:
    code, _, err = run(*words)
    assert code == 2
    assert said in err
