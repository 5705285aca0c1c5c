"""Rates, decay and schedules against tables by hand, BEiT's formula, torch and transformers."""

from __future__ import annotations

from copy import deepcopy

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from peft import LoraConfig, inject_adapter_in_model
from torch import nn
from transformers import (
    AutoConfig,
    AutoModel,
    ResNetConfig,
    get_constant_schedule_with_warmup,
    get_cosine_schedule_with_warmup,
    get_cosine_with_min_lr_schedule_with_warmup,
)

from featprobe.backbones.base import Backbone
from featprobe.backbones.families import FAMILIES, plan
from featprobe.backbones.load import load_backbone
from featprobe.backbones.spec import Preprocess
from featprobe.core.errors import InputError
from featprobe.finetuning.optim import groups, optimizer, schedule
from featprobe.finetuning.recipes.named import make_recipe
from featprobe.finetuning.settings import OPTIMIZERS, Training

NAMES = ["full", "frozen", "bitfit", "norm-only", "last-n"]


def resnet() -> Backbone:
    config = ResNetConfig(
        embedding_size=8, hidden_sizes=[8, 16], depths=[1, 1], layer_type="bottleneck"
    )
    return Backbone(
        "resnet", AutoModel.from_config(config), FAMILIES["resnet"].adapter(config, ""),
        Preprocess(resize=32, crop=(32, 32)), random=True,
    )  # fmt: skip


def tiny() -> Backbone:
    return load_backbone("tiny_vit14", init="random")


TINY = tiny()
make_recipe("full").apply(TINY)


def head(width: int = 192) -> nn.Module:
    return nn.Linear(width, 2)


def of_names(backbone: Backbone, top: nn.Module, found: list[dict]) -> dict[str, dict]:
    """Name of each parameter -> its group."""
    names = {id(p): n for n, p in backbone.module.named_parameters()}
    names |= {id(p): f"head.{n}" for n, p in top.named_parameters()}
    return {names[id(p)]: g for g in found for p in g["params"]}


@pytest.mark.parametrize("make", [tiny, resnet])
@pytest.mark.parametrize("recipe", NAMES)
@pytest.mark.parametrize("decay_all", [False, True])
def test_each_parameter_that_trains_is_in_one_group(make, recipe, decay_all) -> None:
    backbone, top = make(), head()
    make_recipe(recipe).apply(backbone)
    found = groups(backbone, top, Training(layer_decay=0.7, decay_all=decay_all), 1e-3)
    listed = [id(p) for g in found for p in g["params"]]
    every = [*backbone.module.parameters(), *top.parameters()]
    assert sorted(listed) == sorted(id(p) for p in every if p.requires_grad)
    assert len({g["name"] for g in found}) == len(found)
    assert all(g["params"] for g in found)
    for kind in OPTIMIZERS:  # torch refuses a parameter that is in two
        made = optimizer(found, Training(optimizer=kind))
        assert type(made).__name__.lower() == kind
        assert [g["lr"] for g in made.param_groups] == [g["lr"] for g in found]
        assert [g["weight_decay"] for g in made.param_groups] == [g["weight_decay"] for g in found]


def test_rates_of_a_transformer_by_hand() -> None:
    backbone, top = tiny(), head()
    make_recipe("full").apply(backbone)
    training = Training(layer_decay=0.5, head_lr=0.3, weight_decay=0.1)
    found = of_names(backbone, top, groups(backbone, top, training, 0.64))
    table = {  # lr, weight decay, group
        "embeddings.cls_token": (0.01, 0, "before the blocks, not decayed"),
        "embeddings.mask_token": (0.01, 0, "before the blocks, not decayed"),
        "embeddings.position_embeddings": (0.01, 0, "before the blocks, not decayed"),
        "embeddings.patch_embeddings.projection.weight": (0.01, 0.1, "before the blocks"),
        "embeddings.patch_embeddings.projection.bias": (0.01, 0, "before the blocks, not decayed"),
        "encoder.layer.0.mlp.fc1.weight": (0.02, 0.1, "block 1"),
        "encoder.layer.0.norm1.weight": (0.02, 0, "block 1, not decayed"),
        "encoder.layer.1.layer_scale1.lambda1": (0.04, 0, "block 2, not decayed"),
        "encoder.layer.2.mlp.fc2.bias": (0.08, 0, "block 3, not decayed"),
        "encoder.layer.3.attention.q_proj.weight": (0.16, 0.1, "block 4"),
        "encoder.layer.4.attention.o_proj.weight": (0.32, 0.1, "block 5"),
        "layernorm.weight": (0.64, 0, "behind the blocks, not decayed"),
        "layernorm.bias": (0.64, 0, "behind the blocks, not decayed"),
        "head.weight": (0.3, 0.1, "head"),
        "head.bias": (0.3, 0, "head, not decayed"),
    }
    got = {n: (found[n]["lr"], found[n]["weight_decay"], found[n]["name"]) for n in table}
    for name, (lr, decay, group) in table.items():
        assert got[name] == (pytest.approx(lr), decay, group), name


def test_rates_of_a_network_in_stages_by_hand() -> None:
    backbone, top = resnet(), head(16)
    make_recipe("full").apply(backbone)
    found = of_names(backbone, top, groups(backbone, top, Training(layer_decay=0.1), 1.0))
    table = {"embedder.": 1e-3, "encoder.stages.0.": 1e-2, "encoder.stages.1.": 1e-1}
    seen = dict.fromkeys(table, 0)
    for name, group in found.items():
        start = next((s for s in table if name.startswith(s)), None)
        if start is None:
            assert name.startswith("head.")
            continue
        seen[start] += 1
        assert group["lr"] == pytest.approx(table[start])
        assert group["weight_decay"] == (0.05 if name.endswith("convolution.weight") else 0)
    assert all(seen.values())


@settings(deadline=None, max_examples=20)
@given(decay=st.floats(0.1, 1), lr=st.floats(1e-6, 1))
def test_rates_follow_beits_formula(decay, lr) -> None:
    """Their table is decay^(L + 1 - i), i from 0 to L + 1, of depth 0 before and i of block i."""
    backbone, top = TINY, head()
    found = of_names(backbone, top, groups(backbone, top, Training(layer_decay=decay), lr))
    layers = 5
    table = [decay ** (layers + 1 - i) for i in range(layers + 2)]
    for name, group in found.items():
        if name.startswith("embeddings."):
            at = 0
        elif name.startswith("encoder.layer."):
            at = int(name.split(".")[2]) + 1
        else:
            at = layers + 1
        expected = 1e-3 if name.startswith("head.") else lr * table[at]
        assert group["lr"] == pytest.approx(expected)


def test_what_is_not_decayed_is_decayed_when_asked() -> None:
    backbone, top = TINY, head()
    found = groups(backbone, top, Training(decay_all=True, weight_decay=0.2), 1e-3)
    assert {g["weight_decay"] for g in found} == {0.2}
    some = groups(backbone, top, Training(weight_decay=0.2), 1e-3)
    assert {g["weight_decay"] for g in some} == {0, 0.2}


def test_the_last_block_alone_has_the_rate_that_it_has_among_all() -> None:
    backbone, top = tiny(), head()
    make_recipe("last-n", blocks=1).apply(backbone)
    found = groups(backbone, top, Training(layer_decay=0.5), 1.0)
    assert {g["name"].split(",")[0]: g["lr"] for g in found} == {
        "block 5": 0.5, "behind the blocks": 1.0, "head": 1e-3,
    }  # fmt: skip


def test_adapters_have_the_depth_of_their_block() -> None:
    backbone, top = tiny(), head()
    config = LoraConfig(r=2, target_modules=["q_proj", "fc1"])
    inject_adapter_in_model(config, backbone.module)
    found = of_names(backbone, top, groups(backbone, top, Training(layer_decay=0.5), 0.64))
    injected = {n: g for n, g in found.items() if ".lora_" in n}
    assert len(injected) == 5 * 2 * 2
    assert len(injected) + 2 == len(found)  # what LoRA leaves frozen is in no group
    for name, group in injected.items():
        block = int(name.split(".")[2])
        assert group["lr"] == pytest.approx(0.02 * 2**block)
        assert group["weight_decay"] == 0.05


VIT = {
    "hidden_size": 32, "num_hidden_layers": 3, "num_attention_heads": 2, "intermediate_size": 64,
    "image_size": 32, "patch_size": 16,
}  # fmt: skip
STAGES = {"embed_dim": 8, "image_size": 32, "depths": [1, 1], "num_heads": [2, 2]}


def test_the_adapters_norm_is_behind_wherever_the_network_lists_it() -> None:
    backbone, top = tiny(), head()
    modules = backbone.module._modules
    modules.update({n: modules.pop(n) for n in ("embeddings", "encoder")})
    assert next(iter(modules)) == "layernorm"
    make_recipe("full").apply(backbone)
    found = of_names(backbone, top, groups(backbone, top, Training(layer_decay=0.5), 1.0))
    assert found["layernorm.weight"]["lr"] == 1
    assert found["embeddings.cls_token"]["lr"] == 0.5**6


@pytest.mark.parametrize(
    "family, options, before, kept, behind",
    [
        ("clip_vision_model", VIT, {"embeddings", "pre_layrnorm"},
         {"position_embedding.weight", "class_embedding"}, {"post_layernorm"}),
        ("vit", VIT, {"embeddings"}, {"position_embeddings", "cls_token"}, {"layernorm"}),
        ("dinov3_vit", VIT | {"num_register_tokens": 2}, {"embeddings"},
         {"register_tokens", "cls_token", "mask_token"}, {"norm"}),
        ("beit", VIT | {"use_relative_position_bias": True}, {"embeddings"},
         {"relative_position_bias_table", "cls_token"}, {"pooler"}),
        ("sam_vision_model", VIT | {"mlp_dim": 64, "use_rel_pos": True},
         {"vision_encoder.patch_embed"}, {"positions", "rel_pos_h", "rel_pos_w"},
         {"vision_encoder.neck"}),
        ("swin", STAGES | {"window_size": 2}, {"embeddings"},
         {"relative_position_bias_table"}, {"layernorm"}),
    ],
    ids=lambda v: v if isinstance(v, str) else "",
)  # fmt: skip
def test_other_families_begin_and_end_where_they_do(family, options, before, kept, behind) -> None:
    config = AutoConfig.for_model(family, **options)
    steps = plan(config, heads=False)
    backbone = Backbone(
        family, steps.finished(steps.build()), steps.adapter(),
        Preprocess(resize=(32, 32), crop=None), random=True,
    )  # fmt: skip
    make_recipe("full").apply(backbone)
    top = head()
    found = of_names(backbone, top, groups(backbone, top, Training(layer_decay=0.5), 1.0))
    places: dict[str, set[str]] = {}
    for name, group in found.items():
        places.setdefault(group["name"].split(",")[0], set()).add(name)
    for place, starts in (("before the blocks", before), ("behind the blocks", behind)):
        assert places[place] == {n for n in found if n.startswith(tuple(f"{s}." for s in starts))}
    matrices = {n for n, p in backbone.module.named_parameters() if p.ndim > 1}
    spared = {n for n in matrices if found[n]["weight_decay"] == 0}
    assert spared == {n for n in matrices if n.endswith(tuple(kept))}
    for end in kept:
        assert any(found[n]["weight_decay"] == 0 for n in found if n.endswith(end)), end


def factors(training: Training, steps: int) -> list[float]:
    made = schedule(training, steps)
    return [made(t) for t in range(steps)]


def theirs(make, steps: int, *args, **kwargs) -> list[float]:
    """Factors of a schedule of transformers at its steps 0 to ``steps``."""
    stepped = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=1.0)
    made = make(stepped, *args, **kwargs)
    return [made.lr_lambdas[0](s) for s in range(steps + 1)]


@pytest.mark.parametrize("steps, warmup", [(10, 3), (10, 1), (100, 0.1), (7, 7), (1, 1)])
def test_cosine_with_warmup_is_transformers_one_step_on(steps, warmup) -> None:
    """Theirs is 0 at step 0 and at the end reached behind the last step; ours is theirs(t + 1)."""
    warm = warmup if warmup >= 1 else round(warmup * steps)
    expected = theirs(get_cosine_schedule_with_warmup, steps, warm, steps)[1:]
    assert factors(Training(warmup=warmup), steps) == pytest.approx(expected)
    expected = theirs(
        get_cosine_with_min_lr_schedule_with_warmup, steps, warm, steps, min_lr_rate=0.2
    )[1:]
    assert factors(Training(warmup=warmup, final_lr=0.2), steps) == pytest.approx(expected)


@pytest.mark.parametrize("steps", [2, 9, 50])
def test_cosine_without_warmup_is_transformers_over_one_step_less(steps) -> None:
    """The first step is at the peak and the last at the end, so there are ``steps`` - 1 between."""
    expected = theirs(get_cosine_schedule_with_warmup, steps, 0, steps - 1)[:-1]
    assert factors(Training(warmup=0), steps) == pytest.approx(expected)


@pytest.mark.parametrize("steps, warmup", [(10, 4), (5, 0)])
def test_constant_with_warmup_is_transformers_one_step_on(steps, warmup) -> None:
    expected = theirs(get_constant_schedule_with_warmup, steps, warmup)[1:]
    assert factors(Training(warmup=warmup, schedule="constant"), steps) == pytest.approx(expected)


@given(
    st.integers(1, 200),
    st.floats(0, 0.99),
    st.sampled_from(["cosine", "constant"]),
    st.floats(0, 1),
)
def test_no_step_is_at_zero_but_the_last_and_the_peak_is_reached(steps, warmup, kind, low) -> None:
    got = factors(Training(warmup=warmup, schedule=kind, final_lr=low), steps)
    assert max(got) == 1
    assert min(got[:-1], default=1) > 0
    assert all(v >= 0 for v in got)
    peak = got.index(1)
    assert got[:peak] == sorted(got[:peak])
    assert got[peak:] == sorted(got[peak:], reverse=True)
    if kind == "cosine" and len(got) > peak + 1:
        assert got[-1] == pytest.approx(low, abs=1e-12)
    made = schedule(Training(warmup=warmup, schedule=kind, final_lr=low), steps)
    assert made(steps + 5) == got[-1]


def test_the_schedule_drives_torchs() -> None:
    backbone, top = TINY, head()
    training = Training(warmup=2, layer_decay=0.5)
    made = optimizer(groups(backbone, top, training, 1e-2), training)
    peaks = [g["lr"] for g in made.param_groups]
    scheduler = torch.optim.lr_scheduler.LambdaLR(made, schedule(training, 6))
    for factor in factors(training, 6):
        rates = [g["lr"] for g in made.param_groups]
        assert rates == pytest.approx([p * factor for p in peaks])
        made.step()
        scheduler.step()


def test_one_step_of_the_optimizer_is_adamw_with_those_rates() -> None:
    """A plain AdamW for each parameter alone, with the rate and decay of its group."""
    top = head()
    alone = deepcopy(top)
    training = Training(weight_decay=0.3, head_lr=0.01)
    frozen = tiny()
    made = optimizer(groups(frozen, top, training, 1.0), training)
    others = [
        torch.optim.AdamW([alone.weight], lr=0.01, weight_decay=0.3),
        torch.optim.AdamW([alone.bias], lr=0.01, weight_decay=0.0),
    ]
    x = torch.randn(5, 192, generator=torch.Generator().manual_seed(0))
    for module in (top, alone):
        module(x).square().sum().backward()
    made.step()
    for other in others:
        other.step()
    torch.testing.assert_close(top.weight, alone.weight, rtol=1e-6, atol=1e-9)  # ours is fused
    torch.testing.assert_close(top.bias, alone.bias, rtol=1e-6, atol=1e-9)


def test_a_warmup_longer_than_the_training_is_told() -> None:
    with pytest.raises(InputError, match="warmup of 500 steps does not fit into a training of 200"):
        schedule(Training(warmup=500), 200)


def test_nothing_to_train_is_told() -> None:
    with pytest.raises(InputError, match="nothing trains"):
        optimizer(groups(tiny(), nn.Identity(), Training(), 1e-3), Training())
