"""export.py and backbones/exported.py: what is written is read back as the same backbone."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import transformers
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file
from torch import nn
from transformers import AutoConfig, AutoModel
from transformers.models.bit.image_processing_pil_bit import BitImageProcessorPil

import featprobe as fp
from featprobe.backbones import timm_models
from featprobe.backbones.adapters import Maps, feature_map
from featprobe.backbones.base import Backbone
from featprobe.backbones.catalog import CATALOG
from featprobe.backbones.load import load_backbone
from featprobe.backbones.overlap import seen_in_training
from featprobe.backbones.source import Loaded, Source, drawn
from featprobe.backbones.spec import HALF, Preprocess
from featprobe.cli.main import main
from featprobe.core.errors import InputError, reason
from featprobe.finetuning import export as exporting
from featprobe.finetuning.export import TOLERANCE, export
from featprobe.finetuning.recipes.base import Recipe
from featprobe.finetuning.recipes.block_expansion import BlockExpansion
from featprobe.finetuning.recipes.full import Full
from featprobe.finetuning.recipes.vpt import VPT
from tests.backbones.test_families import (
    MAPS,
    SAM,
    SAM2,
    TEXT,
    TOKENS,
    VIT,
    pictures,
    saved,
    small,
    stirred,
)  # fmt: skip
from tests.backbones.test_hf import photos
from tests.backbones.test_timm import in_a_process
from tests.conftest import make_tiny
from tests.finetuning.tuned import features, small_backbone, trained

ABOUT = {"recipe": {"name": "full"}, "dataset": "films", "result": {"auroc": 0.5}}


def verified(backbone: Backbone, folder: Path, about: dict) -> Path:
    """Export a backbone that is read back as it was; what is returned is what is read again."""
    found = export(backbone, folder, about)
    assert not found.problem
    assert not folder.with_name(f"{folder.name}-unverified").exists()
    again = load_backbone(found.folder)
    assert (found.backbone.name, found.backbone.origin) == (again.name, again.origin)
    assert found.backbone.weights_sha256 == again.weights_sha256
    return found.folder


def numberless(config: dict) -> dict:
    """A configuration without the number format that transformers notes in its parts."""
    parts = {k: v for k, v in config.items() if k != "dtype"}
    return {k: numberless(v) if isinstance(v, dict) else v for k, v in parts.items()}


def round_trip(backbone: Backbone, recipe: Recipe, folder: Path) -> Backbone:
    """Train, export, load: the same weights bit for bit, the same outputs and features.

    Features are compared to the tolerance of the export: which of two kernels a processor takes for
    a layout of memory is its own affair.
    """
    fresh = features(backbone)
    tuned, _ = trained(backbone, recipe)
    before = features(tuned.plain())
    assert (before["mean"][:, -1] - fresh["mean"][:, -1]).abs().max() > 1e-4  # it is trained
    again = load_backbone(verified(tuned.plain(), folder, ABOUT))
    after = features(again)
    assert before.keys() == after.keys()
    for name, values in before.items():
        bound = TOLERANCE * values.abs().max()
        torch.testing.assert_close(after[name], values, rtol=0, atol=float(bound))
    assert again.weights_sha256 == replace(backbone).weights_sha256
    assert again.preprocess == backbone.preprocess
    assert numberless(again.config) == numberless(backbone.config)
    assert again.origin["about"] == ABOUT
    return again


@pytest.mark.slow
@pytest.mark.parametrize("kind", sorted(TOKENS | MAPS))
def test_every_family_comes_back_and_opens_in_transformers(kind, tmp_path) -> None:
    size = 64 if kind in MAPS else 32
    backbone = small_backbone(kind, tmp_path, size)
    again = round_trip(backbone, Full(), tmp_path / "out")
    named = transformers.BlipVisionModel if kind == "blip_vision_model" else AutoModel
    theirs, info = named.from_pretrained(tmp_path / "out", output_loading_info=True)
    assert not info["unexpected_keys"]
    assert not {k for k in info["missing_keys"] if "pooler" not in k}
    own = again.module.state_dict()
    state = theirs.state_dict()
    assert own.keys() <= state.keys()
    assert all(torch.equal(own[n], state[n]) for n in own)


@pytest.mark.parametrize("deep", [True, False])
@pytest.mark.parametrize("kind", ["dinov2_with_registers", "dinov3_vit", "vit_mae", "ijepa"])
def test_prompts_come_back(kind, deep, tmp_path) -> None:
    backbone = small_backbone(kind, tmp_path)
    again = round_trip(backbone, VPT(prompts=3, deep=deep), tmp_path / "out")
    held = json.loads((tmp_path / "out/featprobe.json").read_text())
    assert held["prompts"] == {"number": 3, "deep": deep}
    assert "prompts" not in str(list(load_file(tmp_path / "out/model.safetensors")))
    assert again.module.prompts.tokens.shape[1] == 3
    # transformers reads the network without its prompts, which are not its own
    _, info = AutoModel.from_pretrained(tmp_path / "out", output_loading_info=True)
    assert not info["unexpected_keys"]
    drawn_anew = load_backbone(tmp_path / "out", init="random", seed=1)
    assert drawn_anew.random
    assert "about" not in drawn_anew.origin
    assert drawn_anew.module.prompts.tokens.shape == again.module.prompts.tokens.shape


def test_an_export_is_trained_and_exported_again(tmp_path) -> None:
    backbone = small_backbone("dinov2", tmp_path)
    first = round_trip(backbone, BlockExpansion(blocks=1), tmp_path / "first")
    second = round_trip(first, VPT(prompts=2), tmp_path / "second")
    third = round_trip(second, Full(), tmp_path / "third")
    assert third.origin["from"]["from"]["about"] == ABOUT
    assert third.module.prompts.tokens.shape == (4, 2, 32)


def whole(kind: str) -> tuple[nn.Module, int]:
    """Networks that are wrapped, mended or a part of what transformers has."""
    torch.manual_seed(0)
    if kind == "sam":
        return small("sam_vision_model", SAM), 64
    if kind == "sam2":
        return small("sam2_vision_model", SAM2), 64
    if kind == "siglip2":
        config = {k: v for k, v in VIT.items() if k != "image_size"}
        return small("siglip2_vision_model", {**config, "num_patches": 16}), 32
    vision = {**VIT, "projection_dim": 16}
    texts = {"vision_config": vision, "text_config": {**TEXT, "encoder_hidden_size": 32}}
    if kind == "clip":
        config = AutoConfig.for_model(kind, **texts, projection_dim=16)
        return stirred(transformers.CLIPModel(config)), 32
    if kind == "blip":
        config = AutoConfig.for_model(kind, **texts, projection_dim=16)
        return stirred(transformers.BlipModel(config)), 32
    if kind == "blip that matches":
        config = AutoConfig.for_model("blip", **texts, image_text_hidden_size=12)
        return stirred(transformers.BlipForImageTextRetrieval(config)), 32
    config = AutoConfig.for_model("deit", **VIT, num_labels=7)
    return stirred(transformers.DeiTForImageClassificationWithTeacher(config)), 32


KINDS = ("sam", "sam2", "siglip2", "clip", "blip", "blip that matches", "classifier")


@pytest.mark.parametrize("kind", KINDS)
def test_wrapped_networks_come_back(kind, tmp_path) -> None:
    backbone = load_backbone(saved(tmp_path / "m", *whole(kind)))
    again = round_trip(backbone, Full(), tmp_path / "out")
    extra = {"clip": "projection", "blip that matches": "projection", "classifier": "logits"}
    assert extra.get(kind, "mean") in again.outputs
    if kind not in ("sam", "sam2"):
        round_trip(again, VPT(prompts=2), tmp_path / "prompted")
        again = load_backbone(tmp_path / "out")
    if kind != "sam2":
        round_trip(again, BlockExpansion(blocks=2), tmp_path / "deeper")


@pytest.mark.parametrize("recipe", [Full(), VPT(prompts=2), BlockExpansion(blocks=1)])
def test_a_linear_classifier_and_the_authors_positions_come_back(
    recipe, tmp_path, monkeypatch
) -> None:
    entry = CATALOG["dinov2_vits14_lc"]
    config = {**entry.config, **VIT, "mlp_ratio": 2, "linear_head_blocks": 2, "num_labels": 5}
    made = replace(
        entry, name="small_lc", config=config, preprocess=Preprocess(resize=48, crop=(40, 40))
    )
    monkeypatch.setitem(CATALOG, "small_lc", made)
    backbone = load_backbone("small_lc", init="random")
    stirred(backbone.module)
    again = round_trip(backbone, recipe, tmp_path / "out")
    assert again.config["interpolate_offset"] == 0.1
    assert again.outputs["logits"] == (1, 5)


def test_the_authors_interpolation_is_part_of_a_plain_folder(tmp_path, monkeypatch) -> None:
    config = {**CATALOG["dinov2_vits14"].config, **VIT, "mlp_ratio": 2}
    made = replace(
        CATALOG["dinov2_vits14"], name="mini", config=config,
        preprocess=Preprocess(resize=48, crop=(40, 40)),
    )  # fmt: skip
    monkeypatch.setitem(CATALOG, "mini", made)
    backbone = load_backbone("mini", init="random")
    stirred(backbone.module)
    folder = verified(backbone, tmp_path / "out", {})
    text = json.loads((folder / "config.json").read_text())
    assert (text["interpolate_offset"], text["interpolate_antialias"]) == (0.1, False)
    ours = features(load_backbone(folder))
    x = pictures(40, 40)
    expected = features(backbone, x)["cls"]
    bound = float(TOLERANCE * expected.abs().max())
    torch.testing.assert_close(ours["cls"], expected, rtol=0, atol=bound)
    with torch.inference_mode():  # transformers alone interpolates by its own rule
        theirs = AutoModel.from_pretrained(folder).eval()(pixel_values=x).last_hidden_state
    assert (theirs[:, 0] - ours["cls"][:, -1]).abs().max() > 1e-4


def test_other_input_sizes_come_back(tmp_path) -> None:
    small_backbone("vit", tmp_path)
    backbone = load_backbone(tmp_path / "vit", image_size=48)
    again = load_backbone(verified(backbone, tmp_path / "out", ABOUT))
    assert again.preprocess == backbone.preprocess
    assert again.preprocess.size == (48, 48)


# --- libraries -----------------------------------------------------------------------------------


class Net(nn.Module):
    """Stands for a model of a library: nothing of transformers in it."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 4, 4)
        self.norm = nn.BatchNorm2d(8)

    def forward(self, pixel_values: torch.Tensor) -> object:
        return type("Out", (), {"last_hidden_state": self.norm(self.conv(pixel_values))})


def library(source: Source) -> Loaded:
    if source.place != "timm:net":
        raise InputError(f"{source.place}: not here")
    with drawn(source.seed):
        net = Net()
    preprocess = source.preprocess or Preprocess(resize=(32, 32), crop=None)
    return Loaded(net, Maps(8, feature_map), preprocess, {"library": "timm", "name": "net"})


def test_a_model_of_another_library_is_built_by_its_name(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(timm_models, "load", library)
    backbone = load_backbone("timm:net", image_size=40)
    again = round_trip(backbone, Full(), tmp_path / "out")
    held = json.loads((tmp_path / "out/featprobe.json").read_text())
    assert (held["model"], held["weights"]) == ("timm:net", "state.safetensors")
    assert again.preprocess.size == (40, 40)
    round_trip(again, Full(), tmp_path / "again")
    assert json.loads((tmp_path / "again/featprobe.json").read_text())["model"] == "timm:net"
    (tmp_path / "out/state.safetensors").unlink()
    with pytest.raises(InputError, match=r"out/state.safetensors: not there, but featprobe.json"):
        load_backbone(tmp_path / "out")


def test_real_models_of_timm_torchvision_and_open_clip_come_back() -> None:
    in_a_process("../finetuning/library_cases.py", "timm", "open_clip")


# --- what is not read back as it was trained -----------------------------------------------------


def unverified(backbone: Backbone, folder: Path, problem: str) -> Path:
    """Export a backbone that is not read back; its weights are there all the same."""
    ours = {t.numpy().tobytes() for t in backbone.module.state_dict().values()}
    found = export(backbone, folder, ABOUT)
    assert problem in found.problem
    assert f"it is kept in {found.folder}, compare before you use it" in found.problem
    assert "\n" not in found.problem
    assert found.folder == folder.with_name(f"{folder.name}-unverified")
    assert not folder.exists()
    assert found.backbone.origin["name"] == str(found.folder)
    (file,) = found.folder.glob("[ms]*.safetensors")
    assert ours == {t.numpy().tobytes() for t in load_file(file).values()}
    assert json.loads((found.folder / "featprobe.json").read_text())["about"] == ABOUT
    return found.folder


def test_what_cannot_be_built_again_is_kept(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(timm_models, "load", library)
    backbone = load_backbone("timm:net")
    for origin, message in (
        ({}, "has the weights of a network that no name builds again"),
        ({"name": "net.yaml"}, "has the weights of a network that no name builds again"),
        ({"name": "timm:other"}, "its export cannot be read back: timm:other: not here"),
    ):
        unverified(replace(backbone, origin=origin), tmp_path / "out", message)
    backbone.module.conv = nn.Conv2d(3, 8, 4, 4, bias=False)
    unverified(backbone, tmp_path / "out", "the weights do not fit: 1 missing (conv.bias)")
    assert [p.name for p in tmp_path.iterdir()] == ["out-unverified"]
    verified(load_backbone("timm:net"), tmp_path / "out", ABOUT)  # replaces it


def test_a_module_of_ones_own_is_kept(tmp_path) -> None:
    take = {"mean": lambda out: out.last_hidden_state.mean((2, 3))}
    own = Backbone.from_module(Net(), {"crop": 32}, take)
    unverified(own, tmp_path / "out", "no name builds again: build it yourself and load state.safe")


def test_a_network_with_something_added_is_kept(tmp_path) -> None:
    backbone = make_tiny()
    backbone.module.encoder.layer[0].extra = nn.Linear(2, 2)
    unverified(backbone, tmp_path / "a", "cannot be read back: what was written: the weights do")
    half = replace(make_tiny(), module=make_tiny().module.half())
    unverified(half, tmp_path / "b", "read back, its weights (embeddings.cls_token, embedd")
    backbone = make_tiny()
    backbone.module.layernorm.register_forward_hook(lambda _m, _a, out: out + 1)
    folder = unverified(backbone, tmp_path / "c", "read back, its features differ: cls by up to 1")
    assert load_backbone(folder).weights_sha256 == backbone.weights_sha256


@pytest.mark.parametrize(
    "error", [RuntimeError("no such kernel"), OSError("gone"), InputError("no")]
)
def test_an_error_when_it_is_read_back_costs_nothing(error, tmp_path, monkeypatch) -> None:
    def fails(_folder: Path) -> Backbone:
        raise error

    monkeypatch.setattr(exporting, "load_backbone", fails)
    unverified(make_tiny(), tmp_path / "out", f"its export cannot be read back: {reason(error)}; ")


def test_a_network_that_does_not_run_when_it_is_read_back_is_kept(tmp_path, monkeypatch) -> None:
    def broken(folder: Path) -> Backbone:
        read = load_backbone(folder)
        read.module.forward = lambda **_: 1 / 0
        return read

    monkeypatch.setattr(exporting, "load_backbone", broken)
    unverified(make_tiny(), tmp_path / "out", "read back, it does not run: ZeroDivisionError")


def test_a_kill_while_it_is_read_back_costs_nothing(tmp_path, monkeypatch) -> None:
    def killed(_folder: Path) -> Backbone:
        raise KeyboardInterrupt

    monkeypatch.setattr(exporting, "load_backbone", killed)
    with pytest.raises(KeyboardInterrupt):
        export(make_tiny(), tmp_path / "out", ABOUT)
    kept = load_backbone(tmp_path / "out-unverified")
    assert kept.weights_sha256 == make_tiny().weights_sha256


# 2.4e-7 is what CLIP and BLIP differ by on some processors: weights are laid out otherwise in
# memory after reading, and products of them are summed in another order
@pytest.mark.parametrize(
    ("off", "differs"), [(2.4e-7, False), (2e-5, False), (1e-3, True), (float("nan"), True)]
)
def test_features_may_differ_by_rounding_and_no_more(off, differs, tmp_path, monkeypatch) -> None:
    def rounded(folder):
        read = load_backbone(folder)
        read.module.layernorm.register_forward_hook(lambda _m, _a, out: out * (1 + off))
        return read

    monkeypatch.setattr(exporting, "load_backbone", rounded)
    if differs:
        unverified(make_tiny(), tmp_path / "out", "read back, its features differ: cls by up to")
    else:
        found = export(make_tiny(), tmp_path / "out", {})
        assert (found.folder, found.problem) == (tmp_path / "out", "")
    monkeypatch.undo()
    (folder,) = tmp_path.glob("out*")
    assert load_backbone(folder).weights_sha256 == make_tiny().weights_sha256


def test_an_earlier_export_stays_where_a_new_one_is_not_verified(tmp_path, monkeypatch) -> None:
    verified(make_tiny(), tmp_path / "out", {"dataset": "a"})
    backbone = make_tiny(seed=1)
    backbone.module.layernorm.register_forward_hook(lambda _m, _a, out: out + 1)
    assert export(backbone, tmp_path / "out", {"dataset": "b"}).problem
    assert load_backbone(tmp_path / "out").origin["about"] == {"dataset": "a"}
    assert load_backbone(tmp_path / "out-unverified").origin["about"] == {"dataset": "b"}


# --- folders -------------------------------------------------------------------------------------


def test_only_an_earlier_export_is_replaced(tmp_path) -> None:
    backbone = make_tiny()
    folder = verified(backbone, tmp_path / "deep/out", {"dataset": "a"})
    assert folder == tmp_path / "deep/out"
    export(make_tiny(seed=1), folder, {"dataset": "b"})
    assert load_backbone(folder).origin["about"] == {"dataset": "b"}
    assert load_backbone(folder).weights_sha256 == make_tiny(seed=1).weights_sha256
    assert [p.name for p in folder.parent.iterdir()] == ["out"]
    (tmp_path / "empty").mkdir()
    export(backbone, tmp_path / "empty", {})
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/thesis.txt").write_text("years of work")
    with pytest.raises(InputError, match="mine: holds other files and is no earlier export"):
        export(backbone, tmp_path / "mine", {})
    assert (tmp_path / "mine/thesis.txt").read_text() == "years of work"
    with pytest.raises(InputError, match="is a file; give a folder"):
        export(backbone, tmp_path / "mine/thesis.txt", {})


def test_a_failure_leaves_the_earlier_export(tmp_path, monkeypatch) -> None:
    folder = verified(make_tiny(), tmp_path / "out", {"dataset": "a"})
    backbone = make_tiny(seed=1)

    def full(*_args: object, **_given: object) -> None:
        raise OSError(28, "No space left on device", "model.safetensors")

    monkeypatch.setattr(backbone.module, "save_pretrained", full)
    with pytest.raises(InputError, match="out: cannot be written: model.safetensors: No space"):
        export(backbone, folder, {})
    assert [p.name for p in tmp_path.iterdir()] == ["out"]
    assert load_backbone(folder).origin["about"] == {"dataset": "a"}


def test_nothing_is_said_while_writing(tmp_path, capfd) -> None:
    export(make_tiny(), tmp_path / "out", {"result": {"auroc": float("nan"), "n": np.int64(3)}})
    assert capfd.readouterr() == ("", "")
    about = load_backbone(tmp_path / "out").origin["about"]
    assert about == {"result": {"auroc": None, "n": 3}}


def change(**values: object) -> Callable[[Path], None]:
    def damage(folder: Path) -> None:
        held = json.loads((folder / "featprobe.json").read_text())
        (folder / "featprobe.json").write_text(json.dumps(held | values))

    return damage


def cut(name: str) -> Callable[[Path], None]:
    return lambda folder: (folder / name).write_bytes((folder / name).read_bytes()[:-7])


def wider(folder: Path) -> None:
    save_file({"tokens": torch.zeros(3, 2, 31)}, folder / "prompts.safetensors")


DAMAGES = {
    "no prompts": (
        lambda folder: (folder / "prompts.safetensors").unlink(),
        "prompts.safetensors: not there, but featprobe.json beside it names it; export again",
    ),
    "other number": (
        change(prompts={"number": 4, "deep": True}),
        r"prompts.safetensors: the weights do not fit: 1 of another shape \(tokens \(3, 2, 32\) "
        r"for \(3, 4, 32\)\)",
    ),
    "not deep": (change(prompts={"number": 2, "deep": False}), r"\(3, 2, 32\) for \(1, 2, 32\)"),
    "nothing said": (change(prompts={"deep": True}), "featprobe.json: its prompts need number and"),
    "other width": (wider, r"tokens \(3, 2, 31\) for \(3, 2, 32\)"),
    "cut prompts": (cut("prompts.safetensors"), "prompts.safetensors: damaged"),
    "cut weights": (cut("model.safetensors"), "damaged weights"),
    "cut json": (cut("featprobe.json"), "featprobe.json: not readable .*; export again"),
    "newer": (change(format=2, featprobe="9.1"), "written by featprobe 9.1 in format 2; this one"),
    "foreign": (change(format=None), "featprobe.json: not written by featprobe's export"),
    "no config": (lambda folder: (folder / "config.json").unlink(), "no config.json"),
    "no preprocessing": (
        lambda folder: (folder / "preprocessor_config.json").unlink(), "preprocessor_config.json",
    ),
}  # fmt: skip


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_export_is_told_in_one_line(damage, tmp_path) -> None:
    backbone = small_backbone("vit", tmp_path)
    VPT(prompts=2).apply(backbone)
    folder = verified(backbone, tmp_path / "out", {})
    act, message = DAMAGES[damage]
    act(folder)
    with pytest.raises(InputError, match=message) as error:
        load_backbone(folder)
    assert "\n" not in str(error.value)
    assert str(folder) in str(error.value)


def test_other_weights_for_an_export_are_refused(tmp_path) -> None:
    folder = verified(make_tiny(), tmp_path / "out", {})
    with pytest.raises(InputError, match="has its own weights: leave --weights out"):
        load_backbone(folder, weights=folder / "model.safetensors")


# --- provenance ----------------------------------------------------------------------------------


def test_extract_takes_the_folder_and_results_say_what_it_was_trained_on(
    class_folders, tmp_path
) -> None:
    tuned, _ = trained(make_tiny(), VPT(prompts=2))
    folder = verified(tuned.plain(), tmp_path / "tuned", {"recipe": "vpt", "dataset": "digits"})
    with pytest.raises(SystemExit) as done:
        main(["extract", "--model", str(folder), "--data", "digits", "--device", "cpu"])
    assert not done.value.code
    found = fp.extract(load_backbone(folder), fp.load_dataset("digits"))  # what is there already
    origin = found.store.attributes["provenance"]["backbone"]
    assert origin["about"] == {"recipe": "vpt", "dataset": "digits"}
    assert found.key.to_dict()["weights"] == load_backbone(folder).weights_sha256
    results = fp.evaluate(found, "knn")
    seen = "it was fine-tuned on the training items of this data set"
    assert {r.overlap for r in results} == {seen}
    other = fp.extract(load_backbone(folder), fp.load_dataset(class_folders))
    assert {r.overlap for r in fp.evaluate(other, "knn")} == {""}


def test_what_a_backbone_has_seen_is_followed_to_its_origin() -> None:
    base = {"name": "rad_dino"}
    tuned = {"name": "./a", "about": {"dataset": "pathmnist_64"}, "from": base}
    twice = {"name": "./b", "about": {"dataset": "films"}, "from": tuned}
    own = "it was fine-tuned on the training items of this data set"
    assert seen_in_training(tuned, "pathmnist_224") == own
    assert seen_in_training(twice, "pathmnist") == own
    assert seen_in_training(twice, "films") == own
    assert seen_in_training(twice, "chexpert") == "it was trained on CheXpert"
    assert seen_in_training(twice, "montgomery") == ""
    random = {"name": "./c", "about": {}, "from": {**base, "init": "random"}}
    assert seen_in_training(random, "chexpert") == ""
    assert seen_in_training({}, "chexpert") == ""


# --- preprocessing -------------------------------------------------------------------------------


def written(p: Preprocess) -> dict:
    return json.loads(json.dumps(p.to_hf()))


def test_every_preprocessing_of_the_catalog_is_read_as_it_was_written() -> None:
    every = {s.preprocess for s in CATALOG.values() if s.preprocess is not None}
    assert len(every) > 10
    assert any(p.pad for p in every)
    for p in every:
        assert Preprocess.from_hf(written(p)) == p


edge = st.integers(1, 2000)
box = st.tuples(edge, edge)
value = st.floats(-4, 4, allow_nan=False)
positive = st.floats(1e-3, 4, allow_nan=False)
filters = st.sampled_from(["nearest", "bilinear", "bicubic"])
levels = {
    "interpolation": filters, "mean": st.tuples(value, value, value),
    "std": st.tuples(positive, positive, positive),
}  # fmt: skip
preprocessings = st.one_of(
    st.builds(Preprocess, resize=st.one_of(st.none(), edge, box), crop=box, **levels),
    st.builds(Preprocess, resize=box, crop=st.none(), **levels),
    st.builds(Preprocess, resize=edge, crop=st.none(), pad=box, **levels),
)


@given(preprocessings)
def test_any_preprocessing_is_read_as_it_was_written(p: Preprocess) -> None:
    assert Preprocess.from_hf(written(p)) == p


@pytest.mark.parametrize(
    "p",
    [Preprocess(resize=32, crop=(28, 28)), Preprocess(resize=(28, 42), crop=None, mean=HALF),
     Preprocess(resize=None, crop=(28, 28), std=HALF)],
)  # fmt: skip
def test_transformers_processor_does_what_is_written(p: Preprocess) -> None:
    """On frames of the resized size, so that two ways to resize do not enter."""
    size = (32, 32) if p.crop else p.size
    images = np.stack(photos(2, *size))
    backbone = replace(make_tiny(), preprocess=p, adapter=replace(make_tiny().adapter, patch=14))
    theirs = BitImageProcessorPil.from_dict(written(p))(list(images), return_tensors="pt")
    torch.testing.assert_close(
        backbone.prepare(images, 0, 255), theirs["pixel_values"], rtol=1e-4, atol=1e-5
    )
