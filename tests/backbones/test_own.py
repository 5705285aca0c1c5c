"""A torch module of one's own as a backbone."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

import featprobe as fp
from featprobe.core.errors import InputError

SMALL = {"crop": 16, "resize": 16, "mean": (0.5,) * 3, "std": (0.5,) * 3}


def convolution(width: int = 4) -> nn.Conv2d:
    torch.manual_seed(0)
    return nn.Conv2d(3, width, 4, 4)


class Tokens(nn.Module):
    """(B, 1 + 16, D), a first token before those of the grid."""

    def __init__(self) -> None:
        super().__init__()
        self.patch = convolution()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        grid = self.patch(x).flatten(2).transpose(1, 2)
        return torch.cat([grid.sum(1, keepdim=True), grid], 1)


@pytest.fixture
def data() -> fp.Dataset:
    rng = np.random.default_rng(0)
    y = np.arange(40) % 2
    images = rng.integers(0, 100, (40, 16, 16)) + 100 * y[:, None, None]
    return fp.Dataset.from_arrays(images.astype(np.uint8), y)


def test_from_ones_own_module_and_arrays_to_a_result(data: fp.Dataset) -> None:
    backbone = fp.Backbone.from_module(convolution(), SMALL)
    features = fp.extract(backbone, data, features=["mean", "tokens"])
    frames = torch.from_numpy(np.stack([data.read(i)[0] for i in range(40)])).float() / 255
    map_ = backbone.module(((frames - 0.5) / 0.5)[:, None].expand(-1, 3, -1, -1))
    np.testing.assert_allclose(
        features.x("mean"), map_.mean((2, 3)).detach(), atol=2e-3, rtol=1e-3
    )  # kept in float16
    tokens = features.frames("tokens")
    np.testing.assert_allclose(
        tokens[:, 0], map_.permute(0, 2, 3, 1).detach(), atol=2e-3, rtol=1e-3
    )
    assert fp.evaluate(features, "knn")[0].metrics["auroc"] > 0.9
    assert fp.extract(backbone, data, features=["mean", "tokens"]).summary.new_frames == 0


def test_outputs_are_taken_as_they_are_named(data: fp.Dataset) -> None:
    named = {"cls": lambda out: out[:, 0], "tokens": lambda out: out[:, 1:].unflatten(1, (4, 4))}
    backbone = fp.Backbone.from_module(Tokens(), SMALL, named, name="mine")
    assert dict(backbone.outputs) == {"cls": (1, 4), "tokens": (1, 4)}
    features = fp.extract(backbone, data, features=["cls", "tokens"], dtype="float32")
    np.testing.assert_allclose(
        features.x("cls"), features.frames("tokens").sum((1, 2, 3)), rtol=1e-4, atol=1e-4
    )
    assert features.backbone == "mine"


def test_another_code_or_version_is_another_store(data: fp.Dataset) -> None:
    def key(take, **more) -> str:
        made = fp.Backbone.from_module(Tokens(), SMALL, {"cls": take}, **more)
        return fp.extract(made, data, features=["cls"]).key.digest

    one = key(lambda out: out[:, 0])
    assert key(lambda out: out[:, 1]) != one
    assert key(lambda out: out[:, 0], version="2") != key(lambda out: out[:, 0], version="1")
    assert key(lambda out: out[:, 1], version="1") == key(lambda out: out[:, 0], version="1")


@pytest.mark.parametrize(
    ("module", "preprocess", "outputs", "message"),
    [
        (Tokens(), SMALL, None, r"returns shape \(2, 17, 4\), of which it is not known"),
        (Tokens(), SMALL, {"cls": lambda o: o}, r"cls must be \(B, D\); .* is \(2, 17, 4\)"),
        (Tokens(), SMALL, {"cls": lambda o: o[:, 0].tolist()}, "it is list"),
        (Tokens(), SMALL, ["cls"], "expected a mapping from names to functions"),
        (Tokens(), SMALL, {"cla": lambda o: o}, "'cla' is none of cls, mean"),
        (nn.Conv2d(1, 4, 4), SMALL, None, r"frames of shape \(2, 3, 16, 16\) it failed"),
        (convolution(), {"resize": 16}, None, "fixes no input size"),
        (convolution(), {"size": (16, 16)}, None, "'size' is none of resize, crop"),
        (convolution(), (16, 16), None, "a Preprocess or its fields, .* got tuple"),
        (convolution(), lambda frames: frames, None, "got function; other steps go into"),
        (convolution().half(), SMALL, None, r"float32, got torch.float16 \(.*give module.float"),
        (convolution().double(), SMALL, None, "float32, got torch.float64"),
        (convolution().to("meta"), SMALL, None, "on the meta device and has no values"),
        (convolution, SMALL, None, "expected a torch.nn.Module, got function"),
    ],
)
def test_a_mistake_is_one_line(module, preprocess, outputs, message: str) -> None:
    with pytest.raises(InputError, match=message) as told:
        fp.Backbone.from_module(module, preprocess, outputs)
    assert "\n" not in str(told.value)
