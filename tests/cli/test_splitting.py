"""``--repeats``, ``--split-version`` and the draws of few shots, from command line to scores."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import featprobe as fp
from featprobe.evaluation import results
from featprobe.evaluation.protocols import make_split
from featprobe.features.feature_set import FeatureSet
from featprobe.splits.partition import known_targets
from tests.support.cached import cached


@pytest.fixture
def films(cache: Path) -> FeatureSet:
    """A hundred and twenty films of sixty patients, two classes that overlap."""
    rng = np.random.default_rng(0)
    y = np.repeat(np.arange(60) % 2, 2)
    x = rng.normal(size=(120, 6)) + 1.2 * np.eye(6)[y]
    return cached(cache, {"cls": x}, y, groups=np.array([f"p{i // 2}" for i in range(120)]))


@pytest.fixture
def probed(run, films):
    """The Results of a command line, as JSON."""

    def call(line: str) -> list[dict]:
        code, out, err = run(*line.split(), "--json", "--resamples", 50)
        assert code == 0, err
        return [json.loads(text) for text in out.splitlines()]

    return call


@pytest.mark.parametrize("verb", ["linear --C 0.1 1", "knn --k 3 9"])
def test_repeats_are_one_result_whose_scores_are_kept_by_split(probed, cache, verb) -> None:
    (found,) = probed(f"{verb} --repeats 6")
    assert found["settings"]["repeats"] == 6
    assert found["ci_method"]["auroc"].startswith("corrected resampled t")
    assert "6 times anew" in found["split"]["origin"]
    assert found["spread"]["auroc"] > 0
    low, high = found["ci"]["auroc"]
    assert low < found["metrics"]["auroc"] < high
    kept = results.read(cache)[-1]
    scored = results.scored(cache, kept)
    assert len(scored.tries) == 6
    values = scored.values(["auroc"])["auroc"]
    assert values.mean() == pytest.approx(found["metrics"]["auroc"])
    assert values.std(ddof=1) == pytest.approx(found["spread"]["auroc"])


def test_repeats_are_wider_than_one_fit_says(probed) -> None:
    one = probed("linear --C 1")[0]
    many = probed("linear --C 1 --repeats 8")[0]
    assert one["split"]["digest"] != many["split"]["digest"]
    assert "repeats" not in one["settings"]
    widths = [np.diff(r["ci"]["auroc"])[0] for r in (one, many)]
    assert min(widths) > 0


def test_the_table_says_how_many_splits_and_what_intervals_hold(run, films) -> None:
    code, out, _ = run("linear", "--C", "1", "--repeats", "4", "--resamples", "50")
    assert code == 0
    assert "4 splits" in out
    assert "new training sets too" in out
    assert "Intervals of one fit" not in out
    code, out, _ = run("linear", "--C", "1", "--resamples", "50")
    assert "Intervals of one fit" in out
    code, out, _ = run("fewshot", "--shots", "2", "--tries", "3", "--resamples", "50")
    assert "its interval is under new draws too" in out


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("linear --repeats 3 --folds 5", "leave --folds out"),
        ("knn --repeats 3 --loo", "leave --loo out"),
        ("knn --repeats 3 --save x", "leave --repeats out"),
        ("linear --repeats 0", "0 is not in the range"),
        ("linear --split-version 3", "3 is not in the range"),
    ],
)
def test_what_excludes_repeats_is_refused(run, films, line, said) -> None:
    code, _, err = run(*line.split())
    assert code == 2
    assert said in err


def test_few_shot_results_say_their_draws_and_hold_them_in_the_interval(probed) -> None:
    one, other = (
        probed(f"fewshot --shots 2 --tries 6 --seed {s} --probe prototype")[0] for s in (0, 1)
    )
    same = probed("fewshot --shots 2 --tries 6 --probe ridge --set alphas=100")[0]
    assert one["split"]["draws"] == same["split"]["draws"] != other["split"]["draws"]
    assert "draws" in one["ci_method"]["auroc"]
    single = probed("fewshot --shots 2 --tries 1 --probe prototype")[0]
    assert single["ci_method"]["auroc"].endswith("of this draw alone")


def test_both_versions_of_splits_can_be_asked_for_and_are_told_apart(probed, cache) -> None:
    new, old = (probed(f"linear --C 1 --split-version {v}")[0] for v in (2, 1))
    assert (new["split"]["version"], old["split"]["version"]) == (2, 1)
    assert new["settings"]["split_version"] == 2
    assert "split_version" not in old["settings"]  # its cell is that of results of then
    assert new["split"]["digest"] != old["split"]["digest"]
    assert len({r.cell for r in results.read(cache)}) == 2


@pytest.mark.parametrize("version", [1, 2])
def test_a_written_split_is_the_one_that_probes_use(run, tmp_path, version) -> None:
    """Also where some items have no label, which probes leave out."""
    rng = np.random.default_rng(0)
    lines = ["file,patient,a,b"]
    for i in range(60):
        Image.fromarray(rng.integers(0, 255, (8, 8), dtype=np.uint8)).save(
            tmp_path / f"{i:02d}.png"
        )
        labels = ("", "") if i % 9 == 0 else (int(rng.random() < 0.4), int(rng.random() < 0.3))
        lines.append(f"{i:02d}.png,p{i // 2},{labels[0]},{labels[1]}")
    table = tmp_path / "films.csv"
    table.write_text("\n".join(lines))
    how = ["--label", "a", "--label", "b", "--group", "patient"]
    out = tmp_path / "split.csv"
    code, _, err = run(
        "data", "split", table, *how, "--out", out, "--seed", "3", "--split-version", version
    )
    assert code == 0, err
    written = {r["id"]: r["split"] for r in csv.DictReader(out.open())}
    assert len(written) == 60
    data = fp.load_dataset(table, label=["a", "b"], group="patient")
    known = known_targets(data.targets)
    assert 0 < known.sum() < 60
    ids = data.ids[known]
    s = make_split(data.targets[known], data.groups[known], seed=3, ids=ids, version=version)
    assert [written[i] for i in ids.tolist()] == s.parts().tolist()
    parts = {}
    for i, g in zip(data.ids.tolist(), data.groups.tolist()):
        parts.setdefault(g, set()).add(written[i])
    assert all(len(p) == 1 for p in parts.values())
