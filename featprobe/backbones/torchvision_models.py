"""Backbones through torchvision: ``torchvision:NAME`` or ``torchvision:NAME:WEIGHTS``.

For the convolutional networks that neither transformers nor timm has, such as AlexNet.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from featprobe.backbones.adapters import caught
from featprobe.backbones.hub_files import fetched
from featprobe.backbones.optional_libraries import fill, library, state_of, weights_file
from featprobe.backbones.source import Loaded, Source, drawn
from featprobe.backbones.spec import Preprocess
from featprobe.core.errors import InputError, UnknownName, nearest

MAPS = ("features", "layer4", "Mixed_7c")  # the last feature map of the networks that are read


@dataclass
class ConvNet:
    """A network read at a module, ``map``, and at its last linear layer, ``last`` (paths).

    ``mean`` is what the classifier sees where that is as wide as the map, and the spatial mean of
    the map otherwise; then what the classifier sees (AlexNet's and VGG's 4096) is ``prelogits``.
    """

    map: str
    last: str
    width: int
    sees: int
    classes: int
    multiple: int = 1
    fixed: tuple[int, int] | None = None
    head: Mapping[str, int] = field(init=False)

    def __post_init__(self) -> None:
        wider = {} if self.sees == self.width else {"prelogits": self.sees}
        self.head = {**wider, "logits": self.classes}

    @property
    def outputs(self) -> Mapping[str, tuple[int, int]]:
        vectors = dict.fromkeys(("mean", "tokens"), (1, self.width))
        return vectors | {n: (1, w) for n, w in self.head.items()}

    def blocks_of(self, model: nn.Module) -> list[nn.Module]:
        return [model]

    def __call__(self, model: nn.Module, x: Tensor, wanted: Mapping[str, int]) -> dict[str, Tensor]:
        last = model.get_submodule(self.last)
        with caught([model.get_submodule(self.map)]) as maps, caught([last], inputs=True) as seen:
            logits = model(x)
        values = {
            "mean": seen[0] if self.sees == self.width else maps[0].mean((2, 3)),
            "tokens": maps[0].permute(0, 2, 3, 1),
            "prelogits": seen[0],
            "logits": logits,
        }
        return {name: values[name][:, None] for name in wanted}


def load(source: Source) -> Loaded:
    """Build a network of torchvision with its classifier.

    Raises :class:`~featprobe.core.errors.MissingExtra`, :class:`~featprobe.core.errors.UnknownName`
    with the nearest name, or :class:`~featprobe.core.errors.InputError` for weights that cannot be
    had.
    """
    models = library("torchvision", "timm").models
    name, _, tag = source.place.removeprefix("torchvision:").partition(":")
    if name not in models.list_models(models):
        known = models.list_models(models)
        raise UnknownName(f"torchvision has no model {name!r}.{nearest(name, known)}")
    every = models.get_model_weights(name)
    tags = [w.name for w in every]
    if tag and tag not in tags:
        raise UnknownName(
            f"torchvision has no {name} {tag!r}.{nearest(tag, tags)} There are {', '.join(tags)}"
        )
    weights = every[tag] if tag else every.DEFAULT
    with drawn(source.seed):
        net: Any = models.get_model(name, weights=None, **_arguments(name))
    net.eval()
    origin: dict[str, Any] = {}
    if source.init != "random":
        options = bool(source.weights)
        path = weights_file(source) if options else fetched(weights.url)
        state = state_of(path, source, origin, net.state_dict())
        aside = [k for k in state if k.startswith("AuxLogits.")]  # of training alone
        origin |= {"dropped": origin.get("dropped", []) + aside} if options and aside else {}
        kept = {k: v for k, v in state.items() if k not in aside}
        fill(net, kept, f"{path} for {source.text}")
        origin["weights"] = [path.name]
        origin |= {} if options else {"source": source.place, "tag": weights.name}
    transform = weights.transforms()
    preprocess = Preprocess(
        resize=transform.resize_size[0], crop=(transform.crop_size[0],) * 2,
        interpolation=transform.interpolation.value,
        mean=tuple(transform.mean), std=tuple(transform.std), centre="even",
    )  # fmt: skip
    return Loaded(
        net, _adapter(net, source.text), source.preprocess or preprocess,
        {"library": "torchvision", "name": name}, origin,
    )  # fmt: skip


def _arguments(name: str) -> dict[str, Any]:
    # the head of inception and googlenet that only training uses; inputs in their own range
    auxiliary = name in ("inception_v3", "googlenet")
    return {"aux_logits": False, "transform_input": True} if auxiliary else {}


def _adapter(net: nn.Module, text: str) -> ConvNet:
    linear = [n for n, m in net.named_modules() if isinstance(m, nn.Linear)]
    there = [n for n in MAPS if hasattr(net, n)]
    if not linear or not there or type(net).__name__ == "SwinTransformer":  # channels last
        raise InputError(f"{text}: not one of the networks that are read so; try timm: instead")
    last = net.get_submodule(linear[-1])
    assert isinstance(last, nn.Linear)
    with torch.inference_mode(), caught([net.get_submodule(there[0])]) as maps:
        net(torch.zeros(1, 3, 224, 224))
    return ConvNet(there[0], linear[-1], maps[0].shape[1], last.in_features, last.out_features)
