"""recipes/vpt.py and backbones/prompts.py: prompts against transformers' own blocks."""

from __future__ import annotations

import copy
import math

import pytest
import torch
import transformers

from featprobe.core.errors import InputError
from featprobe.finetuning.recipes.named import make_recipe
from featprobe.finetuning.recipes.vpt import VPT
from tests.backbones.test_families import MAPS, SAM, TOKENS, VIT, pictures, saved, small, stirred
from tests.conftest import make_tiny
from tests.finetuning.tuned import features, small_backbone, trained


@pytest.mark.parametrize("kind", sorted(TOKENS))
@pytest.mark.parametrize("deep", [True, False])
def test_prompts_alone_train_and_all_of_them(kind, deep, tmp_path) -> None:
    backbone = small_backbone(kind, tmp_path)
    frozen = {n: p.clone() for n, p in backbone.module.state_dict().items()}
    before = features(backbone)
    tuned, moved = trained(backbone, VPT(prompts=4, deep=deep))
    assert tuned.backbone is backbone
    assert moved == {"prompts.tokens"}
    tokens = backbone.module.prompts.tokens
    depth = TOKENS[kind]["num_hidden_layers"]
    assert tokens.shape == (depth if deep else 1, 4, 32)
    assert (tokens.grad.abs().amax((1, 2)) > 0).all()  # at every block
    state = backbone.module.state_dict()
    assert {n for n in state if n not in frozen} == {"prompts.tokens"}
    assert all(torch.equal(state[n], p) for n, p in frozen.items())
    after = features(backbone)
    assert {n: v.shape for n, v in after.items()} == {n: v.shape for n, v in before.items()}
    assert (after["mean"] - before["mean"]).abs().max() > 1e-3


def layered(kind: str, model: torch.nn.Module, x: torch.Tensor, tokens: torch.Tensor, first: int):
    """States behind each block (B, T, D), by a loop over transformers' own modules."""
    more = {}
    if kind == "dinov3_vit":
        more["position_embeddings"] = model.rope_embeddings(x)
    if kind == "siglip_vision_model":
        more["attention_mask"] = None
    hidden = model.embeddings(x)
    hidden = hidden[0] if isinstance(hidden, tuple) else hidden
    layers = next(
        m for n, m in model.named_modules()
        if isinstance(m, torch.nn.ModuleList) and n in ("encoder.layer", "layers", "model.layer")
    )  # fmt: skip
    states = []
    number = tokens.shape[1]
    for i, layer in enumerate(layers):
        kept = hidden[:, first:] if i == 0 else hidden[:, first + number :]
        if i < len(tokens):
            own = tokens[i].expand(len(x), -1, -1)
            hidden = torch.cat([hidden[:, :first], own, kept], 1)
        hidden = layer(hidden, **more)
        states.append(hidden)
    return states


@pytest.mark.parametrize("deep", [True, False])
@pytest.mark.parametrize(
    ("kind", "first"),
    [("dinov2", 1), ("dinov2_with_registers", 4), ("dinov3_vit", 5), ("vit", 1), ("deit", 2),
     ("ijepa", 0)],
)  # fmt: skip
@torch.inference_mode()
def test_states_equal_a_loop_over_the_blocks_of_transformers(kind, first, deep, tmp_path) -> None:
    """Vision transformers' rotary positions touch patches only: DINOv3 is among them."""
    model = small(kind, TOKENS[kind])
    backbone = small_backbone(kind, tmp_path)
    tuned = VPT(prompts=3, deep=deep).apply(backbone).backbone
    tokens = backbone.module.prompts.tokens
    x = pictures(32, 32)
    norm = getattr(model, "layernorm", None) or model.norm
    states = [norm(h) for h in layered(kind, model, x, tokens, first)]
    out = features(tuned, x)
    for block, state in enumerate(states):
        patches = state[:, first + 3 :]
        assert patches.shape[1] == 16
        torch.testing.assert_close(out["tokens"][:, block].flatten(1, 2), patches)
        torch.testing.assert_close(out["mean"][:, block], patches.mean(1))
        if first:
            torch.testing.assert_close(out["cls"][:, block], state[:, 0])


@torch.inference_mode()
def test_shallow_prompts_are_what_transformers_calls_registers(tmp_path) -> None:
    """DINOv2 with prompts equal to the registers is DINOv2 with registers."""
    with_registers = small_backbone("dinov2_with_registers", tmp_path)
    plain = small_backbone("dinov2", tmp_path, mlp_ratio=4)
    state = with_registers.module.state_dict()
    registers = state.pop("embeddings.register_tokens")
    plain.module.load_state_dict(state)
    VPT(prompts=3, deep=False).apply(plain)
    plain.module.prompts.tokens.copy_(registers)
    ours, theirs = features(plain), features(with_registers)
    assert ours.keys() == theirs.keys()
    for name in ours:
        torch.testing.assert_close(ours[name], theirs[name], rtol=1e-6, atol=1e-6)


def test_prompts_start_as_the_paper_has_them() -> None:
    backbone = make_tiny()
    VPT(prompts=200).apply(backbone)
    tokens = backbone.module.prompts.tokens
    bound = math.sqrt(6 / (3 * 14 * 14 + 32))
    assert tokens.abs().max() <= bound
    torch.testing.assert_close(tokens.std().item(), bound / math.sqrt(3), rtol=0.03, atol=0)
    assert abs(tokens.mean()) < bound / 50


def test_other_input_sizes_and_copies_keep_their_prompts(tmp_path) -> None:
    backbone = small_backbone("vit", tmp_path)
    tuned, _ = trained(backbone, VPT(prompts=2))
    x = pictures(24, 56)
    assert features(tuned.backbone, x)["tokens"].shape == (2, 3, 3, 7, 32)
    twin = copy.deepcopy(tuned.backbone)
    ours = features(backbone, x)
    with torch.no_grad():
        twin.module.prompts.tokens.zero_()
    assert torch.equal(features(backbone, x)["mean"], ours["mean"])
    assert (features(twin, x)["mean"] - ours["mean"]).abs().max() > 1e-4


def test_dropout_acts_in_training_alone() -> None:
    backbone = make_tiny()
    tuned = VPT(dropout=0.5).apply(backbone)
    x = pictures(28, 28)

    def mean() -> torch.Tensor:
        return backbone.adapter(backbone.module, x, {"mean": 1})["mean"]

    assert torch.equal(mean(), mean())
    tuned.train()
    assert not torch.equal(mean(), mean())


def test_networks_that_take_no_tokens_are_refused_and_left_as_they_were(tmp_path) -> None:
    from featprobe.backbones.load import load_backbone

    beit = {"use_mean_pooling": False, "use_relative_position_bias": True, "num_hidden_layers": 4}
    torch.manual_seed(0)
    shared = {**beit, "use_relative_position_bias": False}
    shared["use_shared_relative_position_bias"] = True
    models = {
        "sam": (small("sam_vision_model", SAM), 64),
        "unbiased sam": (small("sam_vision_model", {**SAM, "use_rel_pos": False}), 64),
        "beit": (small("beit", {**VIT, **beit}), 32),
        "beit with shared positions": (small("beit", {**VIT, **shared}), 32),
        **{kind: (small(kind, MAPS[kind]), 64) for kind in ("swin", "convnext", "resnet", "pvt")},
    }
    for name, (model, size) in models.items():
        backbone = load_backbone(saved(tmp_path / name, model, size))
        before, sha = features(backbone), backbone.weights_sha256
        with pytest.raises(InputError, match="vpt is (not )?for.*use lora") as refused:
            VPT().apply(backbone)
        assert "\n" not in str(refused.value), name
        after = features(backbone)
        assert all(torch.equal(before[n], after[n]) for n in before), name
        del backbone.weights_sha256
        assert backbone.weights_sha256 == sha


def test_a_classifiers_own_logits_stay_readable(tmp_path) -> None:
    from featprobe.backbones.load import load_backbone

    config = transformers.AutoConfig.for_model("vit", **VIT, num_labels=7)
    torch.manual_seed(0)
    model = stirred(transformers.ViTForImageClassification(config))
    backbone = load_backbone(saved(tmp_path / "m", model, 32))
    tuned, _ = trained(backbone, VPT())
    out = features(tuned.backbone)
    with torch.inference_mode():
        torch.testing.assert_close(
            out["logits"][:, 0], model.classifier(out["cls"][:, -1]), rtol=1e-5, atol=1e-5
        )


def test_options_are_checked() -> None:
    with pytest.raises(InputError, match="prompts=0 must be at least 1"):
        make_recipe("vpt", prompts=0)
    with pytest.raises(InputError, match="dropout=1.0 must be at least 0 and below 1"):
        make_recipe("vpt", dropout=1.0)
    backbone = make_tiny()
    VPT().apply(backbone)
    with pytest.raises(InputError, match="has prompts already"):
        VPT().apply(backbone)
