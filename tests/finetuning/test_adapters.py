"""recipes/adapters.py against PEFT's own count, torch's arithmetic and the frozen network."""

from __future__ import annotations

import copy
import re

import peft
import pytest
import torch
from torch import nn

from featprobe.backbones.families import FAMILIES
from featprobe.core.errors import InputError, UnknownName
from featprobe.finetuning.recipes.named import make_recipe
from tests.finetuning.networks import CONFIGS, fused, means, network, state, steps, trained

ADAPTERS = ("lora", "dora", "loha", "lokr", "ia3")
_VIT = r".*\.(q_proj|k_proj|v_proj|o_proj|fc1|fc2)"
_GATED = r".*\.(q_proj|k_proj|v_proj|o_proj|gate_proj|up_proj|down_proj)"
_CLIP = r"encoder\..*\.(q_proj|k_proj|v_proj|out_proj|fc1|fc2)"
_DENSE = r"encoder\..*\.(query|key|value|dense)"
_CONVNEXT = r"encoder\..*(pwconv1|pwconv2|downsampling_layer\.1)"

# family: the layers that have an adapter by default, written down from transformers' code
LAYERS = {
    **dict.fromkeys(
        ("dinov2", "dinov2_with_registers", "vit", "deit", "vit_mae", "vit_msn", "ijepa", "beit",
         "swin"), _VIT,
    ),
    **dict.fromkeys(("dinov2 with SwiGLU", "dinov3_vit with a gate"), _GATED),
    **dict.fromkeys(("clip_vision_model", "siglip_vision_model", "siglip2_vision_model"), _CLIP),
    **dict.fromkeys(("data2vec-vision", "swinv2"), _DENSE),
    **dict.fromkeys(("convnext", "convnextv2"), _CONVNEXT),
    "dinov3_vit": r".*\.(q_proj|k_proj|v_proj|o_proj|up_proj|down_proj)",
    "blip_vision_model": r"encoder\..*\.(qkv|projection|fc1|fc2)",
    "focalnet": r"encoder\..*\.(projection_in|projection_out|fc1|fc2)",
    "dinov3_convnext": r".*(pointwise_conv[12]|\.0\.downsample_layers\.0|[123]\..*_layers\.1)",
    "resnet": r"encoder\..*\.convolution",
    "regnet": r"encoder\..*(shortcut\.convolution|layer\.[03]\.convolution|attention\.[02])",
    "efficientnet": r"encoder\.blocks\..*\.(reduce|expand|project_conv|expand_conv)",
    "mobilenet_v1": r"layer\.\d*[13579]\.convolution",  # every other one is depthwise
    "mobilenet_v2": r"layer\..*\.(expand_1x1|reduce_1x1)\.convolution",
    "hiera": r"encoder\..*\.(attn\.qkv|attn\.proj|fc1|fc2)",
    "pvt": r"encoder\.block\..*\.(query|key|value|dense|dense1|dense2)",
    "pvt_v2": r"encoder\..*\.(query|key|value|attention\.proj|dense1|dense2)",
    "sam_vision_model": r"vision_encoder\.layers\..*\.(qkv|proj|lin1|lin2)",
    "sam2_vision_model": r"blocks\..*\.(attn\.qkv|attn\.proj|mlp\.proj_in|mlp\.proj_out)",
}  # fmt: skip


def fitting(module: nn.Module, pattern: str) -> dict[str, nn.Module]:
    """Linear layers and convolutions whose whole path the pattern matches."""
    found = {
        n: m for n, m in module.named_modules()
        if isinstance(m, (nn.Linear, nn.Conv2d)) and re.fullmatch(pattern, n)
    }  # fmt: skip
    assert found
    return found


def low_rank(layer: nn.Module, rank: int) -> int:
    """Parameters of A and B of a layer."""
    if isinstance(layer, nn.Linear):
        return rank * (layer.in_features + layer.out_features)
    return rank * (layer.in_channels * layer.weight[0, 0].numel() + layer.out_channels)


def check(backbone, recipe) -> None:
    """What holds for every recipe of adapters: how it starts, trains, and is merged."""
    before, start, keys = state(backbone), means(backbone), list(backbone.module.state_dict())
    kinds = [type(m) for m in backbone.module.modules()]
    frozen_hash = backbone.weights_sha256
    trainable = recipe.apply(backbone)
    assert torch.equal(means(backbone), start)
    names = set(trained(backbone))
    assert not names & set(before)  # only what was added
    reached = steps(trainable)
    assert reached == names
    after = state(backbone)
    for name, value in before.items():
        assert torch.equal(after[name], value), name
    moved = means(backbone)
    assert (moved - start).abs().max() > 1e-4
    plain = trainable.plain()
    assert list(plain.module.state_dict()) == keys
    assert [type(m) for m in plain.module.modules()] == kinds
    assert not trained(plain)
    assert not any(m.training for m in plain.module.modules())
    torch.testing.assert_close(means(plain), moved, rtol=1e-5, atol=1e-5)
    assert plain.weights_sha256 != frozen_hash
    again = trainable.plain()  # there is nothing left to merge
    assert again.weights_sha256 == plain.weights_sha256


@pytest.mark.slow
@pytest.mark.parametrize("kind", sorted(LAYERS))
def test_lora_on_every_family(kind: str) -> None:
    backbone = network(kind)
    layers = fitting(backbone.module, LAYERS[kind])
    config = peft.LoraConfig(r=4, lora_alpha=8, target_modules=LAYERS[kind])
    peers = peft.get_peft_model(copy.deepcopy(backbone.module), config)
    recipe = make_recipe("lora", rank=4, alpha=8)
    check(backbone, recipe)
    backbone = network(kind)
    recipe.apply(backbone)
    count = sum(p.numel() for p in trained(backbone).values())
    assert count == sum(low_rank(layer, 4) for layer in layers.values())
    assert count == peers.get_nb_trainable_parameters()[0]


def test_every_family_is_tested_here() -> None:
    whole = {"clip", "siglip", "siglip2", "blip", "sam", "sam2", "sam2_video"}
    assert {kind.split()[0] for kind in LAYERS} | whole | {"bit"} == set(FAMILIES)
    assert set(LAYERS) | {"bit"} == set(CONFIGS)


@pytest.mark.parametrize("kind", ["vit", "swin", "resnet", "convnext"])
@pytest.mark.parametrize("name", ADAPTERS[1:])
def test_the_other_adapters(name: str, kind: str) -> None:
    check(network(kind), make_recipe(name))


@pytest.mark.parametrize(
    ("name", "options"),
    [("loha", {"effective_conv": True}), ("lokr", {"effective_conv": True, "rank": 2}),
     ("lokr", {"decompose_both": True, "factor": 4, "rank": 1}), ("dora", {"bias": "none"})],
)  # fmt: skip
def test_options_of_the_other_adapters(name: str, options: dict) -> None:
    check(network("resnet"), make_recipe(name, **options))


def test_numbers_of_parameters_of_the_other_adapters() -> None:
    """DoRA: a length for each output more. LoHa: twice LoRA. (IA)3: a factor for each channel."""
    layers = fitting(network("vit").module, LAYERS["vit"]).values()
    wide = fitting(network("vit").module, r".*\.(q_proj|k_proj|v_proj|fc2)").items()
    lora = sum(low_rank(layer, 8) for layer in layers)
    expected = {
        "dora": lora + sum(layer.out_features for layer in layers),
        "loha": 2 * lora,
        "ia3": sum(m.in_features if n.endswith("fc2") else m.out_features for n, m in wide),
    }
    for name, count in expected.items():
        backbone = network("vit")
        make_recipe(name).apply(backbone)
        assert sum(p.numel() for p in trained(backbone).values()) == count


def test_what_is_merged_is_the_scaled_product() -> None:
    backbone = network("vit")
    weight = backbone.module.get_parameter("layers.1.mlp.fc1.weight").clone()
    trainable = make_recipe("lora", rank=3, alpha=12, targets="fc1").apply(backbone)
    steps(trainable)
    layer = backbone.module.get_submodule("layers.1.mlp.fc1")
    product = layer.lora_B.default.weight @ layer.lora_A.default.weight
    assert torch.linalg.matrix_rank(product) == 3
    merged = trainable.plain().module.get_parameter("layers.1.mlp.fc1.weight")
    torch.testing.assert_close(merged, weight + 12 / 3 * product, rtol=1e-6, atol=1e-6)


def test_the_study_of_radiology_is_expressible() -> None:
    """RAD: rank 48, alpha 16, dropout 0.1 on queries, keys, values and both layers of the MLP."""
    backbone = network("dinov2")
    layers = fitting(backbone.module, r".*\.(q_proj|k_proj|v_proj|fc1|fc2)")
    recipe = make_recipe("lora", rank=48, alpha=16, dropout=0.1, targets=["qkv", "fc1", "fc2"])
    assert recipe.to_dict()["targets"] == ["qkv", "fc1", "fc2"]
    trainable = recipe.apply(backbone)
    names = {name.partition(".lora_")[0] for name in trained(backbone)}
    assert names == set(layers)
    one = backbone.module.get_submodule("encoder.layer.0.mlp.fc1")
    assert one.scaling == {"default": 16 / 48}
    assert one.lora_dropout.default.p == 0.1
    assert trainable.live


@pytest.mark.parametrize(
    ("name", "options"),
    [("lora", {"dropout": 0.5}), ("dora", {"dropout": 0.5}), ("loha", {"module_dropout": 0.5}),
     ("lokr", {"rank_dropout": 0.5})],
)  # fmt: skip
def test_only_adapters_that_drop_are_in_train_mode(name: str, options: dict) -> None:
    backbone = network("resnet")
    trainable = make_recipe(name, **options).apply(backbone)
    steps(trainable)
    norms = [m for m in backbone.module.modules() if isinstance(m, nn.BatchNorm2d)]
    trainable.train()
    assert norms
    assert not any(m.training for m in norms)
    torch.manual_seed(0)
    assert len({float(means(backbone).sum()) for _ in range(8)}) > 1
    backbone.module.eval()
    assert torch.equal(means(backbone), means(backbone))


@pytest.mark.parametrize("name", ADAPTERS)
def test_without_dropout_nothing_is_in_train_mode(name: str) -> None:
    backbone = network("resnet")
    trainable = make_recipe(name).apply(backbone)
    trainable.train()
    assert trainable.live == []
    assert not any(m.training for m in backbone.module.modules())


@pytest.mark.parametrize("name", ["lora", "dora"])
@pytest.mark.parametrize("bias", ["all", "lora_only"])
def test_biases_train_and_stay(name: str, bias: str) -> None:
    backbone = network("vit")
    before = state(backbone)
    trainable = make_recipe(name, bias=bias, targets="mlp").apply(backbone)
    own = {n.replace(".base_layer", "") for n in trained(backbone)} & set(before)
    pattern = r".*\.bias" if bias == "all" else r"layers\..*\.(fc1|fc2)\.bias"
    assert own == {n for n in before if re.fullmatch(pattern, n)}
    steps(trainable)
    moved = means(backbone)
    after = {n for n, v in state(trainable.plain()).items() if not torch.equal(v, before[n])}
    changed = {n for n in after if n.endswith("bias")}
    assert changed
    assert changed <= own
    assert after - changed == {
        n for n in before if re.fullmatch(r"layers\..*\.(fc1|fc2)\.weight", n)
    }
    torch.testing.assert_close(means(backbone), moved, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", ADAPTERS)
def test_fused_projections_of_timm(name: str) -> None:
    backbone = fused()
    check(backbone, make_recipe(name, targets=("qkv", "mlp")))
    backbone = fused()
    make_recipe(name).apply(backbone)
    adapted = {re.sub(r"\.(lora|hada|lokr|ia3)_.*", "", n) for n in trained(backbone)}
    inside = {n.removeprefix("blocks.0.") for n in adapted if n.startswith("blocks.0.")}
    every = {"attn.qkv", "attn.proj", "mlp.fc1", "mlp.fc2"}
    assert inside == ({"attn.qkv", "mlp.fc2"} if name == "ia3" else every)
    assert all(n.startswith("blocks.") for n in adapted)


def test_weights_read_past_their_module_are_refused() -> None:
    backbone = fused("weights")
    before, start = state(backbone), means(backbone)
    with pytest.raises(InputError, match=r"fused does not call blocks\.\*\.attn\.qkv.*mlp"):
        make_recipe("lora", bias="all").apply(backbone)
    assert list(state(backbone)) == list(before)
    assert torch.equal(means(backbone), start)
    assert not trained(backbone)
    check(backbone, make_recipe("lora", targets=("proj", "mlp")))


def test_torchs_own_attention_is_refused() -> None:
    for given in ({}, {"targets": "proj"}, {"targets": ["mlp", "q"]}):
        with pytest.raises(InputError, match="nn.MultiheadAttention.*targets=mlp"):
            make_recipe("lora", **given).apply(fused("torch"))
    check(fused("torch"), make_recipe("lora", targets="mlp"))


def test_a_role_that_matches_nothing_names_what_is_there() -> None:
    with pytest.raises(InputError, match=r"vit: targets=conv matches nothing.*layers\.\*\.mlp\.fc"):
        make_recipe("lora", targets="conv").apply(network("vit"))
    with pytest.raises(InputError, match=r"resnet: targets=qkv.*: none; 7 convolutions are"):
        make_recipe("lora", targets="qkv").apply(network("resnet"))
    with pytest.raises(InputError, match=r"targets=q matches nothing.*blocks\.\*\.attn\.qkv"):
        make_recipe("lora", targets=["mlp", "q"]).apply(fused())
    with pytest.raises(InputError, match=r"a class of their own: .*conv1"):
        make_recipe("lora").apply(network("bit"))


def test_grouped_convolutions_have_no_adapter() -> None:
    backbone = network("regnet")
    grouped = {n for n, m in backbone.module.named_modules() if getattr(m, "groups", 1) > 1}
    make_recipe("loha").apply(backbone)
    assert grouped
    assert not any(name.startswith(tuple(grouped)) for name in trained(backbone))


def test_dora_refuses_weights_without_direction() -> None:
    backbone = network("vit")
    with torch.no_grad():
        backbone.module.get_parameter("layers.1.mlp.fc1.weight")[3] = 0
    with pytest.raises(InputError, match=r"layers\.1\.mlp\.fc1 has outputs.*use lora"):
        make_recipe("dora").apply(backbone)
    assert torch.isfinite(means(backbone)).all()
    check(backbone, make_recipe("lora"))


@pytest.mark.parametrize(
    ("name", "options", "error", "message"),
    [
        ("lora", {"rank": 0}, InputError, "rank=0 of recipe lora must be at least 1"),
        ("lora", {"rank": "x"}, InputError, "recipe lora: rank must be a whole number, not 'x'"),
        ("lora", {"rank": True}, InputError, "recipe lora: rank must be a whole number, not True"),
        ("dora", {"alpha": -1}, InputError, "alpha=-1.0 of recipe dora must be positive"),
        ("dora", {"dropout": 1}, InputError, "dropout=1.0 of recipe dora must be at least 0"),
        ("loha", {"module_dropout": 1.5}, InputError, "module_dropout=1.5 of recipe loha"),
        ("lokr", {"factor": 0}, InputError, "factor=0 of recipe lokr must be -1 or at least 1"),
        ("lokr", {"decompose_both": "yes"}, InputError, "must be true or false"),
        ("lora", {"targets": 3}, InputError, "recipe lora: targets must be a list of names"),
        ("lora", {"targets": "qvk"}, UnknownName, "unknown target 'qvk'.*Did you mean 'qkv'"),
        ("lora", {"bias": "lora"}, UnknownName, "unknown bias 'lora'.*Did you mean 'lora_only'"),
        ("ia3", {"rank": 2}, InputError, "recipe ia3 has no option 'rank'.*It has: targets"),
        ("lora", {"r": 2}, InputError, "recipe lora has no option 'r'"),
    ],
)  # fmt: skip
def test_wrong_options_are_one_line(name: str, options: dict, error, message: str) -> None:
    with pytest.raises(error, match=message) as caught:
        make_recipe(name, **options)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["lora", "dora", "loha", "lokr"])
def test_a_rank_beyond_all_layers_is_refused_before_it_takes_memory(name: str) -> None:
    backbone = network("vit")
    with pytest.raises(InputError, match=f"rank=100000 of recipe {name} is above the width"):
        make_recipe(name, rank=100_000).apply(backbone)
    assert not any(p.requires_grad for p in backbone.module.parameters())
