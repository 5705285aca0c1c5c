"""What trainers wrap around a network in a checkpoint: recognised, said by the user, or refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from featprobe.backbones.formats.reading import trimmed
from featprobe.backbones.load import load_backbone
from featprobe.core.errors import InputError
from tests.backbones import golden
from tests.finetuning.tuned import small_backbone

DINOV2 = "dinov2"


def under(prefix: str, state: dict[str, Tensor]) -> dict[str, Tensor]:
    return {prefix + k: v for k, v in state.items()}


HEAD = {"head.weight": torch.zeros(2, 4), "head.bias": torch.zeros(2)}
# name -> (from the network's tensors to the file, keys of it that are not used)
WRAPPED: dict[str, Any] = {
    "compiled": (lambda s: under("_orig_mod.", s), 0),
    "compiled in DDP": (lambda s: {"model": under("module._orig_mod.", s)}, 0),
    "Lightning": (lambda s: {"state_dict": under("model.", s), "epoch": 3}, 0),
    "Lightning and a head": (
        lambda s: {"state_dict": under("model.backbone.", s) | under("model.", HEAD)}, 2,
    ),
    "compiled in Lightning": (
        lambda s: {"state_dict": under("net._orig_mod.", s) | under("criterion.", HEAD)}, 2,
    ),
    "net.encoder": (lambda s: {"state_dict": under("net.encoder.", s)}, 0),
    "vit": (lambda s: under("vit.", s) | HEAD, 2),
    "lightly-train": (
        lambda s: {
            "state_dict": under("student_embedding_model.wrapped_model._model.", {
                k: v + 1 for k, v in s.items()
            })
            | under("teacher_embedding_model.wrapped_model._model.", s)
            | under("student_projection_head.", HEAD),
        }, None,
    ),
    "average beside": (lambda s: {"model": s, "ema": {k: v + 1 for k, v in s.items()}}, None),
}  # fmt: skip


@pytest.fixture(scope="module")
def network(tmp_path_factory) -> tuple[Path, dict[str, Tensor], str]:
    """A folder, the tensors of its network as the authors saved them, and what they load to."""
    recipe, _ = golden.read(DINOV2)
    place = tmp_path_factory.mktemp("net")
    folder = golden.folder(recipe, place / "architecture")
    content = golden.contents(recipe)
    torch.save(content, place / "plain.pth")
    plain = load_backbone(folder, weights=place / "plain.pth")
    flat = {k.removeprefix("teacher.").removeprefix("backbone."): v for k, v in content.items()
            if isinstance(v, Tensor)}  # fmt: skip
    return folder, flat, plain.weights_sha256


@pytest.mark.parametrize("name", WRAPPED)
def test_common_wrappers_are_recognised_and_what_is_not_used_is_said(
    name: str, network, tmp_path: Path
) -> None:
    folder, state, expected = network
    make, unused = WRAPPED[name]
    torch.save(make(state), tmp_path / "w.pth")
    backbone = load_backbone(folder, weights=tmp_path / "w.pth")
    assert backbone.weights_sha256 == expected
    dropped = backbone.origin.get("dropped", [])
    assert dropped if unused is None else len(dropped) == unused


@pytest.mark.parametrize("name", ["compiled in DDP", "Lightning and a head", "lightly-train"])
def test_so_they_are_around_transformers_own_names(name: str, tmp_path: Path) -> None:
    backbone = small_backbone("vit", tmp_path)
    make, unused = WRAPPED[name]
    torch.save(make(backbone.module.state_dict()), tmp_path / "w.pth")
    again = load_backbone(backbone.origin["name"], weights=tmp_path / "w.pth")
    assert again.weights_sha256 == backbone.weights_sha256
    assert bool(again.origin.get("dropped")) == (unused != 0)


def test_others_by_a_prefix_and_patterns(network, tmp_path: Path) -> None:
    folder, state, expected = network
    odd = under("my.own.trunk.", state) | {"aux.weight": torch.zeros(3), "aux.bias": torch.zeros(3)}
    torch.save({"state_dict": odd}, tmp_path / "w.pth")
    with pytest.raises(InputError, match="not known|do not fit"):
        load_backbone(folder, weights=tmp_path / "w.pth")
    with pytest.raises(InputError, match="2 unexpected"):
        load_backbone(folder, weights=tmp_path / "w.pth", strip_prefix="my.own.trunk.")
    found = load_backbone(
        folder, weights=tmp_path / "w.pth", strip_prefix="my.own.trunk.", ignore_keys=["aux.*"]
    )
    assert found.weights_sha256 == expected
    assert sorted(found.origin["dropped"]) == ["state_dict.aux.bias", "state_dict.aux.weight"]
    assert found.origin["strip_prefix"] == "my.own.trunk."


def test_words_that_change_nothing_are_refused(network, tmp_path: Path) -> None:
    folder, state, _ = network
    torch.save(state, tmp_path / "w.pth")
    with pytest.raises(InputError, match=r"no key begins with 'trunk.' \(--strip-prefix\)"):
        load_backbone(folder, weights=tmp_path / "w.pth", strip_prefix="trunk.")
    with pytest.raises(InputError, match=r"no key is like 'aux.\*' \(--ignore-keys\)"):
        load_backbone(folder, weights=tmp_path / "w.pth", ignore_keys=["aux.*"])
    with pytest.raises(InputError, match="are of a checkpoint file: give weights"):
        load_backbone(folder, strip_prefix="x.")


def test_a_needed_key_that_is_ignored_is_missing(network, tmp_path: Path) -> None:
    folder, state, _ = network
    torch.save(state, tmp_path / "w.pth")
    with pytest.raises(InputError, match="missing"):
        load_backbone(folder, weights=tmp_path / "w.pth", ignore_keys=["norm.*"])


def test_trimming_names() -> None:
    state = {"state_dict": {"a.b.x": torch.zeros(1), "c": torch.zeros(1)}}
    kept, ignored = trimmed(state, "a.b.", ["c"], "here")
    assert list(kept) == ["x"]
    assert ignored == ["state_dict.c"]
