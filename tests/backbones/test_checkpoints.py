"""Checkpoints in their authors' layouts: the original code's outputs, and every way not to fit."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoConfig

from featprobe.backbones.base import Backbone
from featprobe.backbones.checkpoints import adopt, load_state, read_checkpoint
from featprobe.backbones.families import plan
from featprobe.backbones.spec import Preprocess
from tests.backbones import golden

FILES = golden.names()


def load(recipe: dict[str, Any], path: Path) -> Backbone:
    """The small architecture of a golden with the weights of a file."""
    given = dict(recipe["config"])
    steps = plan(AutoConfig.for_model(given.pop("model_type"), **given), heads=False)
    state = read_checkpoint(path)
    steps.config.update(adopt(state, steps.config.model_type))
    model = steps.model
    build = getattr(model, "from_config", None) or model._from_config
    module = build(steps.config, **steps.keywords)
    load_state(module, state, str(path))
    h, w = recipe["sizes"][0]
    preprocess = Preprocess(resize=(h, w), crop=None)
    adapter = steps.adapter()
    if getattr(steps.config, "norm_after_pool", False):
        adapter = replace(adapter, norm="", pooled="layernorm", cls=False)
    return Backbone("m", steps.finished(module), adapter, preprocess)


def saved(recipe: dict[str, Any], path: Path) -> Path:
    torch.save(golden.contents(recipe), path)
    return path


@pytest.mark.parametrize("name", FILES)
def test_outputs_are_those_of_the_original_code(name: str, tmp_path: Path) -> None:
    recipe, expected = golden.read(name)
    backbone = load(recipe, saved(recipe, tmp_path / "w.pth"))
    compared = 0
    for key, theirs in expected.items():
        output, _, size = key.partition("_")
        if output not in ("cls", "mean"):
            continue
        h, w = map(int, size.split("x"))
        x = torch.from_numpy(golden.frames(h, w, recipe["seed"]))
        ours = backbone.forward(x, theirs.shape[1])[output]
        torch.testing.assert_close(ours, torch.from_numpy(theirs), rtol=1e-4, atol=1e-4)
        compared += 1
    assert compared
