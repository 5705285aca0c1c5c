"""Checkpoints in their authors' layouts: the original code's outputs, and every way not to fit."""

from __future__ import annotations

import argparse
import io
import pickle
import re
import sys
import types
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.torch import save, save_file
from transformers import AutoConfig

from featprobe.backbones import checkpoints
from featprobe.backbones.base import Backbone
from featprobe.backbones.checkpoints import adopt, linear_head, load_state, read_checkpoint
from featprobe.backbones.families import plan
from featprobe.backbones.load import load_backbone
from featprobe.core.errors import InputError, MissingPath
from tests.backbones import golden

FILES = golden.names()


def module_of(recipe: dict[str, Any]) -> Any:
    """The bare module of a golden's configuration."""
    config = dict(recipe["config"])
    steps = plan(AutoConfig.for_model(config.pop("model_type"), **config), heads=False)
    build = getattr(steps.model, "from_config", None) or steps.model._from_config
    return build(steps.config, **steps.keywords)


def load(recipe: dict[str, Any], path: Path) -> Backbone:
    """The small architecture of a golden with the weights of a file, as a user loads it."""
    folder = golden.folder(recipe, path.parent / "architecture")
    return load_backbone(folder, weights=path)


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


@pytest.mark.parametrize("name", ["dinov2", "dino_full", "sam", "lvmmed_vit", "deit", "mae"])
def test_the_image_size_is_the_files_own(name: str, tmp_path: Path) -> None:
    recipe, expected = golden.read(name)
    (h, w), *_ = recipe["sizes"]
    config = recipe["config"] | {"image_size": 2 * h}
    adopted = adopt(golden.contents(recipe), config["model_type"])
    assert adopted.pop("layer_norm_eps", 1e-6) == 1e-6  # the authors' code
    assert adopted == {"image_size": h}
    backbone = load(recipe | {"config": config}, saved(recipe, tmp_path / "w.pth"))
    x = torch.from_numpy(golden.frames(h, w, recipe["seed"]))
    theirs = torch.from_numpy(expected[f"mean_{h}x{w}"])
    ours = backbone.forward(x, theirs.shape[1])["mean"]
    torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("layers", [1, 4])
def test_dinov2s_linear_heads_give_its_logits(layers: int, tmp_path: Path) -> None:
    recipe, expected = golden.read("dinov2_linear")
    head = golden.fill(recipe["heads"][str(layers)]["keys"], recipe["heads"][str(layers)]["seed"])
    torch.save({k: torch.from_numpy(v) for k, v in head.items()}, tmp_path / "head.pth")
    weight, bias = linear_head(read_checkpoint(tmp_path / "head.pth"))
    backbone = load(recipe, saved(recipe, tmp_path / "w.pth"))
    for h, w in recipe["sizes"]:
        out = backbone.forward(torch.from_numpy(golden.frames(h, w, recipe["seed"])), layers)
        x = torch.cat([out["cls"].flatten(1), out["mean"][:, -1]], 1)
        theirs = torch.from_numpy(expected[f"logits{layers}_{h}x{w}"])
        torch.testing.assert_close(x @ weight.T + bias, theirs, rtol=1e-4, atol=1e-4)


def test_a_linear_head_is_no_network_and_a_network_no_linear_head(tmp_path: Path) -> None:
    head = {"weight": torch.zeros(3, 4), "bias": torch.zeros(3)}
    with pytest.raises(InputError, match="here: the file is a linear head alone"):
        load_state(module_of(golden.read("dinov2")[0]), head, "here")
    with pytest.raises(InputError, match="not a linear head: its keys are blocks"):
        linear_head(golden.contents(golden.read("dinov2")[0]))
    with pytest.raises(InputError, match=r"not a linear head: weight \(3, 4\), bias \(4,\)"):
        linear_head({"weight": torch.zeros(3, 4), "bias": torch.zeros(4)})


def place(content: dict[str, Any], key: str) -> tuple[dict[str, Any], str]:
    """The innermost dictionary of a key such as ``teacher/backbone.norm.bias``, and its name."""
    *path, last = key.split("/")
    for part in path:
        content = content[part]
    return content, last


@pytest.mark.parametrize("name", FILES)
def test_every_kind_of_key_is_refused_by_its_own_name(name: str) -> None:
    """Each tensor of a block in turn renamed, reshaped and taken out; also every one outside."""
    recipe, _ = golden.read(name)
    module = module_of(recipe)
    content = golden.contents(recipe)
    used = set(checkpoints.convert(content, module).sources.values())
    kinds = {re.sub(r"\d+", "#", k): k for k in recipe["keys"] if k.replace("/", ".") in used}
    assert len(kinds) > 8
    for key in kinds.values():
        inner, last = place(content, key)
        spelled = re.escape(key.replace("/", "."))
        tensor = inner.pop(last)
        with pytest.raises(InputError, match=rf"^here: .*: 1 missing \({spelled}\)$") as error:
            load_state(module, content, "here")
        assert "\n" not in str(error.value)
        inner[f"{last}x"] = tensor
        both = rf"1 missing \({spelled}\); 1 unexpected \({spelled}x\)$"
        with pytest.raises(InputError, match=both):
            load_state(module, content, "here")
        del inner[f"{last}x"]
        inner[last] = torch.cat([tensor, tensor[:1]]) if tensor.ndim else tensor.repeat(2)
        now, then = (re.escape(str(tuple(t.shape))) for t in (inner[last], tensor))
        with pytest.raises(InputError, match=rf"1 of another shape \({spelled} {now} for {then}\)"):
            load_state(module, content, "here")
        inner[last] = tensor
    load_state(module, content, "here")


@pytest.mark.parametrize("name", FILES)
def test_a_block_that_the_model_lacks_is_refused(name: str) -> None:
    recipe, _ = golden.read(name)
    config = dict(recipe["config"])
    if "depths" in config:
        config["depths"] = [1, 1, *config["depths"][2:]]
    else:
        config["num_hidden_layers"] -= 1
    spelled = {re.escape(k.replace("/", ".")) for k in recipe["keys"]}
    message = rf"here: the weights do not fit: \d+ unexpected \(({'|'.join(spelled)}), "
    with pytest.raises(InputError, match=message):
        load_state(module_of({"config": config}), golden.contents(recipe), "here")


def test_a_tensor_that_is_there_twice_is_refused() -> None:
    recipe, _ = golden.read("dinov2_teacher")
    content, module = golden.contents(recipe), module_of(recipe)
    teacher = content["teacher"]
    for key, extra in (
        ("backbone.blocks.0.3.ls1.gamma", torch.ones(48)),  # also in the second chunk
        ("backbone.layernorm.weight", torch.ones(48)),  # spelled as in transformers
        ("layernorm.weight", torch.ones(48)),
    ):
        teacher[key] = extra
        with pytest.raises(InputError, match=rf"1 unexpected \(teacher\.{re.escape(key)}\)"):
            load_state(module, content, "here")
        del teacher[key]
    load_state(module, content, "here")


OTHERS = {
    "dinov2": ("DINOv2", "dino"), "dinov2_registers": ("DINOv2 with registers", "dinov2"),
    "dino": ("plain ViT", "dinov2"), "deit": ("distilled DeiT", "dino"),
    "mae": ("MAE with its decoder", "deit"), "sam": ("SAM image encoder", "dino"),
    "seem": ("FocalNet of X-Decoder and SEEM", "resnet_basic"), "focalnet": ("FocalNet", "sam"),
    "resnet_basic": ("ResNet", "dino"),
}  # fmt: skip


@pytest.mark.parametrize("name", sorted(OTHERS))
def test_a_file_of_another_family_is_named(name: str) -> None:
    layout, other = OTHERS[name]
    content = golden.contents(golden.read(name)[0])
    module = module_of(golden.read(other)[0])
    kind = module.config.model_type
    message = (
        rf"^here: the file is a {layout} .*for models of type .*; the model named is a {kind}$"
    )
    with pytest.raises(InputError, match=message):
        load_state(module, content, "here")
    assert adopt(content, kind) == {}


def test_files_fine_tuned_with_global_pooling_need_a_model_that_pools_so() -> None:
    recipe, _ = golden.read("retfound_finetuned")
    del recipe["config"]["norm_after_pool"]
    with pytest.raises(InputError, match=r"here: model\.fc_norm\.\w+ norms the mean"):
        load_state(module_of(recipe), golden.contents(recipe), "here")


def test_files_fine_tuned_with_global_pooling_are_read_so_without_being_told(tmp_path) -> None:
    recipe, expected = golden.read("retfound_finetuned")
    del recipe["config"]["norm_after_pool"]
    backbone = load(recipe, saved(recipe, tmp_path / "w.pth"))
    assert "cls" not in backbone.outputs
    size = recipe["sizes"][0]
    x = torch.from_numpy(golden.frames(*size, recipe["seed"]))
    theirs = expected[f"mean_{size[0]}x{size[1]}"]
    ours = backbone.forward(x, theirs.shape[1])["mean"]
    torch.testing.assert_close(ours, torch.from_numpy(theirs), rtol=1e-4, atol=1e-4)


def test_an_encoder_of_mae_is_a_plain_vit(tmp_path: Path) -> None:
    recipe, expected = golden.read("mae")
    file = saved(recipe, tmp_path / "w.pth")
    backbone = load(recipe | {"config": recipe["config"] | {"model_type": "vit"}}, file)
    out = backbone.forward(torch.from_numpy(golden.frames(64, 64, recipe["seed"])))
    for name in ("cls", "mean"):
        theirs = torch.from_numpy(expected[f"{name}_64x64"])
        torch.testing.assert_close(out[name], theirs, rtol=1e-4, atol=1e-4)


def test_a_student_is_taken_only_where_there_is_no_teacher() -> None:
    recipe, _ = golden.read("dino_full")
    content, module = golden.contents(recipe), module_of(recipe)
    load_state(module, content, "here")
    assert torch.equal(
        module.state_dict()["layernorm.bias"], content["teacher"]["backbone.norm.bias"]
    )
    del content["teacher"]
    load_state(module, content, "here")
    student = content["student"]["module.backbone.norm.bias"]
    assert torch.equal(module.state_dict()["layernorm.bias"], student)


def test_the_state_of_a_training_run_is_left_out(tmp_path: Path) -> None:
    """What MAE and RETFound save beside the network."""
    recipe, _ = golden.read("mae")
    net = torch.nn.Linear(2, 2)
    optimizer = torch.optim.AdamW(net.parameters())
    net(torch.ones(1, 2)).sum().backward()
    optimizer.step()
    content = golden.contents(recipe) | {
        "optimizer": optimizer.state_dict(), "epoch": 799,
        "scaler": torch.amp.GradScaler("cpu").state_dict(),
    }  # fmt: skip
    torch.save(content, tmp_path / "w.pth")
    load(recipe, tmp_path / "w.pth")
    content["odd"] = {"tensor": torch.ones(1)}
    with pytest.raises(InputError, match=r"1 unexpected \(odd\.tensor\)"):
        load_state(module_of(recipe), content, "here")


def test_old_torchvision_files_have_no_batch_counts() -> None:
    recipe, _ = golden.read("resnet_basic")
    content = {k: v for k, v in golden.contents(recipe).items() if "num_batches" not in k}
    module = module_of(recipe)
    assert load_state(module, content, "here").startswith("ResNet")
    del content["layer1.0.bn1.running_var"]
    with pytest.raises(InputError, match=r"1 missing \(layer1\.0\.bn1\.running_var\)"):
        load_state(module, content, "here")


# transformers' own layout

OWN = {
    "dinov2": golden.read("dinov2_teacher")[0]["config"], "vit": golden.read("dino")[0]["config"],
    "resnet": golden.read("resnet_basic")[0]["config"],
    "focalnet": golden.read("focalnet")[0]["config"],
    "sam_vision_model": golden.read("sam")[0]["config"],
}  # fmt: skip


@pytest.mark.parametrize("how", ["saved", "state_dict", "head"])
@pytest.mark.parametrize("kind", sorted(OWN))
def test_transformers_own_files_are_read(kind: str, how: str, tmp_path: Path) -> None:
    """As saved, which may spell keys of older versions; as in memory; and with a classifier."""
    torch.manual_seed(0)
    model = module_of({"config": OWN[kind]})
    path = tmp_path / "model.safetensors"
    if how == "state_dict":
        path = tmp_path / "pytorch_model.bin"
        torch.save(model.state_dict(), path)
    elif how == "head" and kind != "sam_vision_model":
        from transformers import AutoModelForImageClassification

        whole = AutoModelForImageClassification.from_config(model.config)
        model = getattr(whole, whole.base_model_prefix)
        whole.save_pretrained(tmp_path)
    else:
        model.save_pretrained(tmp_path)
    other = module_of({"config": OWN[kind]})
    assert load_state(other, read_checkpoint(path), "here") == "transformers"
    theirs = model.state_dict()
    for key, value in other.state_dict().items():
        assert torch.equal(value, theirs[key]), key


def test_transformers_own_files_are_read_strictly(capfd: pytest.CaptureFixture[str]) -> None:
    module = module_of({"config": OWN["dinov2"]})
    state = dict(module.state_dict())
    key = "encoder.layer.1.norm1.weight"
    tensor = state.pop(key)
    with pytest.raises(InputError, match=rf"1 missing \({key}\)"):
        load_state(module, state, "here")
    with pytest.raises(InputError, match=rf"1 missing \({key}\); 1 unexpected \(norm1\)"):
        load_state(module, state | {"norm1": tensor}, "here")
    with pytest.raises(InputError, match=rf"1 of another shape \({key} \(5,\) for \(48,\)\)"):
        load_state(module, state | {key: tensor[:5].clone()}, "here")
    with pytest.raises(InputError, match="layout that is not known: its keys are a, b"):
        load_state(module, {"a": tensor, "b": tensor}, "here")
    assert capfd.readouterr() == ("", "")


# reading


class Marker:
    """Unpickling it would write a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return Path.write_text, (self.path, "ran")


@pytest.mark.parametrize("how", ["torch", "legacy", "pickle", "deep"])
def test_code_in_a_file_is_named_and_not_run(how: str, tmp_path: Path) -> None:
    marker, path = tmp_path / "marker", tmp_path / "w.pth"
    content = {"model": {"norm.weight": torch.ones(3)}, "args": Marker(marker)}
    if how == "pickle":
        path.write_bytes(pickle.dumps({"a": Marker(marker)}, 2))
    elif how == "deep":
        content["args"] = argparse.Namespace(deep=[{"x": Marker(marker)}])
        torch.save(content, path)
    else:
        torch.save(content, path, _use_new_zipfile_serialization=how == "torch")
    with pytest.raises(InputError, match=r"w\.pth: holds Python objects .*safetensors") as error:
        read_checkpoint(path)
    assert "write_text" in str(error.value) or "getattr" in str(error.value)
    assert "\n" not in str(error.value)
    assert not marker.exists()
    if how == "torch":  # the file is as dangerous as it is meant to be
        torch.load(path, weights_only=False)
        assert marker.read_text() == "ran"


def test_a_whole_module_is_refused_by_its_class(tmp_path: Path) -> None:
    torch.save(torch.nn.Linear(2, 2), tmp_path / "w.pt")
    with pytest.raises(InputError, match=r"Python objects \(torch\.nn\.modules\.linear\.Linear\)"):
        read_checkpoint(tmp_path / "w.pt")


@pytest.mark.parametrize("legacy", [False, True])
def test_settings_that_training_code_saves_are_harmless(legacy: bool, tmp_path: Path) -> None:
    content = {
        "model": OrderedDict(w=torch.ones(2)), "epoch": 3, "args": argparse.Namespace(
            lr=np.float64(0.1), n=np.int64(3), out=Path("/x/y"), flag=np.bool_(True), none=None,
            shape=torch.Size([2]), dtype=torch.float16, device=torch.device("cuda"),
            grid=np.arange(3.0), sizes=(1, [2, {"a": {1, 2}}]), name="vit",
        ),
    }  # fmt: skip
    torch.save(content, tmp_path / "w.pth", _use_new_zipfile_serialization=not legacy)
    state = read_checkpoint(tmp_path / "w.pth")
    assert state["args"].lr == 0.1
    assert state["args"].out.name == "y"
    assert torch.equal(state["model"]["w"], torch.ones(2))


def test_settings_of_yacs_are_read_as_a_dictionary(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    module: Any = types.ModuleType("yacs.config")
    module.CfgNode = type("CfgNode", (dict,), {"__module__": "yacs.config"})
    node = module.CfgNode(NAME="focal", MODEL=module.CfgNode(DEPTHS=[1, 2]))
    node.__dict__["__immutable__"] = True
    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, "yacs", types.ModuleType("yacs"))
        patch.setitem(sys.modules, "yacs.config", module)
        torch.save({"model": {"w": torch.ones(1)}, "config": node}, tmp_path / "w.pth")
    assert read_checkpoint(tmp_path / "w.pth")["config"] == {
        "NAME": "focal",
        "MODEL": {"DEPTHS": [1, 2]},
    }


def packed(content: Any, legacy: bool = False) -> bytes:
    out = io.BytesIO()
    torch.save(content, out, _use_new_zipfile_serialization=not legacy)
    return out.getvalue()


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("w.pth", b"", "an empty file"),
        ("w.safetensors", b"", "an empty file"),
        ("w.pth", b"These are not the weights you are looking for.\n" * 9, "not a checkpoint"),
        ("w.pth", b"<!DOCTYPE html><html>Not found</html>", "not a checkpoint"),
        ("w.safetensors", b"{}\n" * 40, "no safetensors file"),
        ("w.bin", b"version https://git-lfs.github.com/spec/v1\noid", "git lfs pull"),
        ("w.pth", pickle.dumps({"a": [1, 2]}, 2), "not a checkpoint"),
        ("w.pth", packed([torch.ones(1)]), "holds a list, not weights"),
        ("w.pth", packed(torch.ones(1)), "holds a Tensor, not weights"),
        ("w.pth", packed({"epoch": 1, "model": {}}), "holds no tensors, not weights"),
    ],
)
def test_what_is_no_checkpoint(name: str, content: bytes, message: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=message) as error:
        read_checkpoint(tmp_path / name)
    assert str(tmp_path / name) in str(error.value)
    assert "\n" not in str(error.value)


def test_a_folder_and_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="a folder; give the weights file in it"):
        read_checkpoint(tmp_path)
    with pytest.raises(MissingPath, match="no such weights file"):
        read_checkpoint(tmp_path / "w.pth")


def written(kind: str) -> bytes:
    state = {f"blocks.{i}.weight": torch.arange(12.0).reshape(3, 4) for i in range(3)}
    if kind == "safetensors":
        return save(state)
    return packed({"model": state, "args": argparse.Namespace(lr=1)}, legacy=kind == "legacy")


@pytest.mark.parametrize("kind", ["zip", "legacy", "safetensors"])
def test_truncated_files(kind: str, tmp_path: Path) -> None:
    whole = written(kind)
    path = tmp_path / ("w.safetensors" if kind == "safetensors" else "w.pth")
    path.write_bytes(whole)
    read_checkpoint(path)

    @settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
    @given(st.integers(0, len(whole) - 1))
    def check(cut: int) -> None:
        path.write_bytes(whole[:cut])
        with pytest.raises(InputError) as error:
            read_checkpoint(path)
        assert "\n" not in str(error.value)
        assert str(path) in str(error.value)

    check()


@pytest.mark.parametrize("kind", ["zip", "legacy", "safetensors"])
def test_flipped_bytes_are_read_or_refused_in_one_line(kind: str, tmp_path: Path) -> None:
    whole = written(kind)
    path = tmp_path / ("w.safetensors" if kind == "safetensors" else "w.pth")

    @settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
    @given(st.integers(0, len(whole) - 1), st.integers(1, 255))
    def check(at: int, flip: int) -> None:
        path.write_bytes(whole[:at] + bytes([whole[at] ^ flip]) + whole[at + 1 :])
        message = ""
        try:
            read_checkpoint(path)
        except InputError as error:
            message = str(error)
        assert "\n" not in message

    check()


def test_safetensors_of_an_original_layout_are_read_too(tmp_path: Path) -> None:
    recipe, expected = golden.read("dinov2")
    save_file(golden.contents(recipe), tmp_path / "w.safetensors")
    backbone = load(recipe, tmp_path / "w.safetensors")
    h, w = recipe["sizes"][1]
    ours = backbone.forward(torch.from_numpy(golden.frames(h, w, recipe["seed"])), 3)["cls"]
    theirs = torch.from_numpy(expected[f"cls_{h}x{w}"])
    torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-4)
