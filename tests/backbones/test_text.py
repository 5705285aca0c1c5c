"""Text towers against transformers' own, and the reasons for which there is none."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn import functional as F
from transformers import AutoConfig, AutoTokenizer, BlipForConditionalGeneration, BlipModel

from featprobe.backbones.load import load_backbone
from featprobe.backbones.text import SPEECH, text_tower
from featprobe.core.errors import InputError, MissingPath
from tests.backbones.test_families import VIT, saved, small
from tests.support.imagetext import CLASSES, LENGTH, TEXT, image_text

TEXTS = ["a normal chest", "no effusion", "mass or edema or effusion of a sick chest", "a"]


def tower(folder: Path, **given):
    """The text tower that belongs to the features of a folder's vision tower."""
    backbone = load_backbone(folder)
    return text_tower(backbone.origin, backbone.weights_sha256, **given)


def theirs(model: torch.nn.Module, kind: str, folder: Path) -> torch.Tensor:
    words = AutoTokenizer.from_pretrained(folder)
    if kind == "blip":
        t = words(TEXTS, padding=True, return_tensors="pt")
        pixels = torch.zeros(len(TEXTS), 3, 32, 32)
        inputs = {k: t[k] for k in ("input_ids", "attention_mask")}
        out = model(pixel_values=pixels, use_itm_head=False, **inputs)
        return model.text_proj(out.question_embeds[:, 0])
    if kind == "clip":
        t = words(TEXTS, padding=True, return_tensors="pt")
        inputs = {k: t[k] for k in ("input_ids", "attention_mask")}
        return model.get_text_features(**inputs).pooler_output
    t = words(
        TEXTS, padding="max_length", max_length=LENGTH, padding_side="right", return_tensors="pt"
    )
    return model.get_text_features(input_ids=t["input_ids"]).pooler_output


@pytest.mark.parametrize("kind", SPEECH)
@torch.inference_mode()
def test_embeddings_equal_transformers_own(kind: str, tmp_path: Path) -> None:
    model = image_text(tmp_path / kind, kind)
    found = tower(tmp_path / kind)
    expected = F.normalize(theirs(model, kind, tmp_path / kind), dim=-1)
    ours = torch.from_numpy(found.encode(TEXTS))
    torch.testing.assert_close(ours, expected, rtol=1e-5, atol=1e-5)
    assert expected.std(0).max() > 1e-2
    assert (
        found.width == expected.shape[1] == load_backbone(tmp_path / kind).outputs["projection"][1]
    )
    if kind == "blip":
        assert (found.scale, found.bias) == (pytest.approx(1 / 0.07), None)
        assert "temperature" in found.notes[0]
        return
    assert found.scale == pytest.approx(float(model.logit_scale.exp()))
    assert found.bias == (None if kind == "clip" else pytest.approx(float(model.logit_bias)))
    assert not found.notes


def test_every_family_is_tested_here() -> None:
    assert set(SPEECH) == set(CLASSES)


@pytest.mark.parametrize("kind", ["clip", "siglip"])
def test_a_text_does_not_depend_on_its_company(kind: str, tmp_path: Path) -> None:
    image_text(tmp_path / "m", kind)
    found = tower(tmp_path / "m")
    together = found.encode([*TEXTS, TEXTS[0]])
    assert (together[0] == together[-1]).all()
    alone = np.concatenate([found.encode([t]) for t in TEXTS])
    np.testing.assert_allclose(together[:-1], alone, atol=1e-5)


def test_siglip_reads_lower_case_as_it_was_trained(tmp_path: Path) -> None:
    image_text(tmp_path / "m", "siglip")
    a, b, unknown = tower(tmp_path / "m").encode(["A normal CHEST", "a normal chest", "<unk>"])
    assert (a == b).all()
    assert np.abs(a - unknown).max() > 1e-3


def test_texts_longer_than_the_tower_reads_are_cut_and_counted(tmp_path: Path) -> None:
    image_text(tmp_path / "m", "clip")
    found = tower(tmp_path / "m")
    long = " ".join(["chest"] * (LENGTH - 2))  # with <s> and </s> just as long as can be
    assert found.too_long([long, "a chest"]) == 0
    assert found.too_long([long + " mass", "a chest", long + " mass"]) == 2
    a, b = found.encode([long, long + " mass"])
    np.testing.assert_allclose(a, b, atol=1e-6)


def test_random_weights_and_files_of_one_tower_have_no_text_tower(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="random weights: .* drawn by itself"):
        text_tower({"name": "clip_vitb32", "init": "random", "seed": 0}, "x")
    with pytest.raises(
        InputError, match="comes from clip.pth, which has no text tower.*--checkpoint"
    ):
        text_tower({"name": "clip_vitb32", "weights": ["clip.pth"]}, "x")
    with pytest.raises(InputError, match="do not say which checkpoint.*--checkpoint"):
        text_tower({}, "x")
    with pytest.raises(InputError, match="through transformers only"):
        text_tower({"name": "openclip_vitb16_laion2b"}, "x")


def test_a_vision_tower_alone_is_refused_with_its_kind(tmp_path: Path) -> None:
    folder = saved(
        tmp_path / "vision", small("clip_vision_model", {**VIT, "projection_dim": 16}), 32
    )
    with pytest.raises(InputError, match=r"\(CLIPVisionModel\) has no text tower"):
        tower(folder)
    words = {**TEXT, "encoder_hidden_size": 32}
    config = AutoConfig.for_model("blip", vision_config=VIT, text_config=words)
    for model in (BlipForConditionalGeneration, BlipModel):
        folder = saved(tmp_path / model.__name__, model(config), 32)
        with pytest.raises(InputError, match=rf"\({model.__name__}\) has no text tower"):
            tower(folder)


def test_weights_other_than_those_of_the_features_are_refused(tmp_path: Path) -> None:
    image_text(tmp_path / "a", "clip")
    image_text(tmp_path / "b", "clip", seed=1)
    a = load_backbone(tmp_path / "a")
    with pytest.raises(InputError, match="b: its vision tower has other weights"):
        text_tower(a.origin, a.weights_sha256, checkpoint=str(tmp_path / "b"))


def test_a_checkpoint_that_has_moved_can_be_named(tmp_path: Path) -> None:
    image_text(tmp_path / "a", "clip")
    a = load_backbone(tmp_path / "a")
    (tmp_path / "a").rename(tmp_path / "moved")
    with pytest.raises(MissingPath, match="no such model folder.*--checkpoint"):
        text_tower(a.origin, a.weights_sha256)
    assert text_tower(a.origin, a.weights_sha256, str(tmp_path / "moved")).width == 16


def test_missing_text_weights_are_named(tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    image_text(tmp_path, "clip")
    path = tmp_path / "model.safetensors"
    state = load_file(path)
    del state["text_projection.weight"]
    save_file(state, path, metadata={"format": "pt"})
    with pytest.raises(InputError, match=r"its text tower: .* 1 missing \(text_projection.weight"):
        tower(tmp_path)


@pytest.mark.parametrize("kind", ["clip", "siglip2", "blip"])
def test_a_checkpoint_without_its_tokenizer_is_refused(kind: str, tmp_path: Path) -> None:
    """transformers itself makes one that knows no word."""
    image_text(tmp_path, kind)
    for name in ("tokenizer.json", "tokenizer_config.json"):
        (tmp_path / name).unlink()
    with pytest.raises(InputError, match="no tokenizer beside the weights"):
        tower(tmp_path)


def test_a_tokenizer_of_another_model_is_refused(tmp_path: Path) -> None:
    image_text(tmp_path, "clip", vocab_size=8)
    with pytest.raises(InputError, match="its tokenizer is of another model"):
        tower(tmp_path).encode(TEXTS)
    (tmp_path / "tokenizer.json").write_text(json.dumps({"no": "tokenizer"}))
    with pytest.raises(InputError, match="its tokenizer cannot be loaded"):
        tower(tmp_path)


def test_the_revision_that_made_the_features_is_used_after_the_hub_moved_on(
    tmp_path: Path, monkeypatch
) -> None:
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    base = tmp_path / "hub" / "models--clinic--films"
    old, new = "a" * 40, "b" * 40
    (base / "refs").mkdir(parents=True)
    image_text(base / "snapshots" / old, "clip")
    image_text(base / "snapshots" / new, "clip", seed=1)
    (base / "refs" / "main").write_text(old)
    backbone = load_backbone("clinic/films")
    assert backbone.origin["revision"] == old
    before = text_tower(backbone.origin, backbone.weights_sha256)
    (base / "refs" / "main").write_text(new)
    assert load_backbone("clinic/films").weights_sha256 != backbone.weights_sha256
    after = text_tower(backbone.origin, backbone.weights_sha256)
    assert (before.encode(TEXTS) == after.encode(TEXTS)).all()
    assert before.weights == after.weights
    with pytest.raises(InputError, match="its vision tower has other weights"):
        text_tower(backbone.origin, backbone.weights_sha256, "clinic/films")
