"""recipes/: which parameters train, by name, which statistics move, and wrong options."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

import pytest
import torch
from torch import nn

from featprobe.backbones.adapters import Maps, Tokens, feature_map
from featprobe.backbones.base import Backbone
from featprobe.backbones.spec import Preprocess
from featprobe.backbones.timm_adapters import TimmTokens
from featprobe.core.errors import InputError, UnknownName
from featprobe.core.options import checked
from featprobe.finetuning.recipes.base import Recipe, blocks_of
from featprobe.finetuning.recipes.named import RECIPES, make_recipe
from tests.finetuning.networks import fused, means, network, state, steps, trained

FAMILIES = ("vit", "dinov2", "resnet", "convnext", "swin", "clip_vision_model")
# the last block or stage, and the norm behind it, as transformers names them
LAST = {
    "vit": r"layers\.2\..*|layernorm\..*",
    "dinov2": r"encoder\.layer\.2\..*|layernorm\..*",
    "resnet": r"encoder\.stages\.1\..*",
    "convnext": r"encoder\.stages\.1\..*",
    "swin": r"encoder\.layers\.1\..*",
    "clip_vision_model": r"encoder\.layers\.2\..*|post_layernorm\..*",
}
# the norms, as transformers names them
NORM = {
    "vit": r"(.*\.)?(layernorm_before|layernorm_after|layernorm)\.(weight|bias)",
    "dinov2": r"(.*\.)?(norm1|norm2|layernorm)\.(weight|bias)",
    "resnet": r".*\.normalization\.(weight|bias)",
    "convnext": r"(.*\.)?(layernorm|downsampling_layer\.0)\.(weight|bias)",
    "swin": r"(.*\.)?(norm|layernorm|layernorm_before|layernorm_after)\.(weight|bias)",
    "clip_vision_model": r"(.*\.)?(pre_layrnorm|post_layernorm|layer_norm[12])\.(weight|bias)",
}
BIAS = r".*(\.|_)bias"
EXPECTED = {
    "frozen": dict.fromkeys(FAMILIES, "nothing"),
    "full": dict.fromkeys(FAMILIES, ".*"),
    "lp-ft": dict.fromkeys(FAMILIES, ".*"),
    "bitfit": dict.fromkeys(FAMILIES, BIAS),
    "norm-only": NORM,
    "last-n": LAST,
}


def parameters(backbone: Backbone) -> set[str]:
    return {name for name, _ in backbone.module.named_parameters()}


@pytest.mark.parametrize("kind", FAMILIES)
@pytest.mark.parametrize("name", EXPECTED)
def test_which_parameters_train(name: str, kind: str) -> None:
    backbone = network(kind)
    wanted = {n for n in parameters(backbone) if re.fullmatch(EXPECTED[name][kind], n)}
    if name == "norm-only":  # torch knows which these are
        norms = [m for m in backbone.module.modules() if "Norm" in type(m).__name__]
        assert sum(len(list(m.parameters(recurse=False))) for m in norms) == len(wanted)
    make_recipe(name).apply(backbone)
    assert set(trained(backbone)) == wanted
    assert bool(wanted) == (name != "frozen")


@pytest.mark.parametrize("kind", FAMILIES)
@pytest.mark.parametrize("name", [n for n in EXPECTED if n != "frozen"])
def test_what_trains_moves_and_nothing_else_does(name: str, kind: str) -> None:
    backbone = network(kind)
    before, start, frozen_hash = state(backbone), means(backbone), backbone.weights_sha256
    trainable = make_recipe(name).apply(backbone)
    names = set(trained(backbone))
    reached = steps(trainable, lr=1e-3)
    assert reached  # gradients arrive
    moved = {n for n, value in state(backbone).items() if not torch.equal(value, before[n])}
    buffers = {n for n, _ in backbone.module.named_buffers()}
    assert reached <= moved & names
    assert moved - buffers <= names
    statistics = {n for n in buffers if "running" in n or "num_batches" in n}
    inside = {n for n in statistics if re.fullmatch(LAST[kind], n)}
    expected = {"full": statistics, "lp-ft": statistics, "last-n": inside}.get(name, set())
    assert moved & buffers == expected
    assert bool(statistics) == (kind == "resnet")
    plain = trainable.plain()
    assert not trained(plain)
    assert not any(m.training for m in plain.module.modules())
    assert (means(plain) - start).abs().max() > 1e-5
    assert plain.weights_sha256 != frozen_hash  # not the one that was remembered


def test_frozen_changes_nothing() -> None:
    backbone = network("resnet")
    before = state(backbone)
    trainable = make_recipe("frozen").apply(backbone)
    trainable.train()
    out = backbone.adapter(backbone.module, torch.randn(4, 3, 64, 64), {"mean": 1})["mean"]
    assert not out.requires_grad
    after = state(trainable.plain())
    assert all(torch.equal(after[n], value) for n, value in before.items())
    assert trainable.plain().weights_sha256 == backbone.weights_sha256


def test_lp_ft_is_full_from_a_solved_head() -> None:
    assert make_recipe("lp-ft").start == "solved"
    assert make_recipe("full").start == "zeros"


def test_last_n_counts_from_the_end() -> None:
    for n in (1, 2, 3):
        backbone = network("vit")
        make_recipe("last-n", blocks=n).apply(backbone)
        found = {m[1] for name in trained(backbone) if (m := re.match(r"layers\.(\d)", name))}
        assert found == {str(i) for i in range(3 - n, 3)}
    with pytest.raises(InputError, match="vit has 3 blocks: blocks=4 of last-n must be 1 to 3"):
        make_recipe("last-n", blocks=4).apply(network("vit"))


@pytest.mark.parametrize("base", ["", "trunk"])
def test_last_n_trains_the_norms_of_timm(base: str) -> None:
    net = fused().module
    net.fc_norm = nn.LayerNorm(16)
    module = nn.ModuleDict({base: net}) if base else net
    backbone = Backbone("it", module, TimmTokens(16, base=base, blocks=2), fused().preprocess)
    make_recipe("last-n").apply(backbone)
    pattern = r"(trunk\.)?(blocks\.1|norm|fc_norm)\..*"
    assert set(trained(backbone)) == {n for n in parameters(backbone) if re.fullmatch(pattern, n)}
    assert len(trained(backbone)) == 8 + 4


class Stages(nn.Module):
    """A network with the names of torchvision's and timm's ResNet, its head larger than a stage."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 8, 3)
        self.conv2 = nn.Conv2d(8, 8, 3)
        self.layer1 = nn.Sequential(nn.Conv2d(8, 8, 3), nn.Conv2d(8, 8, 3), nn.Conv2d(8, 8, 3))
        self.layer2 = nn.Sequential(nn.Conv2d(8, 16, 3), nn.Conv2d(16, 16, 3))
        self.fc = nn.Linear(16, 200)


class Features(nn.Module):
    """A network with the names of VGG, whose classifier is larger than what comes before."""

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(*(nn.Conv2d(3, 3, 3) for _ in range(4)))
        self.classifier = nn.Sequential(nn.Linear(3, 400), nn.ReLU(), nn.Linear(400, 400))


class Stem(nn.Module):
    """A network whose stem is numbered, at a level above its stages."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.conv2, self.conv3 = (nn.Conv2d(3, 3, 3) for _ in range(3))
        self.body = nn.Sequential(nn.Conv2d(3, 16, 3), nn.Conv2d(16, 16, 3))


@pytest.mark.parametrize(
    ("module", "stages"),
    [
        (Stages(), ["layer1", "layer2"]),
        (Features(), [f"features.{i}" for i in range(4)]),
        (Stem(), ["body.0", "body.1"]),
        (nn.Conv2d(3, 3, 3), [""]),
    ],
)
def test_stages_of_networks_that_the_adapter_takes_as_one(module, stages) -> None:
    backbone = Backbone("it", module, Maps(16, feature_map), Preprocess(resize=8, crop=(8, 8)))
    names = {id(m): n for n, m in module.named_modules()}
    assert [names[id(m)] for m in blocks_of(backbone)] == stages


def test_the_stages_of_pvt_are_not_its_patch_embeddings() -> None:
    backbone = network("pvt")
    assert blocks_of(backbone) == list(backbone.module.encoder.block)


def test_a_transformer_of_one_block_has_one() -> None:
    backbone = fused()
    backbone.module.blocks = nn.Sequential(backbone.module.blocks[0])
    backbone.adapter = Tokens("blocks", "norm", 16, 1, 8, prefix=0, cls=False)
    assert blocks_of(backbone) == [backbone.module.blocks[0]]


def test_a_network_without_what_trains_is_refused() -> None:
    module = nn.Sequential(nn.Conv2d(3, 3, 3, bias=False), nn.Conv2d(3, 3, 3, bias=False))
    backbone = Backbone("it", module, Maps(3, feature_map), Preprocess(resize=8, crop=(8, 8)))
    for name in ("bitfit", "norm-only"):
        with pytest.raises(InputError, match="it has no parameter of the kind"):
            make_recipe(name).apply(backbone)


@pytest.mark.parametrize(
    ("name", "options", "error", "message"),
    [
        ("last-n", {"blocks": 0}, InputError, "blocks=0 of recipe last-n must be at least 1"),
        ("last-n", {"blocks": "2"}, InputError, "recipe last-n: blocks must be a whole num"),
        ("last-n", {"blocks": 1.5}, InputError, "blocks must be a whole number, not 1.5"),
        ("last-n", {"block": 1}, InputError, "no option 'block'. Did you mean 'blocks'"),
        ("full", {"lr": 1e-3}, InputError, "recipe full has no option 'lr'.* It has: none"),
        ("bitfit", {"name": "x"}, InputError, "recipe bitfit has no option 'name'"),
        ("bitfti", {}, UnknownName, "unknown recipe 'bitfti'. Did you mean 'bitfit'"),
    ],
)  # fmt: skip
def test_wrong_options_are_one_line(name: str, options: dict, error, message: str) -> None:
    with pytest.raises(error, match=message) as caught:
        make_recipe(name, **options)
    assert "\n" not in str(caught.value)


@dataclass(frozen=True)
class Odd(Recipe):
    """A recipe of another package."""

    name = "odd"
    share: float | None = None
    layers: tuple[int, ...] = ()
    anything: dict[str, int] = field(default_factory=dict)


def test_options_are_brought_to_their_annotations() -> None:
    odd = Odd(share=1, layers=[1, 2], anything={"a": 1})
    assert odd.to_dict() == {"share": 1.0, "layers": [1, 2], "anything": {"a": 1}}
    assert type(odd.share) is float
    assert odd.layers == (1, 2)
    assert odd == Odd(share=1.0, layers=(1, 2), anything={"a": 1})
    assert Odd().share is None
    with pytest.raises(InputError, match="recipe odd: share must be a number or null, not 'x'"):
        Odd(share="x")
    with pytest.raises(InputError, match="recipe odd: layers must be a list of whole numbers"):
        Odd(layers=[1, "x"])
    with pytest.raises(InputError, match="it: x must be a number, not nan"):
        checked("x", float("nan"), float, "it")


def test_recipes_are_made_again_from_their_options() -> None:
    assert {"lora", "dora", "loha", "lokr", "ia3", *EXPECTED} <= set(RECIPES.names())
    for name in ("lora", "dora", "loha", "lokr", "ia3", *EXPECTED):
        recipe = make_recipe(name)
        assert recipe.name == name
        assert make_recipe(name, **recipe.to_dict()) == recipe
