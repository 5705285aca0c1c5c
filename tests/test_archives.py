"""What earlier versions left behind is read: features, results, saved probes, trained backbones."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import featprobe as fp
from featprobe.cli.main import main
from featprobe.evaluation import results

ARCHIVE = Path(__file__).parent / "archives" / "v0.1"
EXPECTED: dict[str, Any] = json.loads((ARCHIVE / "expected.json").read_text())


@pytest.fixture
def study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    shutil.copytree(ARCHIVE, tmp_path / "study")
    monkeypatch.chdir(tmp_path / "study")
    return tmp_path / "study"


def features_of(cache: str, store: str, model: str = "net") -> fp.FeatureSet:
    return fp.extract(
        fp.load_backbone(model), fp.load_dataset("shapes.npz"), cache=cache, store=store,
        features=["cls", "mean"], device="cpu",
    )  # fmt: skip


@pytest.mark.parametrize(("cache", "store"), [("cache", "zarr"), ("hdf5", "hdf5")])
def test_features_are_found_by_their_key_and_not_extracted_again(
    study: Path, cache: str, store: str
) -> None:
    features = features_of(cache, store)
    assert features.summary is not None
    assert features.summary.new_frames == 0
    for view in ("cls", "mean"):
        np.testing.assert_array_equal(features.x(view), np.float32(EXPECTED[view]))


@pytest.mark.parametrize("name", ["logistic", "ridge", "mlp"])
def test_saved_probes_predict_what_they_did(study: Path, name: str) -> None:
    p = fp.load_probe(f"{name}.safetensors").predict_proba(np.float32(EXPECTED["cls"]))
    np.testing.assert_allclose(p, EXPECTED[name], atol=1e-6)


def test_a_trained_backbone_and_its_head_are_read(study: Path, tmp_path: Path) -> None:
    features = features_of(str(tmp_path / "new"), "zarr", "trained/backbone")
    np.testing.assert_allclose(features.x("cls"), EXPECTED["trained"], atol=1e-2)
    head = fp.load_probe("trained/head.safetensors")
    p = head.predict_proba(np.float32(EXPECTED["trained"]))
    np.testing.assert_allclose(p, EXPECTED["head"], atol=1e-6)


@pytest.mark.slow
def test_a_training_that_was_killed_goes_on(study: Path) -> None:
    def finished(folder: str) -> tuple[list[dict[str, float]], dict[str, torch.Tensor]]:
        training = fp.Training(epochs=4, batch=8, lr=1e-3, ema=0.9, augment=("flip",))
        (result,) = fp.finetune(
            fp.load_backbone("net"), fp.load_dataset("shapes.npz"), fp.make_recipe("lora", rank=2),
            training, device="cpu", workers=0, resamples=20, folder=folder, cache="new",
        )  # fmt: skip
        (file,) = Path(folder).glob("lr=*.pt")
        return result.provenance["history"], torch.load(file, weights_only=True)["weights"]

    before = torch.load("half/lr=0.001.pt", weights_only=True)["standing"]
    assert before["step"] == 6
    (history, weights), (anew, others) = finished("half"), finished("anew")
    assert history[:2] == before["history"], "its first epochs were not trained again"
    assert [e["step"] for e in history] == [e["step"] for e in anew]
    np.testing.assert_allclose([e["loss"] for e in history], [e["loss"] for e in anew], rtol=1e-4)
    assert weights.keys() == others.keys()
    for name, value in weights.items():
        torch.testing.assert_close(value, others[name], rtol=1e-3, atol=1e-4)


def test_results_and_their_scores_are_read(study: Path) -> None:
    found = results.read(Path("cache"))
    assert [[r.id, r.probe, r.protocol] for r in found] == [e[:3] for e in EXPECTED["results"]]
    for r, (*_, auroc, cell) in zip(found, EXPECTED["results"]):
        assert r.metrics["auroc"] == auroc
        assert r.cell == cell, "a later result of the same request would not replace it"
        assert results.scored(Path("cache"), r).mean(["auroc"])["auroc"] == pytest.approx(auroc)


def run(*arguments: str) -> None:
    with pytest.raises(SystemExit) as ended:
        main(list(arguments))
    assert ended.value.code == 0


def test_the_command_line_goes_on_with_them(
    study: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run("leaderboard", "--cache", "cache")
    assert "finetune bitfit" in capsys.readouterr().out
    run("predict", "logistic.safetensors", "--data", "shapes.npz", "--cache", "cache")
