"""Which probe ``featprobe knn`` makes of its options."""

from __future__ import annotations

import numpy as np
import pytest

from featprobe.cli import knn
from featprobe.cli.main import main
from featprobe.features.feature_set import FeatureSet
from featprobe.probes.base import Probe

LABELS = FeatureSet.from_arrays(np.eye(4), [[0, 1], [1, 0], [1, 1], [0, 0]])


@pytest.fixture
def asked(monkeypatch, capsys):
    """The probe that a command line asks for, or the line that says why there is none."""

    def call(*args: str) -> Probe | str:
        made: list[Probe] = []
        monkeypatch.setattr(knn, "run_probe", lambda probe, *_, **__: made.append(probe(LABELS)))
        with pytest.raises(SystemExit) as exit_info:
            main(["knn", *args])
        assert exit_info.value.code == (0 if made else 2)
        return made[0] if made else capsys.readouterr().err

    return call


@pytest.mark.parametrize(
    ("preset", "name", "expected"),
    [
        ("dinov2", "knn", {"k": [10, 20, 100, 200], "temperature": 0.07, "metric": "cosine",
                           "vote": "softmax"}),
        ("rad", "mlknn", {"k": [5, 20, 50, 100, 200], "smoothing": 1.0, "metric": "cosine",
                          "own_neighbour": True}),
        ("wacv", "knn", {"k": [200], "temperature": 0.1, "metric": "cosine", "vote": "softmax"}),
        ("medmnist", "knn", {"k": [11], "metric": "l2", "vote": "uniform"}),
    ],
)  # fmt: skip
def test_a_preset_is_the_setting_of_its_study(asked, preset: str, name: str, expected) -> None:
    probe = asked("--preset", preset)
    assert probe.name == name
    assert {n: probe.get_params()[n] for n in expected} == expected


@pytest.mark.parametrize("order", [1, -1])
def test_options_beside_a_preset_come_first_wherever_they_stand(asked, order: int) -> None:
    parts = [["--preset", "dinov2"], ["--k", "3", "1"], ["--vote", "distance"]][::order]
    params = asked(*[a for part in parts for a in part]).get_params()
    assert (params["k"], params["vote"], params["temperature"]) == ([1, 3], "distance", 0.07)


def test_search_options_reach_either_probe(asked) -> None:
    for probe in ("knn", "mlknn"):
        given = asked(
            "--probe", probe, "--index", "hnsw", "--ef", "64", "--nprobe", "4", "--device", "cpu"
        ).get_params()  # fmt: skip
        found = [given[n] for n in ("index", "ef", "nprobe", "device", "k")]
        assert found == ["hnsw", 64, 4, "cpu", [20]]


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["--probe", "mlknn", "--vote", "uniform"], "--vote is not an option of --probe mlknn"),
        (["--smoothing", "2"], "--smoothing is not an option of --probe knn"),
        (["--preset", "wacv", "--smoothing", "1"], "--smoothing is not an option of --probe knn"),
        (["--preset", "dino"], "'dino' is not one of"),
        (["--index", "lsh"], "'lsh' is not one of"),
        (["--ef", "0"], "0 is not in the range"),
    ],
)
def test_what_does_not_go_together_is_one_line(asked, args: list[str], message: str) -> None:
    told = asked(*args)
    assert message in told
    assert len(told.strip().splitlines()) == 1
