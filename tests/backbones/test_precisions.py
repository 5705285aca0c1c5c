"""backbones/precisions.py: weights of bfloat16, and copies that are networks of their own."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch

import featprobe as fp
from featprobe.backbones.base import Backbone
from featprobe.backbones.precisions import PURE
from tests.conftest import make_tiny

AUTHORS = {"interpolate_offset": 0.1, "interpolate_antialias": False}


def authors(**changes) -> Backbone:
    """A tiny DINOv2 whose positions are interpolated as its authors do."""
    from featprobe.backbones.positions import follow_the_authors

    backbone = make_tiny(**changes)
    config = backbone.module.config
    for name, value in AUTHORS.items():
        setattr(config, name, value)
    follow_the_authors(backbone.module, config)
    return backbone


def frames(n: int = 3, side: int = 42) -> torch.Tensor:
    return torch.randn(n, 3, side, side, generator=torch.Generator().manual_seed(1))


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", ["tiny", "dinov2_vits14", "resnet18", "convnext_tiny", "clip_vitb32"]
)
def test_features_of_pure_bf16_are_near_those_of_float32(name: str) -> None:
    backbone = authors() if name == "tiny" else fp.load_backbone(name, init="random")
    x = frames(side=backbone.preprocess.size[0])
    exact, pure = backbone.forward(x), backbone.forward(x, precision=PURE)
    for output, values in exact.items():
        assert pure[output].dtype == torch.float32
        cosine = torch.cosine_similarity(values.flatten(1), pure[output].flatten(1))
        assert cosine.min() > 0.995, output
    assert not torch.equal(values, pure[output])
    assert {p.dtype for p in backbone.module.parameters()} == {torch.float32}
    again = backbone.forward(x)
    assert all(torch.equal(exact[n], again[n]) for n in exact)


def test_a_copy_has_positions_of_its_own() -> None:
    """Where positions are interpolated: a function that knew the first module gave its positions
    to every copy, so that training them changed nothing."""
    backbone, x = authors(), frames()
    before = backbone.forward(x)["cls"]
    made = backbone.copied()
    positions = made.module.embeddings.position_embeddings
    positions.requires_grad_(True)
    made.adapter(made.module, x, {"cls": 1})["cls"][..., 0].sum().backward()
    assert positions.grad is not None
    assert positions.grad.abs().sum() > 0
    with torch.no_grad():
        positions.mul_(3)
    assert not torch.allclose(made.forward(x)["cls"], before)
    assert torch.equal(backbone.forward(x)["cls"], before)
    assert torch.equal(copy.deepcopy(backbone).forward(x)["cls"], before)


def test_pure_follows_the_weights_device_and_what_was_compiled(monkeypatch) -> None:
    monkeypatch.setattr(torch, "compile", lambda f, **_: _Compiled(f))
    backbone, x = make_tiny(), frames(side=28)
    expected = backbone.forward(x, precision=PURE)["cls"]
    backbone = make_tiny()
    backbone.compile()  # blocks of float32 that a copy must not call
    assert torch.equal(backbone.forward(x, precision=PURE)["cls"], expected)
    first = backbone.pure_module
    assert backbone.pure_module is first
    assert "pure_module" not in vars(backbone.copied())
    backbone.to("cpu")
    assert backbone.pure_module is not first


class _Compiled:
    """What ``torch.compile`` returns, as far as anybody looks at it."""

    def __init__(self, function) -> None:
        self._torchdynamo_orig_callable = self.function = function

    def __call__(self, *args, **kwargs):
        return self.function(*args, **kwargs)


def test_pure_features_are_a_store_of_their_own(class_folders) -> None:
    data = fp.load_dataset(class_folders)
    exact = fp.extract(make_tiny(), data)
    pure = fp.extract(make_tiny(), data, precision=PURE)
    assert exact.store.path != pure.store.path
    assert pure.store.key.precision == PURE
    a, b = exact.x(), pure.x()
    assert not np.array_equal(a, b)
    cosine = (a * b).sum(1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)
    assert cosine.min() > 0.995
