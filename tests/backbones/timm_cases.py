"""Models of timm against timm's own calls; run by test_timm.py in a process of its own."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import timm
import torch
from PIL import Image
from safetensors.torch import save_file
from timm.data import create_transform, resolve_model_data_config

from featprobe.backbones.load import load_backbone
from featprobe.core.errors import InputError, UnknownName
from tests.backbones.test_families import close, pictures, stirred
from tests.backbones.test_hf import photos
from tests.backbones.test_wrappers import WRAPPED

COMMIT = "0123456789abcdef0123456789abcdef01234567"


def loaded(name: str, **given):
    """A backbone whose random weights all matter."""
    backbone = load_backbone(f"timm:{name}", init="random", **given)
    stirred(backbone.module)
    return backbone


def twin(name: str, backbone, **given) -> torch.nn.Module:
    """The same model built by timm itself, with its own rule for position embeddings."""
    model = timm.create_model(name, pretrained=False, **given).eval()
    state = {k: v.clone() for k, v in backbone.module.state_dict().items()}
    if "img_size" in given:
        module = __import__(type(model).__module__, fromlist=["checkpoint_filter_fn"])
        state = module.checkpoint_filter_fn(state, model)
    model.load_state_dict(state)
    return model


def blocks_of(model: torch.nn.Module, x: torch.Tensor) -> tuple[list[torch.Tensor], torch.Tensor]:
    """Every block's output behind the final norm (B, tokens, D), and ``forward_features``."""
    states: list[torch.Tensor] = []
    handles = [b.register_forward_hook(lambda _m, _a, o: states.append(o)) for b in model.blocks]
    features = model.forward_features(x)
    for handle in handles:
        handle.remove()
    states = [s.reshape(len(s), -1, s.shape[-1]) for s in states]
    return [model.norm(s) for s in states], features


# name: (prefix tokens, whether there is a CLS, input sizes)
VITS = {
    "vit_tiny_patch16_224": (1, True, [(224, 224), (64, 64), (48, 96)]),
    "vit_small_patch14_reg4_dinov2": (5, True, [(70, 56)]),
    "deit_tiny_distilled_patch16_224": (2, True, [(224, 224), (48, 64)]),
    "eva02_tiny_patch14_224": (1, True, [(224, 224), (42, 70)]),
    "vit_tiny_patch16_dinov3_qkvb": (5, True, [(64, 64), (48, 80)]),
    "test_vit2": (1, False, [(160, 160), (64, 96)]),  # a register, average pooling, fc_norm
    "test_vit3": (1, False, [(160, 160), (64, 96)]),  # a register, attention pooling
    "beit_base_patch16_224": (1, True, [(224, 224)]),
    "test_vit_relpos": (0, False, [(160, 160)]),
}


@pytest.mark.parametrize("name", VITS)
@torch.inference_mode()
def test_vision_transformers_equal_a_direct_call(name: str) -> None:
    prefix, cls, sizes = VITS[name]
    backbone = loaded(name)
    assert ("cls" in backbone.outputs) == cls
    for height, width in sizes:
        native = (height, width) == tuple(backbone.module.pretrained_cfg["input_size"][1:])
        model = twin(name, backbone, **({} if native else {"img_size": (height, width)}))
        x = pictures(height, width)
        states, features = blocks_of(model, x)
        close(states[-1], features)
        out = backbone.forward(x, blocks=3, outputs=backbone.outputs)
        pooled = torch.nn.Identity()
        if "mean" in (backbone.adapter.normed,):
            pooled = model.fc_norm
        patch = backbone.adapter.multiple
        assert out["tokens"].shape[:4] == (2, 3, height // patch, width // patch)
        for back in (1, 2, 3):
            state = states[-back]
            close(out["tokens"][:, -back].flatten(1, 2), state[:, prefix:])
            close(out["mean"][:, -back], pooled(state[:, prefix:].mean(1)))
            if cls:
                close(out["cls"][:, -back], state[:, 0])
        own = model.forward_head(features, pre_logits=True)
        if "prelogits" in backbone.outputs:
            close(out["prelogits"][:, 0], own)
        else:
            close(out["cls" if model.global_pool == "token" else "mean"][:, -1], own)
        assert ("logits" in backbone.outputs) == (model.num_classes > 0)
        if "logits" in backbone.outputs:
            close(out["logits"][:, 0], model(x))


# name: (layout of the map, whether its mean is what the classifier sees, input sizes)
MAPS = {
    "test_resnet": ("NCHW", True, [(160, 160), (97, 130)]),
    "resnet18": ("NCHW", True, [(64, 96)]),
    "densenet121": ("NCHW", True, [(64, 96)]),
    "vgg11": ("NCHW", False, [(224, 224), (64, 96)]),  # 133 M parameters: no twin
    "inception_v3": ("NCHW", True, [(139, 107)]),
    "test_convnext": ("NCHW", True, [(160, 160), (64, 96)]),
    "convnext_atto": ("NCHW", True, [(64, 96)]),
    "swin_tiny_patch4_window7_224": ("NHWC", True, [(224, 224), (128, 192)]),
    "swinv2_tiny_window8_256": ("NHWC", True, [(256, 256)]),
    "mobilenetv3_small_050": ("NCHW", False, [(64, 96)]),
    "efficientnet_b0": ("NCHW", True, [(64, 96)]),
    "test_mambaout": ("NHWC", False, [(64, 96)]),
    "cait_xxs24_224": ("NLC", True, [(224, 224)]),
    "levit_128s": ("NLC", True, [(224, 224)]),
}


@pytest.mark.parametrize("name", MAPS)
@torch.inference_mode()
def test_feature_maps_equal_a_direct_call(name: str) -> None:
    layout, same, sizes = MAPS[name]
    backbone = loaded(name)
    assert "prelogits" not in backbone.outputs or not same
    for height, width in sizes:
        other = name.startswith("swin_") and (height, width) != (224, 224)
        given = {"dynamic_img_size": True} if other else {}
        model = backbone.module if name == "vgg11" else twin(name, backbone, **given)
        x = pictures(height, width)
        features = model.forward_features(x)
        own = model.forward_head(features, pre_logits=True)
        out = backbone.forward(x, blocks=3, outputs=backbone.outputs)
        if layout == "NCHW":
            tokens = features.permute(0, 2, 3, 1)
        elif layout == "NHWC":
            tokens = features
        else:
            tokens = features[:, backbone.adapter.prefix :].unflatten(1, out["tokens"].shape[2:4])
        close(out["tokens"][:, 0], tokens)
        close(out["logits"][:, 0], model(x))
        if "cls" in backbone.outputs:
            close(out["cls"][:, 0], features[:, 0])
            close(out["cls"][:, 0], own)
            close(out["mean"][:, 0], tokens.mean((1, 2)))
        elif same:
            close(out["mean"][:, 0], own)
        else:
            close(out["prelogits"][:, 0], own)
            close(out["mean"][:, 0], tokens.mean((1, 2)))
            assert "prelogits" in backbone.default_outputs
    if name == "vgg11":
        assert backbone.outputs["prelogits"] == (1, 4096)
    if name == "densenet121":
        assert backbone.outputs["mean"] == (1, 1024)


@torch.inference_mode()
def test_where_the_norm_follows_the_pooling_the_mean_is_behind_it() -> None:
    backbone = loaded("convnext_atto")
    x = pictures(64, 64)
    features = backbone.module.forward_features(x)
    plain = features.mean((2, 3))
    mean = backbone.forward(x, outputs=["mean"])["mean"][:, 0]
    close(mean, backbone.module.head.norm(features.mean((2, 3), keepdim=True)).flatten(1))
    assert (mean - plain).abs().max() > 1e-3


def test_random_weights_follow_the_seed_and_leave_torchs_own_seed_alone() -> None:
    before = torch.random.get_rng_state()
    one, again, other = (
        load_backbone("timm:test_vit", init="random", seed=s) for s in (3, 3, 4)
    )  # fmt: skip
    assert torch.equal(before, torch.random.get_rng_state())
    assert one.weights_sha256 == again.weights_sha256 != other.weights_sha256
    assert one.random
    json.dumps(one.config)
    assert one.config == other.config


@pytest.mark.parametrize(
    "name",
    [
        "vit_base_patch16_224.augreg_in21k",
        "beitv2_base_patch16_224",
        "vit_small_patch14_reg4_dinov2.lvd142m",
        "eva02_base_patch16_clip_224.merged2b",
        "vit_base_patch16_siglip_224.webli",
        "densenet121.ra_in1k",
        "vgg16.tv_in1k",
        "inception_v3.tv_in1k",
        "convnext_tiny.fb_in22k",
        "test_convnext.r160_in1k",
    ],
)
def test_preprocessing_equals_timms_transform(name: str) -> None:
    """Without a resize to rounding; with one within the tolerance of docs/concepts.md."""
    from featprobe.backbones.base import Backbone
    from featprobe.backbones.timm_models import preprocess

    with torch.device("meta"):
        model = timm.create_model(name, pretrained=False)
    p = preprocess(timm, model, name)
    transform = create_transform(**resolve_model_data_config(model), is_training=False)
    backbone = Backbone(name, torch.nn.Identity(), AnySize(), p)
    height, width = (p.resize, p.resize + 40) if isinstance(p.resize, int) else p.resize
    image = photos(1, height, width)[0]
    ours = backbone.prepare(image[None], 0, 255)[0]
    theirs = transform(Image.fromarray(image))
    torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-4)
    image = photos(1, 500, 500)[0]  # its margins are even, see the next test
    ours, theirs = backbone.prepare(image[None], 0, 255)[0], transform(Image.fromarray(image))
    std = torch.tensor(p.std).view(3, 1, 1)
    assert float(((ours - theirs) * std).abs().max()) * 255 <= 1.5


class AnySize:  # an adapter that refuses none
    multiple, fixed, outputs = 1, None, {}


def test_an_odd_margin_is_cut_one_pixel_earlier_than_torchvision_cuts_it() -> None:
    from featprobe.backbones.resizing import crop
    from featprobe.backbones.spec import Preprocess

    x = torch.arange(235.0 * 235).view(1, 1, 235, 235)
    from torchvision.transforms.functional import center_crop

    ours = crop(x, Preprocess(resize=None, crop=(224, 224)))
    theirs = center_crop(x, [224, 224])
    assert torch.equal(ours, x[..., 5:229, 5:229])
    assert torch.equal(theirs, x[..., 6:230, 6:230])


def test_unsupported_preprocessing_is_refused() -> None:
    from featprobe.backbones.timm_models import preprocess

    model = timm.create_model("test_vit", pretrained=False)
    for part, message in (
        ({"interpolation": "lanczos"}, "lanczos"),
        ({"crop_mode": "border"}, "border"),
        ({"input_size": (3, 128, 160)}, "128 x 160"),
    ):
        before = dict(model.pretrained_cfg)
        model.pretrained_cfg.update(part)
        with pytest.raises(InputError, match=message):
            preprocess(timm, model, "it")
        model.pretrained_cfg.update(before)


@torch.inference_mode()
def test_a_weights_file_brings_its_own_classifier(tmp_path: Path) -> None:
    for classes in (3, 0):
        model = stirred(timm.create_model("test_resnet", num_classes=classes))
        path = tmp_path / f"{classes}.safetensors"
        save_file(model.state_dict(), path)
        backbone = load_backbone("timm:test_resnet", weights=path)
        x = pictures(64, 64)
        out = backbone.forward(x, outputs=backbone.outputs)
        close(out["mean"][:, 0], model.forward_head(model.forward_features(x), pre_logits=True))
        assert ("logits" in out) == bool(classes)
        if classes:
            close(out["logits"][:, 0], model(x))
        assert not backbone.random
    wrapped = {f"module.{k}": v for k, v in model.state_dict().items()}
    torch.save({"state_dict": wrapped, "epoch": 3}, tmp_path / "run.pth")
    again = load_backbone("timm:test_resnet", weights=tmp_path / "run.pth")
    assert again.weights_sha256 == backbone.weights_sha256


@pytest.mark.parametrize("wrapped", WRAPPED)
def test_common_wrappers_are_recognised_and_what_is_not_used_is_said(
    wrapped: str, tmp_path: Path
) -> None:
    """As around transformers' networks; the head beside a backbone is none of its own."""
    whole = load_backbone("timm:test_resnet", init="random", seed=3)
    bare = timm.create_model("test_resnet", num_classes=0)
    make, unused = WRAPPED[wrapped]
    state = whole.module.state_dict()
    inner = {k: state[k] for k in bare.state_dict()}
    for name, given in (("whole", state), ("bare", inner)):
        torch.save(make(given), tmp_path / f"{name}.pth")
        backbone = load_backbone("timm:test_resnet", weights=tmp_path / f"{name}.pth")
        found = backbone.module.state_dict()
        for key in inner:
            torch.testing.assert_close(found[key], inner[key])
        dropped = backbone.origin.get("dropped", [])
        if wrapped == "vit":  # its head may be this network's own
            continue
        assert bool(dropped) if unused is None else len(dropped) == unused, (name, dropped)


def test_what_a_user_says_of_keys_goes_for_timm_too(tmp_path: Path) -> None:
    whole = load_backbone("timm:test_resnet", init="random", seed=3)
    state = {f"trunk.{k}": v for k, v in whole.module.state_dict().items()}
    torch.save(state | {"extra.weight": torch.zeros(2)}, tmp_path / "w.pth")
    with pytest.raises(InputError, match=r"unexpected \(.*extra\.weight"):
        load_backbone("timm:test_resnet", weights=tmp_path / "w.pth", strip_prefix="trunk.")
    again = load_backbone(
        "timm:test_resnet", weights=tmp_path / "w.pth", strip_prefix="trunk.", ignore_keys="extra.*"
    )
    assert again.weights_sha256 == whole.weights_sha256
    assert again.origin["dropped"] == ["extra.weight"]


@pytest.mark.parametrize(
    ("change", "message"),
    [("missing", "1 missing .*layer1.0.conv1.weight"), ("surplus", "1 unexpected .*odd"),
     ("reshaped", "1 of another shape .*layer1.0.conv1.weight")],
)  # fmt: skip
def test_a_weights_file_that_does_not_fit_is_refused(
    change: str, message: str, tmp_path: Path
) -> None:
    state = timm.create_model("test_resnet").state_dict()
    if change == "missing":
        del state["layer1.0.conv1.weight"]
    elif change == "surplus":
        state["odd"] = torch.zeros(3)
    else:
        state["layer1.0.conv1.weight"] = torch.zeros(3)
    save_file(state, tmp_path / "w.safetensors")
    with pytest.raises(InputError, match=message):
        load_backbone("timm:test_resnet", weights=tmp_path / "w.safetensors")


def cached(root: Path, repository: str, files: dict[str, Path], monkeypatch) -> None:
    """Put files into a Hugging Face cache of their own, as a download would."""
    from huggingface_hub import constants
    from huggingface_hub.constants import REPO_ID_SEPARATOR

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(root))
    base = root / REPO_ID_SEPARATOR.join(["models", *repository.split("/")])
    (base / "refs").mkdir(parents=True)
    (base / "refs" / "main").write_text(COMMIT)
    snapshot = base / "snapshots" / COMMIT
    snapshot.mkdir(parents=True)
    (base / "blobs").mkdir()
    for name, path in files.items():
        blob = base / "blobs" / ("e" * 64)
        if name.endswith((".safetensors", ".bin")):
            path.rename(blob)
            (snapshot / name).symlink_to(blob)
        else:
            path.rename(snapshot / name)


@torch.inference_mode()
def test_pretrained_weights_come_from_the_hubs_cache(tmp_path: Path, monkeypatch) -> None:
    model = stirred(timm.create_model("test_vit"))
    save_file(model.state_dict(), tmp_path / "w.safetensors")
    files = {"model.safetensors": tmp_path / "w.safetensors"}
    cached(tmp_path / "hub", "timm/test_vit.r160_in1k", files, monkeypatch)
    for name in ("test_vit.r160_in1k", "test_vit"):
        backbone = load_backbone(f"timm:{name}")
        x = pictures(160, 160)
        close(backbone.forward(x)["cls"][:, 0], model.forward_features(x)[:, 0])
        assert not backbone.random
    assert backbone.origin == {
        "name": "timm:test_vit", "source": "timm:test_vit", "tag": "r160_in1k",
        "file": "model.safetensors", "revision": COMMIT, "sha256": "e" * 64,
    }  # fmt: skip
    pinned = load_backbone("timm:test_vit", revision=COMMIT)
    assert pinned.weights_sha256 == backbone.weights_sha256
    with pytest.raises(InputError, match="not in the local Hugging Face cache"):
        load_backbone("timm:test_vit", revision="f" * 40)


@torch.inference_mode()
def test_a_model_of_the_hub_brings_its_arguments(tmp_path: Path, monkeypatch) -> None:
    from timm.models import save_for_hf

    given = {"num_classes": 2, "init_values": 0.1, "global_pool": "avg"}
    model = stirred(timm.create_model("test_vit", **given))
    save_for_hf(model, tmp_path / "saved", model_args=given, safe_serialization=True)
    files = {n: tmp_path / "saved" / n for n in ("config.json", "model.safetensors")}
    folder = tmp_path / "copy"
    folder.mkdir()
    for name, path in files.items():
        (folder / name).write_bytes(path.read_bytes())
    cached(tmp_path / "hub", "clinic/films", files, monkeypatch)
    x = pictures(160, 160)
    for place in ("hf-hub:clinic/films", f"local-dir:{folder}"):
        backbone = load_backbone(f"timm:{place}")
        out = backbone.forward(x, outputs=["mean", "logits"])
        close(out["logits"][:, 0], model(x))
        close(
            out["mean"][:, 0], model.forward_head(model.forward_features(x), pre_logits=True)
        )  # fmt: skip
        assert backbone.config["classes"] == 2
    assert load_backbone("timm:hf-hub:clinic/films", revision=COMMIT).origin["revision"] == COMMIT
    control = load_backbone("timm:hf-hub:clinic/films", init="random")
    assert control.outputs == backbone.outputs
    assert control.config == load_backbone("timm:hf-hub:clinic/films").config


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("densenet112.ra_in1k", "Did you mean 'densenet121.ra_in1k'"),
        ("resnet5O", "Did you mean 'resnet50'"),
        ("densenet121.ra_in2k", "Did you mean 'densenet121.ra_in1k'.*There are .*tv_in1k"),
        ("org/name", "timm:hf-hub:org/name"),
        ("other:org/name", "timm:hf-hub:org/name"),
    ],
)
def test_an_unknown_name_offers_the_nearest(name: str, message: str) -> None:
    with pytest.raises(UnknownName, match=message):
        load_backbone(f"timm:{name}")


@pytest.mark.parametrize("name", ["test_vit.r160_in1k", "hf-hub:clinic/films"])
def test_offline_the_missing_weights_are_named_at_once(name: str, monkeypatch) -> None:
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr("featprobe.backbones.optional_libraries.hub_reachable", lambda: False)
    with pytest.raises(InputError, match=f"timm:{name}: its weights are not in the local") as told:
        load_backbone(f"timm:{name}")
    assert "\n" not in str(told.value)
    assert constants.HF_HUB_OFFLINE is False


def test_a_size_that_a_model_does_not_take_is_told(class_folders) -> None:
    with pytest.raises(InputError, match="its input is 224 x 224 pixels, not 256 x 256"):
        load_backbone("timm:beit_base_patch16_224", init="random", image_size=256)
    with pytest.raises(InputError, match="use --image-size 64"):
        load_backbone("timm:test_vit", init="random", image_size=70)
    dla = load_backbone("timm:dla46x_c", init="random", image_size=150)
    with pytest.raises(InputError, match="150 x 150 pixels does not suit the model"):
        dla.grid  # noqa: B018


def test_the_command_line_extracts_and_probes(class_folders, capsys, tmp_path: Path) -> None:
    from featprobe.cli.main import main

    args = ["--model", "timm:mobilenetv3_small_050", "--init", "random", "--image-size", "64"]
    with pytest.raises(SystemExit) as done:
        main(["extract", *args, "--data", str(class_folders), "--quiet"])
    out = capsys.readouterr().out
    assert not done.value.code, out
    assert "mean, prelogits" in out
    with pytest.raises(SystemExit) as done:
        main(["knn", "--k", "3", "--features", "prelogits"])
    assert not done.value.code
