"""code.py: what a user's own network does is part of the key of its features."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from featprobe.backbones.base import Backbone
from featprobe.backbones.code import code_digest
from featprobe.backbones.load import load_backbone
from featprobe.backbones.spec import Preprocess
from featprobe.datasets.load import load_dataset
from featprobe.extraction.local import extract


class Net(nn.Module):
    def __init__(self, scale: float = 1.0) -> None:
        super().__init__()
        self.scale = scale
        self.inner = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU())
        with torch.no_grad():
            for p in self.parameters():
                p.fill_(0.1)

    def forward(self, x: Tensor) -> Tensor:
        return self.inner(x).mean((2, 3)) * self.scale


class Doubled(Net):
    def forward(self, x: Tensor) -> Tensor:
        return self.inner(x).mean((2, 3)) * 2


@dataclass
class Means:
    outputs: dict = field(default_factory=lambda: {"mean": (1, 4)})
    multiple: int = 1
    fixed: Any = None
    factor: float = 1.0

    def blocks_of(self, model: nn.Module) -> list[nn.Module]:
        return [model]

    def __call__(self, model: nn.Module, x: Tensor, wanted: Any) -> dict[str, Tensor]:
        return {"mean": model(x)[:, None] * self.factor}


class Halves(Means):
    def __call__(self, model: nn.Module, x: Tensor, wanted: Any) -> dict[str, Tensor]:
        return {"mean": model(x)[:, None] / 2}


def own(module: nn.Module | None = None, adapter: Any = None, **given: Any) -> Backbone:
    preprocess = Preprocess(resize=(8, 8), crop=None)
    return Backbone("own", module or Net(), adapter or Means(), preprocess, **given)


def swapped() -> Net:
    """One module whose forward was replaced, as in a notebook."""
    net = Net()
    net.forward = lambda x: net.inner(x).amax((2, 3))  # type: ignore[method-assign]
    return net


def other_stride() -> Net:
    net = Net()
    net.inner[0].stride = (2, 2)  # type: ignore[union-attr]
    return net


OTHERS = {
    "forward": lambda: own(Doubled()), "value": lambda: own(Net(3.0)),
    "swapped": lambda: own(swapped()),
    "stride": lambda: own(other_stride()), "adapter": lambda: own(adapter=Halves()),
    "factor": lambda: own(adapter=Means(factor=0.5)), "version": lambda: own(version="2"),
}  # fmt: skip


@pytest.mark.parametrize("name", OTHERS)
def test_equal_weights_with_other_code_are_another_key(name: str) -> None:
    first, other = own(), OTHERS[name]()
    assert first.weights_sha256 == other.weights_sha256
    assert first.config == other.config
    assert first.versions != other.versions
    assert OTHERS[name]().versions == other.versions  # the same again, in every process
    assert own().versions == first.versions


def test_they_do_not_share_a_store(class_folders: Path) -> None:
    data = load_dataset(class_folders)
    a, b = (extract(own(net), data, workers=0, dtype="float32") for net in (Net(), Doubled()))
    assert a.store.path != b.store.path
    assert np.allclose(2 * a.x("mean"), b.x("mean"))
    again = extract(own(), data, workers=0, dtype="float32")
    assert again.store.path == a.store.path
    assert again.summary.new_frames == 0


def test_a_version_stands_for_the_code_and_one_is_as_absent() -> None:
    assert own(version=1).versions == {}
    assert own(version="b").versions == own(Doubled(), version="b").versions == {"backbone": "b"}


def test_comments_and_what_was_run_before_do_not_count(class_folders: Path) -> None:
    source = "class N(nn.Module):\n    def forward(self, x):\n        return x{}\n"
    made = []
    for i, text in enumerate(("", "  # a comment", " + 1")):
        file = class_folders / f"net{i}.py"
        file.write_text("from torch import nn\n" + source.format(text))
        space: dict[str, Any] = {"__name__": "net"}
        exec(compile(file.read_text(), str(file), "exec"), space)
        made.append(code_digest(space["N"](), None))
    assert made[0] == made[1] != made[2]
    backbone = own()
    before = code_digest(backbone.module, backbone.adapter)
    backbone.forward(torch.zeros(1, 3, 8, 8))
    assert code_digest(backbone.module, backbone.adapter) == before


def test_what_featprobe_loads_has_the_key_it_always_had() -> None:
    loaded = load_backbone("tiny_vit14")
    assert loaded.versions == {}
    assert replace(loaded).versions == {}
