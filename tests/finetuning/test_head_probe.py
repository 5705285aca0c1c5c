"""head_probe.py: a saved head on the exported backbone gives the network's own scores."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import featprobe as fp
from featprobe.core import paths as settings
from featprobe.core.errors import InputError, MissingPath, StoreError
from featprobe.evaluation import results
from featprobe.evaluation.predict import features_of, predict, reload_backbone
from featprobe.finetuning import plan
from featprobe.finetuning import trained as trained_module
from featprobe.probes.loading import read_saved
from tests.conftest import make_tiny
from tests.extraction.commands import save_tiny
from tests.finetuning.cases import pictures, trained

QUICK = {"epochs": 2, "steps": None}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("recipe", "data", "training"),
    [
        ("full", {}, {}),
        ("lora", {"classes": 3}, {"view": "cls:2+mean"}),
        ("full", {"labels": 3}, {}),
        ("bitfit", {"frames": 3}, {"pool": "max"}),
        ("full", {"classes": 3, "frames": 2}, {"standardize": False}),
    ],
)
def test_new_images_are_scored_as_the_network_scores_them(
    recipe: str, data: dict, training: dict, tmp_path: Path
) -> None:
    images = pictures(48, **data)
    result = trained(
        make_tiny(), images, recipe, training={**QUICK, **training}, folder=tmp_path / "run"
    )
    saved = read_saved(tmp_path / "run" / "head.safetensors")
    source = features_of(saved, "head")
    assert (source.view, source.pool) == (result.view, result.pool)
    found = predict(saved, reload_backbone(source), images, device="cpu", workers=0)
    assert found.classes == images.classes
    kept = results.scored(settings.cache_root(), result)
    rows = [found.ids.tolist().index(i) for i in kept.ids]
    scores = np.asarray(kept.tries[0], dtype=float)
    np.testing.assert_allclose(found.scores[rows], scores, atol=2e-3)
    assert np.ptp(scores[:, 0]) > 0.02  # there is something to agree on


def test_the_head_of_a_frozen_backbone_is_on_the_backbone_that_was_given(tmp_path: Path) -> None:
    save_tiny(tmp_path / "model")
    backbone = fp.load_backbone(str(tmp_path / "model"))
    result = trained(backbone, pictures(48), "frozen", training=QUICK, folder=tmp_path / "run")
    assert not (tmp_path / "run" / "backbone").exists()
    saved = read_saved(tmp_path / "run" / "head.safetensors")
    again = reload_backbone(features_of(saved, "head"))
    assert again.weights_sha256 == backbone.weights_sha256
    found = predict(saved, again, pictures(48), device="cpu", workers=0)
    kept = results.scored(settings.cache_root(), result)
    rows = [found.ids.tolist().index(i) for i in kept.ids]
    np.testing.assert_allclose(found.scores[rows], kept.tries[0], atol=2e-3)


def test_a_run_that_was_moved_is_found_beside_its_head(tmp_path: Path) -> None:
    trained(make_tiny(), pictures(24), "bitfit", training=QUICK, folder=tmp_path / "run")
    (tmp_path / "run").rename(tmp_path / "moved")
    source = features_of(read_saved(tmp_path / "moved" / "head.safetensors"), "head")
    assert reload_backbone(source, beside=tmp_path / "moved").weights_sha256
    for elsewhere in (None, tmp_path):
        with pytest.raises(MissingPath, match="no longer there; say where with --model"):
            reload_backbone(source, beside=elsewhere)


def test_a_folder_named_relative_is_found_from_elsewhere(tmp_path: Path, monkeypatch) -> None:
    save_tiny(tmp_path / "model")
    monkeypatch.chdir(tmp_path)
    trained(
        fp.load_backbone("./model"), pictures(24), "frozen", training=QUICK,
        folder=tmp_path / "run",
    )  # fmt: skip
    monkeypatch.chdir("/")
    source = features_of(read_saved(tmp_path / "run" / "head.safetensors"), "head")
    assert reload_backbone(source).weights_sha256


def test_a_name_of_the_catalog_is_no_folder_that_happens_to_be_there(tmp_path, monkeypatch) -> None:
    (tmp_path / "tiny_vit14").mkdir()
    monkeypatch.chdir(tmp_path)
    backbone = fp.load_backbone("tiny_vit14", image_size=28)
    trained(backbone, pictures(24), "frozen", training=QUICK, folder=tmp_path / "run")
    source = features_of(read_saved(tmp_path / "run" / "head.safetensors"), "head")
    assert source.origin["name"] == "tiny_vit14"


def test_a_head_that_cannot_be_kept_costs_no_result(tmp_path: Path, monkeypatch) -> None:
    def fails(*_):
        raise StoreError("the disk is full")

    monkeypatch.setattr(trained_module, "save_head", fails)
    result = trained(make_tiny(), pictures(24), "bitfit", training=QUICK, folder=tmp_path / "run")
    assert "the trained head is not kept: the disk is full" in result.notes
    assert results.read(settings.cache_root())[0].id == result.id


def test_a_table_that_lacks_a_column_is_told_before_anything_is_decoded(monkeypatch) -> None:
    monkeypatch.setattr(plan, "kept_frames", lambda *_, **__: 1 / 0)
    with pytest.raises(MissingPath, match="nofile"):
        trained(make_tiny(), pictures(24), training=QUICK, subgroups="nofile.csv:sex")


def test_other_images_have_a_name_of_their_own_and_other_networks_are_refused(
    tmp_path: Path,
) -> None:
    trained(make_tiny(), pictures(24), "bitfit", training=QUICK, folder=tmp_path / "run")
    saved = read_saved(tmp_path / "run" / "head.safetensors")
    backbone = reload_backbone(features_of(saved, "head"))
    found = predict(saved, backbone, pictures(24, seed=1), device="cpu", workers=0)
    assert "other images than those of pictures: cached as pictures-new" in found.notes
    assert (settings.cache_root() / "features" / "pictures-new").is_dir()
    other = fp.load_backbone("tiny_vit14", image_size=28)
    with pytest.raises(InputError, match="is not what the probe was made with"):
        predict(saved, other, pictures(24), device="cpu", workers=0)


def test_attention_pooling_has_no_linear_head(tmp_path: Path) -> None:
    trained(
        make_tiny(), pictures(24, frames=2), "bitfit", training={**QUICK, "pool": "attention"},
        folder=tmp_path / "run",
    )  # fmt: skip
    assert (tmp_path / "run" / "backbone").is_dir()
    assert not (tmp_path / "run" / "head.safetensors").exists()
