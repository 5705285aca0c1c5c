"""Vision towers of open_clip against open_clip's own; run by test_open_clip.py."""

from __future__ import annotations

import copy
import json
from pathlib import Path

import open_clip
import pytest
import torch
from open_clip.transform import PreprocessCfg, image_transform_v2, merge_preprocess_dict
from PIL import Image
from safetensors.torch import save_file

from featprobe.backbones.base import Backbone
from featprobe.backbones.load import load_backbone
from featprobe.backbones.open_clip_models import preprocess
from featprobe.core.errors import InputError, MissingPath, UnknownName
from tests.backbones.test_families import close, pictures, stirred
from tests.backbones.test_hf import photos
from tests.backbones.test_wrappers import WRAPPED
from tests.backbones.timm_cases import COMMIT, AnySize, blocks_of, cached

TEXT = {"context_length": 8, "vocab_size": 50, "width": 16, "heads": 2, "layers": 1}
VIT = {"image_size": 32, "layers": 3, "width": 64, "head_width": 32, "patch_size": 8}
RESNET = {"image_size": 64, "layers": [1, 1, 1, 1], "width": 8, "head_width": 32}
PARTS = {"timm_model_pretrained": False, "timm_drop": 0.0}
VISION = {
    "vit": VIT,
    "quickgelu": VIT,
    "average": {**VIT, "pool_type": "avg", "final_ln_after_pool": True},  # as CLIPA
    "coca": {**VIT, "attentional_pool": True, "attn_pooler_heads": 4, "output_tokens": True},
    "resnet": RESNET,
    "timm_vit": {  # as BiomedCLIP
        "timm_model_name": "vit_tiny_patch16_224", "timm_pool": "", "timm_proj": "linear",
        "image_size": 224, **PARTS,
    },
    "timm_eva02": {
        "timm_model_name": "eva02_tiny_patch14_224", "timm_pool": "token", "timm_proj": None,
        "image_size": 224, **PARTS,
    },
    "timm_siglip": {
        "timm_model_name": "test_vit3", "timm_pool": "map", "timm_proj": "none",
        "image_size": 160, **PARTS,
    },
    "timm_convnext": {
        "timm_model_name": "test_convnext", "timm_pool": "", "timm_proj": "mlp",
        "image_size": 160, **PARTS,
    },
    "timm_attention": {
        "timm_model_name": "test_efficientnet", "timm_pool": "rot_attn", "timm_proj": None,
        "image_size": 160, **PARTS,
    },
}  # fmt: skip
WIDTH = {"timm_siglip": 96}  # what comes out where nothing projects


def folder(root: Path, kind: str, custom: bool = False) -> tuple[Path, torch.nn.Module]:
    """A model saved as open_clip saves for the hub, and the model itself."""
    model_cfg = {
        "embed_dim": WIDTH.get(kind, 48), "vision_cfg": VISION[kind], "text_cfg": TEXT,
        "quick_gelu": kind == "quickgelu", "custom_text": custom,
    }  # fmt: skip
    given = {
        "mean": [0.4, 0.5, 0.6], "std": [0.2, 0.25, 0.3], "interpolation": "bicubic",
        "resize_mode": "squash",
    }  # fmt: skip
    place = root / kind
    place.mkdir(parents=True)
    held = {"model_cfg": model_cfg, "preprocess_cfg": given}
    (place / "open_clip_config.json").write_text(json.dumps(held))
    torch.manual_seed(0)
    model = stirred(open_clip.create_model(f"local-dir:{place}"))
    save_file(model.state_dict(), place / "open_clip_model.safetensors")
    return place, model


@pytest.mark.parametrize("kind", VISION)
@torch.inference_mode()
def test_towers_equal_encode_image(kind: str, tmp_path: Path) -> None:
    place, model = folder(tmp_path, kind, custom=kind.startswith("timm"))
    backbone = load_backbone(f"open_clip:local-dir:{place}")
    height, width = backbone.preprocess.size
    x = pictures(height, width)
    out = backbone.forward(x, blocks=2, outputs=backbone.outputs)
    expected = model.encode_image(x)
    close(out["projection"][:, 0], expected[0] if kind == "coca" else expected)
    assert set(backbone.default_outputs) == set(backbone.outputs) - {"tokens"}
    own = sum(p.numel() for p in backbone.module.parameters())
    assert own == sum(p.numel() for p in model.visual.parameters())
    assert not any("text" in n or "logit" in n for n in backbone.module.state_dict())
    visual = model.visual
    if kind == "resnet":
        x4 = visual.layer4(visual.layer3(visual.layer2(visual.layer1(visual.stem(x)))))
        close(out["tokens"][:, 0], x4.permute(0, 2, 3, 1))
        close(out["mean"][:, 0], x4.mean((2, 3)))
        assert backbone.outputs["projection"] == (1, 48)
    elif kind.startswith("timm"):
        trunk = visual.trunk
        features = trunk.forward_features(x)
        if kind in ("timm_convnext", "timm_attention"):
            close(out["tokens"][:, 0], features.permute(0, 2, 3, 1))
            mean = features.mean((2, 3))
            if kind == "timm_convnext":
                mean = trunk.forward_head(features, pre_logits=True)
            close(out["mean"][:, 0], mean)
        else:
            close(out["tokens"][:, -1].flatten(1, 2), features[:, 1:])
            close(out["mean"][:, -1], features[:, 1:].mean(1))
            if kind != "timm_siglip":
                close(out["cls"][:, -1], features[:, 0])
            states, _ = blocks_of(trunk, x)
            close(out["mean"][:, 0], states[-2][:, 1:].mean(1))
    else:
        visual.output_tokens = True
        pooled, tokens = visual(x)
        states = visual.forward_intermediates(
            x, indices=2, normalize_intermediates=kind in ("vit", "quickgelu"),
            output_fmt="NLC", output_extra_tokens=True,
        )  # fmt: skip
        for back in (1, 2):
            patches = states["image_intermediates"][-back]
            close(out["tokens"][:, -back].flatten(1, 2), patches)
            close(out["cls"][:, -back], states["image_intermediates_prefix"][-back][:, 0])
            mean = patches.mean(1)
            close(out["mean"][:, -back], visual.ln_post(mean) if kind == "average" else mean)
        if kind != "coca":
            close(out["tokens"][:, -1].flatten(1, 2), tokens)
        if kind in ("vit", "quickgelu"):
            close(out["cls"][:, -1] @ visual.proj, pooled)
        if kind == "average":
            close(out["mean"][:, -1] @ visual.proj, pooled)


@pytest.mark.parametrize("size", [(48, 48), (24, 64)])
@torch.inference_mode()
def test_other_sizes_equal_a_model_that_open_clip_builds_for_them(size, tmp_path: Path) -> None:
    place, _ = folder(tmp_path, "vit")
    backbone = load_backbone(f"open_clip:local-dir:{place}")
    model = open_clip.create_model(f"local-dir:{place}", force_image_size=size).eval()
    x = pictures(*size)
    out = backbone.forward(x, outputs=backbone.outputs)
    close(out["projection"][:, 0], model.encode_image(x))
    assert out["tokens"].shape[2:4] == (size[0] // 8, size[1] // 8)
    before = backbone.weights_sha256
    assert before == load_backbone(f"open_clip:local-dir:{place}").weights_sha256


@torch.inference_mode()
def test_convnext_towers_take_rectangles(tmp_path: Path) -> None:
    place, model = folder(tmp_path, "timm_convnext")
    backbone = load_backbone(f"open_clip:local-dir:{place}")
    x = pictures(64, 96)
    close(backbone.forward(x)["projection"][:, 0], model.encode_image(x))


def test_towers_of_one_size_say_so(tmp_path: Path) -> None:
    for kind, side in (("resnet", 64), ("timm_vit", 224)):
        place, _ = folder(tmp_path, kind)
        with pytest.raises(InputError, match=f"its input is {side} x {side} pixels, not 320"):
            load_backbone(f"open_clip:local-dir:{place}", image_size=320)


@torch.inference_mode()
def test_weights_come_from_the_hubs_cache_and_can_be_pinned(tmp_path: Path, monkeypatch) -> None:
    place, model = folder(tmp_path, "timm_vit", custom=True)
    names = ("open_clip_config.json", "open_clip_model.safetensors")
    cached(tmp_path / "hub", "clinic/films", {n: place / n for n in names}, monkeypatch)
    backbone = load_backbone("open_clip:hf-hub:clinic/films")
    x = pictures(224, 224)
    close(backbone.forward(x)["projection"][:, 0], model.encode_image(x))
    assert backbone.origin == {
        "name": "open_clip:hf-hub:clinic/films", "source": "open_clip:hf-hub:clinic/films",
        "file": "open_clip_model.safetensors", "revision": COMMIT, "sha256": "e" * 64,
    }  # fmt: skip
    json.dumps(backbone.config)
    pinned = load_backbone("open_clip:hf-hub:clinic/films", revision=COMMIT)
    assert pinned.weights_sha256 == backbone.weights_sha256
    control = load_backbone("open_clip:hf-hub:clinic/films", init="random")
    assert control.random
    assert control.config == backbone.config
    with pytest.raises(InputError, match="its configuration is not in the local"):
        load_backbone("open_clip:hf-hub:clinic/films", revision="f" * 40)


@torch.inference_mode()
def test_a_tag_brings_weights_preprocessing_and_activation(tmp_path: Path, monkeypatch) -> None:
    """The activation that a tag was trained with is used, which open_clip only warns about."""
    from open_clip import factory, pretrained

    place, model = folder(tmp_path, "quickgelu")
    config = json.loads((place / "open_clip_config.json").read_text())["model_cfg"]
    config["quick_gelu"] = False
    monkeypatch.setitem(factory._MODEL_CONFIGS, "Tiny-8", config)
    tag = {
        "hf_hub": "clinic/tiny/", "quick_gelu": True, "mean": (0.5,) * 3, "std": (0.5,) * 3,
        "interpolation": "bilinear", "resize_mode": "squash",
    }  # fmt: skip
    monkeypatch.setitem(pretrained._PRETRAINED, "Tiny-8", {"films": tag})
    name = "open_clip_model.safetensors"
    cached(tmp_path / "hub", "clinic/tiny", {name: place / name}, monkeypatch)
    backbone = load_backbone("open_clip:Tiny-8:films")
    x = pictures(32, 32)
    close(backbone.forward(x)["projection"][:, 0], model.encode_image(x))
    p = backbone.preprocess
    assert (p.resize, p.crop, p.interpolation) == ((32, 32), None, "bilinear")
    assert p.mean == (0.5, 0.5, 0.5)
    random = load_backbone("open_clip:Tiny-8", init="random")
    assert random.preprocess.resize == 32
    with pytest.raises(UnknownName, match="Did you mean 'films'"):
        load_backbone("open_clip:Tiny-8:fimls")
    with pytest.raises(UnknownName, match="There are films"):
        load_backbone("open_clip:Tiny-8")


def test_a_weights_file_of_the_tower_or_of_the_whole_model(tmp_path: Path) -> None:
    place, model = folder(tmp_path, "vit")
    whole = place / "open_clip_model.safetensors"
    backbone = load_backbone(f"open_clip:local-dir:{place}")
    save_file(model.visual.state_dict(), tmp_path / "tower.safetensors")
    run = {f"module.{k}": v for k, v in model.state_dict().items()}
    torch.save({"state_dict": run, "epoch": 3}, tmp_path / "epoch_3.pt")
    for path in (whole, tmp_path / "tower.safetensors", tmp_path / "epoch_3.pt"):
        again = load_backbone(f"open_clip:local-dir:{place}", weights=path)
        assert again.weights_sha256 == backbone.weights_sha256
        other = [k for k in model.state_dict() if not k.startswith("visual.")]
        # of the texts, which is not used
        said = [k.removeprefix("state_dict.module.") for k in again.origin.get("dropped", [])]
        assert sorted(said) == ([] if "tower" in path.name else sorted(other))
    for name in ("compiled in DDP", "Lightning", "Lightning and a head"):
        for content in (model.state_dict(), model.visual.state_dict()):
            torch.save(WRAPPED[name][0](content), tmp_path / "w.pt")
            again = load_backbone(f"open_clip:local-dir:{place}", weights=tmp_path / "w.pt")
            assert again.weights_sha256 == backbone.weights_sha256
            assert bool(again.origin.get("dropped")) == ("head" in name or "visual.proj" in content)
    state = copy.copy(model.state_dict())
    state["visual.odd"] = state.pop("visual.ln_post.weight")
    save_file(state, tmp_path / "odd.safetensors")
    with pytest.raises(InputError, match="1 missing .ln_post.weight.*1 unexpected .odd"):
        load_backbone(f"open_clip:local-dir:{place}", weights=tmp_path / "odd.safetensors")
    whole.unlink()
    with pytest.raises(MissingPath, match="open_clip_model.safetensors"):
        load_backbone(f"open_clip:local-dir:{place}")


def test_random_weights_follow_the_seed() -> None:
    before = torch.random.get_rng_state()
    one, again, other = (
        load_backbone("open_clip:ViT-S-32-alt:", init="random", seed=s) for s in (3, 3, 4)
    )
    assert torch.equal(before, torch.random.get_rng_state())
    assert one.weights_sha256 == again.weights_sha256 != other.weights_sha256


@pytest.mark.parametrize(
    ("name", "tag"),
    [("ViT-B-16", "laion2b_s34b_b88k"), ("ViT-B-16-SigLIP", "webli"), ("RN50", "openai"),
     ("ViT-L-14-CLIPA", "datacomp1b"), ("MobileCLIP-S1", "datacompdr"), ("ViT-B-32", "")],
)  # fmt: skip
def test_preprocessing_equals_open_clips_transform(name: str, tag: str) -> None:
    cfg = open_clip.get_pretrained_cfg(name, tag)
    side = open_clip.get_model_config(name)["vision_cfg"]["image_size"]
    theirs = merge_preprocess_dict(PreprocessCfg(), cfg) | {"size": side}
    transform = image_transform_v2(PreprocessCfg(**theirs), is_train=False)
    p = preprocess(cfg, (side, side), name)
    backbone = Backbone(name, torch.nn.Identity(), AnySize(), p)
    image = photos(1, side, side + (40 if isinstance(p.resize, int) else 0))[0]
    expected = transform(Image.fromarray(image))
    torch.testing.assert_close(
        backbone.prepare(image[None], 0, 255)[0], expected, rtol=1e-4, atol=1e-4
    )
    image = photos(1, 500, 500)[0]
    difference = backbone.prepare(image[None], 0, 255)[0] - transform(Image.fromarray(image))
    assert float((difference * torch.tensor(p.std).view(3, 1, 1)).abs().max()) * 255 <= 1.5


def test_unsupported_preprocessing_is_refused() -> None:
    with pytest.raises(InputError, match="longest"):
        preprocess({"resize_mode": "longest"}, (224, 224), "it")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("ViT-B-61:openai", "Did you mean 'ViT-B-16'"),
        ("ViT-B-16:laion2b_s34b_b89k", "Did you mean 'laion2b_s34b_b88k'.*There are openai"),
    ],
)
def test_an_unknown_name_offers_the_nearest(name: str, message: str) -> None:
    with pytest.raises(UnknownName, match=message):
        load_backbone(f"open_clip:{name}")


@pytest.mark.parametrize(
    ("name", "what"),
    [("ViT-B-32:openai", "weights are"), ("RN50:yfcc15m", "weights are"),
     ("hf-hub:microsoft/BiomedCLIP-PubMedBERT_256-vit_base_patch16_224", "configuration is")],
)  # fmt: skip
def test_offline_what_is_missing_is_named_at_once(name: str, what: str, monkeypatch) -> None:
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr("featprobe.backbones.optional_libraries.hub_reachable", lambda: False)
    with pytest.raises(InputError, match=f"open_clip:{name}: its {what} not in the local"):
        load_backbone(f"open_clip:{name}")


def test_a_folder_that_is_not_open_clips_is_refused(tmp_path: Path) -> None:
    with pytest.raises(MissingPath, match=r"open_clip_config\.json"):
        load_backbone(f"open_clip:local-dir:{tmp_path}")
    (tmp_path / "open_clip_config.json").write_text("{}")
    with pytest.raises(InputError, match="not a configuration of open_clip"):
        load_backbone(f"open_clip:local-dir:{tmp_path}")
    (tmp_path / "open_clip_config.json").write_text(
        json.dumps({"model_cfg": {"embed_dim": 8, "vision_cfg": {"odd": 1}, "text_cfg": {}}})
    )
    with pytest.raises(InputError, match="not a configuration of open_clip"):
        load_backbone(f"open_clip:local-dir:{tmp_path}")
