"""The verb that averages the scores of results."""

from __future__ import annotations

import json
import re
from pathlib import Path

import featprobe as fp
from tests.support.probed import probed


def test_the_verb_takes_backbones_probes_and_ids(run, cache: Path) -> None:
    members = probed(cache, (0, 1))
    more = [r for r in probed(cache, (0,), probe=fp.KNNProbe(5)) if r.selected]

    def ensembled(*words: object) -> dict:
        code, out, err = run("ensemble", *words, "--resamples", 20, "--json")
        assert code == 0, err
        return json.loads(out)

    a = ensembled("net0/linear", "net1")
    b = ensembled(members[0].id, members[1].id[:8])
    assert a["id"] == b["id"]
    c = ensembled("net0/linear", "net0/knn", "net1", "--combine", "logits")
    assert c["params"]["of"] == ["net0 / linear", "net0 / knn", "net1 / linear"]
    code, out, err = run("ensemble", "net0", "net1")
    assert code == 2
    assert re.search(rf"'net0' is 2 results of films: {members[0].id} .*{more[0].id}", err)
    for words, said in (
        (["net0/linear"], "two members or more"),
        (["net0/linear", "net7"], "no result of 'net7'. Did you mean"),
        (["net0/linear", "net0/linear"], "is there twice"),
        (["net0/linear", "net1", "--data", "film"], "no results for 'film'"),
    ):
        code, out, err = run("ensemble", *words)
        assert (code, out) == (2, "")
        assert said in err
        assert len(err.splitlines()) == 1
    code, out, _ = run("leaderboard")
    assert code == 0
    assert "ensemble 2 linear" in out
    code, out, _ = run("ensemble", "net0/linear", "net1", "--resamples", 20)
    assert code == 0
    assert "thresholds" not in out.splitlines()[0]


def test_weights_are_given_or_chosen_on_val(run, cache: Path) -> None:
    probed(cache, (0, 1), probe=fp.LogisticProbe((0.1, 1.0)))

    def ensembled(*words: object) -> dict:
        code, out, err = run("ensemble", "net0", "net1", *words, "--resamples", 20, "--json")
        assert code == 0, err
        return json.loads(out)

    told = ensembled("--weights", 2, 1)
    assert [round(w, 3) for w in told["params"]["weights"]] == [0.667, 0.333]
    chosen = ensembled("--weights", "val", "--combine", "logits")
    assert chosen["params"]["weighted"] == "val"
    assert chosen["val"]["log_loss"] > 0
    code, out, _ = run("leaderboard")
    assert code == 0
    assert "ensemble 2 linear, weights by val" in re.sub(r"\s+", " ", out)
    for words, said in (
        (["--weights", "2"], "1 weights for 2 members"),
        (["--weights", "test"], "equal, val (chosen on validation scores), or a number"),
        (["--weights", "-1", "2"], "numbers of at least 0"),
    ):
        code, out, err = run("ensemble", "net0", "net1", *words)
        assert (code, out) == (2, "")
        assert said in err
        assert len(err.splitlines()) == 1


def test_a_name_in_full_is_not_the_beginning_of_another(run, cache: Path) -> None:
    probed(cache, (0, 1))
    probed(cache, (2,), backbone="net0-random0")
    code, out, err = run("ensemble", "net0/linear", "net1", "--resamples", 20, "--json")
    assert code == 0, err
    assert json.loads(out)["params"]["of"] == ["net0 / linear", "net1 / linear"]


def test_an_ensemble_of_each_number_of_shots_and_data_set(run, cache: Path) -> None:
    probed(cache, (0, 1), fp.FewShot(shots=(1, 4), tries=2))
    probed(cache, (0, 1), fp.FewShot(shots=(1,), tries=2), dataset="others")
    probed(cache, (0,), fp.FewShot(shots=(2,), tries=2))
    code, out, err = run("ensemble", "net0", "net1", "--resamples", 20, "--json")
    assert code == 0, err
    made = [json.loads(line) for line in out.splitlines()]
    assert sorted((r["dataset"], r["shots"]) for r in made) == [
        ("films", 1), ("films", 4), ("others", 1),
    ]  # fmt: skip


def test_modalities_are_two_data_sets_of_the_same_items(run, cache: Path) -> None:
    (one,) = probed(cache, (0,), dataset="t1")
    (other,) = probed(cache, (1,), dataset="t2")
    code, out, err = run("ensemble", one.id, other.id, "--resamples", 20, "--json")
    assert code == 0, err
    assert json.loads(out)["dataset"] == "t1 + t2"
    code, _, err = run("ensemble", "net0", "net1")
    assert code == 2
    assert "no data set has results of all of net0, net1" in err
