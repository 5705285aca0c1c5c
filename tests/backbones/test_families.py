"""backbones/families.py: every family against a direct call of transformers' own model."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import torch
import transformers
from transformers import AutoConfig, AutoModel

from featprobe.backbones.families import FAMILIES
from featprobe.backbones.load import load_backbone

VIT = {
    "hidden_size": 32, "num_hidden_layers": 3, "num_attention_heads": 2, "intermediate_size": 64,
    "patch_size": 8, "image_size": 32,
}  # fmt: skip
TEXT = {
    "hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16,
    "vocab_size": 50, "max_position_embeddings": 8, "bos_token_id": 0, "eos_token_id": 1,
    "pad_token_id": 2,
}  # fmt: skip
PYRAMID = {"hidden_sizes": [8, 16, 16, 32], "depths": [1, 1, 2, 1]}
SWIN = {"embed_dim": 8, "depths": [1, 2], "num_heads": [2, 2], "window_size": 4, "image_size": 32}
PVT = {**PYRAMID, "image_size": 64, "num_attention_heads": [1, 1, 2, 4]}
SAM = {
    "hidden_size": 32, "num_hidden_layers": 3, "num_attention_heads": 2, "mlp_dim": 64,
    "patch_size": 8, "image_size": 64, "output_channels": 8, "window_size": 4,
    "global_attn_indexes": [1],
}  # fmt: skip
SAM2 = {
    "backbone_config": {
        "model_type": "sam2_hiera_det_model",
        "hidden_size": 8, "blocks_per_stage": [1, 1, 2, 1], "embed_dim_per_stage": [8, 16, 32, 64],
        "num_attention_heads_per_stage": [1, 2, 4, 8], "global_attention_blocks": [3],
        "image_size": [64, 64],
    },
    "backbone_channel_list": [64, 32, 16, 8], "fpn_hidden_size": 16,
}  # fmt: skip

# model_type: configuration of a small model
TOKENS = {
    "dinov2": {**VIT, "mlp_ratio": 2},
    "dinov2_with_registers": {**VIT, "num_register_tokens": 3},
    "dinov3_vit": {**VIT, "num_register_tokens": 4},
    "vit": VIT,
    "deit": VIT,
    "vit_mae": VIT,
    "vit_msn": VIT,
    "ijepa": VIT,
    "beit": {**VIT, "num_hidden_layers": 4, "use_mean_pooling": False},
    "data2vec-vision": {**VIT, "num_hidden_layers": 4, "use_mean_pooling": False},
    "clip_vision_model": {**VIT, "projection_dim": 16},
    "siglip_vision_model": VIT,
    "blip_vision_model": VIT,
}
MAPS = {
    "dinov3_convnext": {**PYRAMID, "image_size": 64},
    "swin": {**SWIN, "patch_size": 4},
    "swinv2": {**SWIN, "patch_size": 4},
    "focalnet": {
        "embed_dim": 8, "depths": [1, 2], "focal_levels": [2, 2], "focal_windows": [3, 3],
        "hidden_sizes": [8, 16], "image_size": 32, "patch_size": 4,
    },
    "convnext": {"hidden_sizes": [8, 16], "depths": [1, 2], "num_stages": 2},
    "convnextv2": {"hidden_sizes": [8, 16], "depths": [1, 2], "num_stages": 2},
    "resnet": {"embedding_size": 8, "hidden_sizes": [8, 16], "depths": [1, 1]},
    "regnet": {**PYRAMID, "embedding_size": 8, "groups_width": 4},
    "bit": {**PYRAMID, "hidden_sizes": [32, 64, 64, 64], "embedding_size": 8, "num_groups": 4},
    "efficientnet": {"width_coefficient": 0.25, "depth_coefficient": 0.5, "hidden_dim": 320},
    "mobilenet_v1": {"depth_multiplier": 0.25},
    "mobilenet_v2": {"depth_multiplier": 0.35},
    "hiera": {
        "embed_dim": 8, "depths": [1, 1, 2, 1], "num_heads": [1, 2, 4, 8], "image_size": [64, 64],
    },
    "pvt": PVT,
    "pvt_v2": PVT,
}  # fmt: skip
BARE = {
    "blip_vision_model": "BlipVisionModel", "clip_vision_model": "CLIPVisionModel",
    "siglip_vision_model": "SiglipVisionModel", "siglip2_vision_model": "Siglip2VisionModel",
    "sam_vision_model": "SamVisionModel", "sam2_vision_model": "Sam2VisionModel",
}  # fmt: skip


def stirred(model: torch.nn.Module) -> torch.nn.Module:
    """Weights under which every part matters: nothing is zero, one, or a fresh statistic."""
    generator = torch.Generator().manual_seed(0)
    for name, value in model.state_dict().items():
        if not value.is_floating_point():
            continue
        noise = torch.randn(value.shape, generator=generator)
        if "running_var" in name:
            value.copy_(1 + 0.5 * noise.abs())
        elif value.ndim == 1 and "bias" not in name and "running" not in name:
            value.copy_(1 + 0.1 * noise)
        else:
            value.add_(0.05 * noise)
    return model.eval()


def saved(folder: Path, model: torch.nn.Module, size: int) -> Path:
    model.save_pretrained(folder)
    processor = {
        "image_processor_type": "ViTImageProcessor", "size": {"height": size, "width": size},
        "image_mean": [0.5] * 3, "image_std": [0.5] * 3,
    }  # fmt: skip
    (folder / "preprocessor_config.json").write_text(json.dumps(processor))
    return folder


def small(kind: str, config: dict) -> torch.nn.Module:
    built = AutoConfig.for_model(kind, **config)
    torch.manual_seed(0)
    if kind in BARE:
        return stirred(getattr(transformers, BARE[kind])(built))
    pooled = {"add_pooling_layer": True} if getattr(built, "use_mean_pooling", False) else {}
    return stirred(AutoModel.from_config(built, **pooled))


def pictures(height: int, width: int) -> torch.Tensor:
    return torch.randn(2, 3, height, width, generator=torch.Generator().manual_seed(1))


def close(ours: torch.Tensor, theirs: torch.Tensor) -> None:
    assert ours.shape == theirs.shape
    torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-5)
    assert theirs.std() > 1e-3  # a comparison of zeros would say nothing


def prefix(kind: str, config: dict) -> int:
    if kind in ("ijepa", "siglip_vision_model"):
        return 0
    return (2 if kind == "deit" else 1) + config.get("num_register_tokens", 0)


@pytest.mark.parametrize(("height", "width"), [(32, 32), (40, 40), (24, 56)])
@pytest.mark.parametrize("kind", sorted(TOKENS))
@torch.inference_mode()
def test_token_transformers_equal_a_direct_call(kind, height, width, tmp_path) -> None:
    config = TOKENS[kind]
    model = small(kind, config)
    backbone = load_backbone(saved(tmp_path / "m", model, 32))
    x = pictures(height, width)
    arguments = {"pixel_values": x}
    if kind not in ("dinov2", "dinov2_with_registers", "dinov3_vit"):
        arguments["interpolate_pos_encoding"] = True
    if kind == "vit_mae":
        n = height * width // 64
        model.config.mask_ratio = 0.0
        arguments["noise"] = torch.arange(n, dtype=torch.float32).expand(2, n)
    direct = model(**arguments, output_hidden_states=True)
    norm = next(
        getattr(model, n) for n in ("layernorm", "norm", "post_layernorm") if hasattr(model, n)
    )
    blocks = config["num_hidden_layers"]
    out = backbone.forward(x, blocks=99, outputs=[n for n in backbone.outputs if n != "logits"])
    first = prefix(kind, config)
    assert out["mean"].shape == (2, blocks, 32)
    assert out["tokens"].shape == (2, blocks, height // 8, width // 8, 32)
    # transformers stores the normalised state last, in place of the last block, for some families
    for block in range(blocks):
        hidden = direct.hidden_states[block + 1]
        if block == blocks - 1:
            hidden = direct.last_hidden_state
            expected = norm(hidden) if kind == "clip_vision_model" else hidden
        else:
            expected = norm(hidden)
            assert (expected - hidden).abs().max() > 1e-3  # the norm is not the identity
        close(out["tokens"][:, block].flatten(1, 2), expected[:, first:])
        close(out["mean"][:, block], expected[:, first:].mean(1))
        if "cls" in backbone.outputs:
            close(out["cls"][:, block], expected[:, 0])
    assert ("cls" in backbone.outputs) == (first > 0)
    if kind == "clip_vision_model":
        close(out["cls"][:, -1], direct.pooler_output)
    if kind == "siglip_vision_model":
        close(out["projection"][:, 0], direct.pooler_output)


def sizes(kind: str) -> list[tuple[int, int]]:
    """Odd and rectangular where the family allows it."""
    if kind == "pvt":
        return [(64, 64)]
    if kind == "hiera":
        return [(64, 64), (96, 64)]
    if kind == "dinov3_convnext":
        return [(64, 64), (96, 64)]
    return [(64, 64), (97, 70), (64, 131)]


@pytest.mark.parametrize("kind", sorted(MAPS))
@torch.inference_mode()
def test_feature_maps_equal_a_direct_call(kind, tmp_path) -> None:
    model = small(kind, MAPS[kind])
    backbone = load_backbone(saved(tmp_path / "m", model, 64))
    for height, width in sizes(kind):
        x = pictures(height, width)
        more = {"interpolate_pos_encoding": True} if kind == "hiera" else {}
        if kind in ("swin", "swinv2", "focalnet") or (kind == "hiera" and height == width):
            more["output_hidden_states"] = True
        direct = model(pixel_values=x, **more)
        last = direct.last_hidden_state
        out = backbone.forward(x, dict.fromkeys(backbone.outputs, 1))
        assert out["tokens"].shape[:2] == (2, 1)
        tokens, mean = out["tokens"][:, 0], out["mean"][:, 0]
        if last.ndim == 4:
            close(tokens, last.permute(0, 2, 3, 1))
        elif kind in ("pvt", "dinov3_convnext"):
            close(out["cls"][:, 0], last[:, 0])
            close(tokens.flatten(1, 2), last[:, 1:])
            close(mean, last[:, 1:].mean(1))
        elif kind == "hiera":
            close(tokens.flatten(1, 2), last)
            if height == width:  # transformers can reorder its own input size only
                close(tokens, direct.reshaped_hidden_states[-1])
        else:
            close(tokens.flatten(1, 2), last)
            h, w = direct.reshaped_hidden_states[-1].shape[2:]
            assert tokens.shape[1:3] == (h, w)
        if kind in ("efficientnet", "mobilenet_v1", "mobilenet_v2", "pvt_v2"):
            close(mean, last.mean((2, 3)))
        elif getattr(direct, "pooler_output", None) is not None and kind != "dinov3_convnext":
            close(mean, direct.pooler_output.flatten(1))


@pytest.mark.parametrize("kind", ["resnet", "regnet", "bit", "convnext", "convnextv2"])
@torch.inference_mode()
def test_stages_are_those_of_a_direct_call_on_the_grid_of_the_finest(kind, tmp_path) -> None:
    model = small(kind, MAPS[kind])
    backbone = load_backbone(saved(tmp_path / "m", model, 64))
    stages, width = backbone.outputs["tokens"]
    x = pictures(64, 96)
    out = model(pixel_values=x, output_hidden_states=True)
    direct = [*out.hidden_states[-stages:-1], out.last_hidden_state]  # BiT normalises the last
    assert [m.shape[1] for m in direct] == list(model.config.hidden_sizes)
    for wanted in range(2, stages + 1):
        out = backbone.forward(x, {"tokens": wanted, "mean": 1})
        kept = direct[-wanted:]
        size = kept[0].shape[2:]
        assert out["tokens"].shape == (len(x), wanted, *size, width)
        close(out["mean"], backbone.forward(x, {"mean": 1})["mean"])
        for k, m in enumerate(kept):
            on = torch.nn.functional.interpolate(m, size, mode="bilinear", align_corners=False)
            close(out["tokens"][:, k, ..., : m.shape[1]], on.permute(0, 2, 3, 1))
            assert not out["tokens"][:, k, ..., m.shape[1] :].any()
    side = backbone.preprocess.size[0]
    assert side == 64
    assert backbone.shape("tokens", stages)[1:3] == tuple(n * 64 // d for n, d in zip(
        direct[0].shape[2:], (64, 96)))  # fmt: skip


@pytest.mark.parametrize("kind", ["dinov2", "convnext"])
def test_batches_side_by_side_do_not_mix(kind, tmp_path) -> None:
    """Threads share the module; each gets the features of its own batch."""
    size = 64 if kind == "convnext" else 32
    backbone = load_backbone(saved(tmp_path / "m", small(kind, (TOKENS | MAPS)[kind]), size))
    batches = [
        torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(i)) for i in range(60)
    ]
    alone = [backbone.forward(x, blocks=2)["mean"] for x in batches]
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with ThreadPoolExecutor(4, initializer=torch.set_num_threads, initargs=(1,)) as pool:
            beside = list(pool.map(lambda x: backbone.forward(x, blocks=2)["mean"], batches))
    finally:
        torch.set_num_threads(before)
    for a, b in zip(alone, beside):
        torch.testing.assert_close(a, b, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("kind", ["beit", "data2vec-vision"])
@torch.inference_mode()
def test_fine_tuned_beit_is_normalised_behind_its_mean(kind, tmp_path) -> None:
    model = small(kind, {**TOKENS[kind], "use_mean_pooling": True})
    backbone = load_backbone(saved(tmp_path / "m", model, 32))
    x = pictures(32, 48)
    direct = model(pixel_values=x, interpolate_pos_encoding=True, output_hidden_states=True)
    out = backbone.forward(x, blocks=2, outputs=["cls", "mean", "tokens"])
    pooled = direct.hidden_states[-2][:, 1:].mean(1)
    close(out["mean"][:, -2], model.pooler.layernorm(pooled))
    close(out["mean"][:, -1], direct.pooler_output)
    close(out["tokens"][:, -1].flatten(1, 2), direct.last_hidden_state[:, 1:])


@torch.inference_mode()
def test_siglip2_of_free_aspect_equals_a_direct_call_on_its_processors_patches(tmp_path) -> None:
    from transformers.models.siglip2.image_processing_pil_siglip2 import (
        convert_image_to_patches,
    )

    config = {k: v for k, v in VIT.items() if k != "image_size"}
    model = small("siglip2_vision_model", {**config, "num_patches": 16})
    backbone = load_backbone(saved(tmp_path / "m", model, 32))
    x = pictures(24, 40)
    patches = torch.stack([torch.as_tensor(convert_image_to_patches(i.numpy(), 8)) for i in x])
    direct = model(
        pixel_values=patches, pixel_attention_mask=torch.ones(2, 15, dtype=torch.long),
        spatial_shapes=torch.tensor([[3, 5], [3, 5]]), output_hidden_states=True,
    )  # fmt: skip
    out = backbone.forward(x, blocks=3, outputs=["mean", "tokens", "projection"])
    close(out["tokens"][:, -1].flatten(1, 2), direct.last_hidden_state)
    close(out["projection"][:, 0], direct.pooler_output)
    close(out["mean"][:, 0], model.post_layernorm(direct.hidden_states[1]).mean(1))


@torch.inference_mode()
def test_sam_gives_its_blocks_before_the_neck_at_any_size(tmp_path) -> None:
    model = small("sam_vision_model", SAM)
    backbone = load_backbone(saved(tmp_path / "m", model, 64))
    x = pictures(64, 64)
    direct = model(pixel_values=x, output_hidden_states=True)
    out = backbone.forward(x, blocks=3, outputs=["mean", "tokens", "neck"])
    assert "cls" not in backbone.outputs
    close(out["neck"][:, 0], direct.last_hidden_state.mean((2, 3)))
    assert backbone.outputs["neck"] == (1, SAM["output_channels"])
    for block in range(3):
        close(out["tokens"][:, block], direct.hidden_states[block + 1])
        close(out["mean"][:, block], direct.hidden_states[block + 1].mean((1, 2)))
    assert backbone.forward(pictures(48, 80), outputs=["tokens"])["tokens"].shape == (
        2,
        1,
        6,
        10,
        32,
    )


@torch.inference_mode()
def test_sam_at_another_size_has_antialiased_positions_and_another_version(tmp_path) -> None:
    """As a SAM of that size with the same weights, its positions brought there as timm does."""
    model = small("sam_vision_model", SAM)
    backbone = load_backbone(saved(tmp_path / "m", model, 64), image_size=48)
    other = small("sam_vision_model", {**SAM, "image_size": 48})
    own, state = other.state_dict(), dict(model.state_dict())
    positions = "vision_encoder.pos_embed"
    state[positions] = torch.nn.functional.interpolate(
        state[positions].permute(0, 3, 1, 2), (6, 6), mode="bicubic", antialias=True,
        align_corners=False,
    ).permute(0, 2, 3, 1)  # fmt: skip
    for name in state:
        if "rel_pos" in name and state[name].shape != own[name].shape:
            state[name] = torch.nn.functional.interpolate(
                state[name].T[None], len(own[name]), mode="linear"
            )[0].T
    other.load_state_dict(state)
    x = pictures(48, 48)
    out = backbone.forward(x, outputs=["mean", "neck"])
    direct = other(pixel_values=x, output_hidden_states=True)
    close(out["neck"][:, 0], direct.last_hidden_state.mean((2, 3)))
    close(out["mean"][:, 0], direct.hidden_states[-1].mean((1, 2)))
    assert backbone.versions == {"backbone": 2}
    assert load_backbone(tmp_path / "m").versions == {}


@torch.inference_mode()
def test_sam2_gives_its_trunk(tmp_path) -> None:
    model = small("sam2_vision_model", SAM2)
    backbone = load_backbone(saved(tmp_path / "m", model, 64))
    for size in ((64, 64), (96, 64)):
        x = pictures(*size)
        direct = model(pixel_values=x)
        out = backbone.forward(x, outputs=["mean", "tokens"])
        close(out["tokens"][:, 0], direct.last_hidden_state)
        close(out["mean"][:, 0], direct.last_hidden_state.mean((1, 2)))


CLASSIFIERS = {
    "Dinov2ForImageClassification": "dinov2",
    "Dinov2WithRegistersForImageClassification": "dinov2_with_registers",
    "ViTForImageClassification": "vit",
    "DeiTForImageClassification": "deit",
    "DeiTForImageClassificationWithTeacher": "deit",
    "BeitForImageClassification": "beit",
    "Data2VecVisionForImageClassification": "data2vec-vision",
    "ViTMSNForImageClassification": "vit_msn",
    "IJepaForImageClassification": "ijepa",
    "SwinForImageClassification": "swin",
    "Swinv2ForImageClassification": "swinv2",
    "FocalNetForImageClassification": "focalnet",
    "ConvNextForImageClassification": "convnext",
    "ConvNextV2ForImageClassification": "convnextv2",
    "ResNetForImageClassification": "resnet",
    "RegNetForImageClassification": "regnet",
    "BitForImageClassification": "bit",
    "EfficientNetForImageClassification": "efficientnet",
    "MobileNetV1ForImageClassification": "mobilenet_v1",
    "MobileNetV2ForImageClassification": "mobilenet_v2",
    "HieraForImageClassification": "hiera",
    "PvtForImageClassification": "pvt",
    "PvtV2ForImageClassification": "pvt_v2",
}


@pytest.mark.parametrize("architecture", CLASSIFIERS)
@torch.inference_mode()
def test_a_checkpoint_with_a_classifier_gives_its_logits(architecture, tmp_path) -> None:
    kind = CLASSIFIERS[architecture]
    options = dict((TOKENS | MAPS)[kind])
    if kind in ("beit", "data2vec-vision"):
        options["use_mean_pooling"] = True
    config = AutoConfig.for_model(kind, **options, num_labels=7)
    torch.manual_seed(0)
    model = stirred(getattr(transformers, architecture)(config))
    size = 64 if kind in MAPS else 32
    backbone = load_backbone(saved(tmp_path / "m", model, size))
    x = pictures(size, size)
    out = backbone.forward(x, outputs=["logits", "mean"])
    close(out["logits"][:, 0], model(pixel_values=x).logits)
    bare = load_backbone(saved(tmp_path / "bare", model.base_model, size))
    assert "logits" not in bare.outputs
    close(out["mean"], bare.forward(x, outputs=["mean"])["mean"])


@pytest.mark.parametrize("whole", [True, False])
@torch.inference_mode()
def test_clip_gives_its_projection_without_the_text_tower(whole, tmp_path) -> None:
    vision = {**VIT, "projection_dim": 16}
    if whole:
        config = AutoConfig.for_model(
            "clip", vision_config=vision, text_config=TEXT, projection_dim=16
        )
        model = stirred(transformers.CLIPModel(config))
    else:
        config = AutoConfig.for_model("clip_vision_model", **vision)
        model = stirred(transformers.CLIPVisionModelWithProjection(config))
    backbone = load_backbone(saved(tmp_path / "m", model, 32))
    x = pictures(32, 32)
    if whole:
        expected = model.get_image_features(pixel_values=x).pooler_output
    else:
        expected = model(pixel_values=x).image_embeds
    out = backbone.forward(x)
    close(out["projection"][:, 0], expected)
    close(out["cls"][:, 0], model.vision_model(pixel_values=x).pooler_output)
    assert not any("text" in name for name, _ in backbone.module.named_parameters())


@pytest.mark.parametrize("kind", ["siglip", "siglip2", "sam", "sam2", "blip"])
@torch.inference_mode()
def test_the_vision_tower_is_taken_out_of_a_whole_model(kind, tmp_path) -> None:
    torch.manual_seed(0)
    if kind == "blip":
        config = AutoConfig.for_model(kind, vision_config=VIT, text_config=TEXT, projection_dim=16)
        whole = stirred(transformers.BlipModel(config))
        tower = whole.vision_model
    elif kind in ("siglip", "siglip2"):
        vision = VIT if kind == "siglip" else {**VIT, "num_patches": 16}
        config = AutoConfig.for_model(kind, vision_config=vision, text_config=TEXT)
        whole = stirred(AutoModel.from_config(config))
        tower = whole.vision_model
    else:
        vision = SAM if kind == "sam" else SAM2
        more = {
            "prompt_encoder_config": {
                "hidden_size": 8, "image_size": 64, "image_embedding_size": 8, "patch_size": 8,
                "mask_input_channels": 4,
            },
            "mask_decoder_config": {
                "hidden_size": 8, "mlp_dim": 16, "num_hidden_layers": 1, "num_attention_heads": 1,
                "iou_head_hidden_dim": 8, "attention_downsample_rate": 1,
            },
        }  # fmt: skip
        if kind == "sam2":
            vision = {**vision, "fpn_hidden_size": 32}
            for part in more.values():
                part["hidden_size"] = 32
        config = AutoConfig.for_model(kind, vision_config=vision, **more)
        whole = stirred(AutoModel.from_config(config))
        tower = whole.vision_encoder
    backbone = load_backbone(saved(tmp_path / "whole", whole, 64 if "sam" in kind else 32))
    if kind == "sam":
        own = backbone.module.state_dict()
        theirs = tower.state_dict()
        for name in ("layers.0.attn.qkv.weight", "neck.conv1.weight"):
            assert torch.equal(own[f"vision_encoder.{name}"], theirs[name])
        return
    x = pictures(64, 64) if kind == "sam2" else pictures(32, 32)
    out = backbone.forward(x, outputs=["mean"])["mean"][:, 0]
    if kind == "siglip2":
        assert torch.equal(
            backbone.module.state_dict()["post_layernorm.weight"], tower.post_layernorm.weight
        )
        assert out.shape == (2, 32)
        return
    last = tower(pixel_values=x).last_hidden_state
    if kind == "sam2":
        close(out, last.mean((1, 2)))
    else:
        close(out, last[:, 1 if kind == "blip" else 0 :].mean(1))


@torch.inference_mode()
def test_blip_for_retrieval_gives_the_projection_it_matches_text_with(tmp_path) -> None:
    torch.manual_seed(0)
    config = AutoConfig.for_model(
        "blip", vision_config=VIT, text_config={**TEXT, "encoder_hidden_size": 32},
        image_text_hidden_size=12,
    )  # fmt: skip
    model = stirred(transformers.BlipForImageTextRetrieval(config))
    backbone = load_backbone(saved(tmp_path / "m", model, 32))
    x = pictures(32, 32)
    expected = model.vision_proj(model.vision_model(pixel_values=x).last_hidden_state[:, 0])
    out = backbone.forward(x)
    close(out["projection"][:, 0], expected)
    assert out["projection"].shape == (2, 1, 12)


def test_every_family_is_tested_here() -> None:
    whole = {"clip", "siglip", "siglip2", "blip", "sam", "sam2", "sam2_video"}
    alone = {"siglip2_vision_model", "sam_vision_model", "sam2_vision_model"}
    assert set(FAMILIES) == set(TOKENS) | set(MAPS) | whole | alone
