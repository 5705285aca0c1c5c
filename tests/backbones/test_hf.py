"""Backbones against transformers' own models and image processors."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from transformers import AutoModel, Dinov2Config, Dinov2WithRegistersConfig, ResNetConfig, ViTConfig
from transformers.models.bit.image_processing_pil_bit import BitImageProcessorPil
from transformers.models.convnext.image_processing_pil_convnext import ConvNextImageProcessorPil
from transformers.models.vit.image_processing_pil_vit import ViTImageProcessorPil

from featprobe.backbones.catalog import CATALOG
from featprobe.backbones.load import load_backbone
from featprobe.backbones.spec import Preprocess
from featprobe.core.errors import InputError, MissingPath, UnknownName
from tests.support.reduced import reduce

SMALL = {
    "dinov2": Dinov2Config(
        hidden_size=32, num_hidden_layers=3, num_attention_heads=2, image_size=42, patch_size=14
    ),
    "registers": Dinov2WithRegistersConfig(
        hidden_size=32, num_hidden_layers=3, num_attention_heads=2, image_size=42, patch_size=14,
        num_register_tokens=4,
    ),
    "vit": ViTConfig(
        hidden_size=32, num_hidden_layers=3, num_attention_heads=2, intermediate_size=64,
        image_size=48, patch_size=16,
    ),
    "resnet": ResNetConfig(
        embedding_size=8, hidden_sizes=[8, 16], depths=[1, 1], layer_type="bottleneck"
    ),
}  # fmt: skip


def photos(n: int, height: int, width: int) -> list[np.ndarray]:
    """Smooth random RGB pictures, which resize as photographs do."""
    rng = np.random.default_rng(0)
    coarse = rng.integers(0, 256, (n, 12, 12, 3), dtype=np.uint8)
    return [
        np.asarray(Image.fromarray(c).resize((width, height), Image.Resampling.BICUBIC))
        for c in coarse
    ]


def saved(folder: Path, kind: str, seed: int = 0) -> Path:
    """A folder as ``save_pretrained`` makes it, with seeded random weights and a processor."""
    torch.manual_seed(seed)
    config = SMALL[kind]
    keywords = {"add_pooling_layer": False} if kind == "vit" else {}
    model = AutoModel.from_config(config, **keywords)
    if kind == "resnet":  # statistics that are not those of a fresh BatchNorm
        for module in model.modules():
            if isinstance(module, torch.nn.BatchNorm2d):
                module.running_mean.normal_(0, 0.1)
                module.running_var.uniform_(0.5, 2)
    model.save_pretrained(folder)
    size = getattr(config, "image_size", 64)
    processor = BitImageProcessorPil(
        size={"shortest_edge": size + 10}, crop_size={"height": size, "width": size}
    )
    processor.save_pretrained(folder)
    return folder


@pytest.mark.parametrize("kind", sorted(SMALL))
def test_outputs_equal_a_direct_call(kind: str, tmp_path: Path) -> None:
    backbone = load_backbone(saved(tmp_path / kind, kind))
    model = AutoModel.from_pretrained(tmp_path / kind).eval()
    x = torch.randn(3, 3, *backbone.preprocess.size)
    out = backbone.forward(x, blocks=3)
    with torch.inference_mode():
        direct = model(pixel_values=x, output_hidden_states=True)
    if kind == "resnet":
        expected = direct.pooler_output.flatten(1)[:, None]
        torch.testing.assert_close(out["mean"], expected, rtol=1e-5, atol=1e-5)
        assert set(out) == {"mean"}
        return
    prefix = 5 if kind == "registers" else 1
    final = direct.last_hidden_state
    torch.testing.assert_close(out["cls"][:, -1], final[:, 0], rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(out["mean"][:, -1], final[:, prefix:].mean(1), rtol=1e-5, atol=1e-5)
    norm = model.layernorm
    with torch.inference_mode():  # blocks before the last, after the final norm (trap 9)
        for block in (-3, -2):
            normed = norm(direct.hidden_states[block])
            mine = out["cls"][:, block]
            torch.testing.assert_close(mine, normed[:, 0], rtol=1e-5, atol=1e-5)
            assert (mine - direct.hidden_states[block][:, 0]).abs().max() > 1e-3


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "make", "size"),
    [
        ("dinov2_vits14", BitImageProcessorPil, 112),
        ("vit_b16", ViTImageProcessorPil, 224),
        ("resnet18", ConvNextImageProcessorPil, 96),
    ],
)
def test_pixels_and_embeddings_equal_transformers_own(name: str, make, size: int) -> None:
    """Real architectures; frames that need no resize, so that both sides see the same pixels."""
    backbone = load_backbone(name, init="random", seed=1, image_size=size)
    p = backbone.preprocess
    if make is ViTImageProcessorPil:
        processor, edge = make(size={"height": size, "width": size}), size
    elif make is BitImageProcessorPil:
        edge = int(p.resize)
        processor = make(
            size={"shortest_edge": edge}, crop_size={"height": size, "width": size},
            image_mean=list(p.mean), image_std=list(p.std),
        )  # fmt: skip
    else:
        edge = int(p.resize)
        processor = make(
            size={"shortest_edge": size}, crop_pct=size / edge,
            image_mean=list(p.mean), image_std=list(p.std),
        )  # fmt: skip
    images = photos(3, edge, edge)
    theirs = processor([Image.fromarray(i) for i in images], return_tensors="pt")["pixel_values"]
    ours = backbone.prepare(np.stack(images), 0, 255)
    torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-5)
    with torch.inference_mode():
        direct = backbone.module(pixel_values=theirs)
    out = backbone.forward(ours)
    if "cls" in out:
        reference, mine = direct.last_hidden_state[:, 0], out["cls"][:, -1]
    else:
        reference, mine = direct.pooler_output.flatten(1), out["mean"][:, -1]
    assert ((mine - reference).norm(dim=1) / reference.norm(dim=1)).max() < 1e-4


def test_tensor_resize_differs_from_pillows_by_the_documented_tolerance() -> None:
    """docs/concepts.md says: at most 1.5 grey levels of 255, and cosine above 0.9999."""
    backbone = load_backbone("dinov2_vits14", init="random", image_size=112)
    p = backbone.preprocess
    processor = BitImageProcessorPil(
        size={"shortest_edge": int(p.resize)}, crop_size={"height": 112, "width": 112},
        image_mean=list(p.mean), image_std=list(p.std),
    )  # fmt: skip
    worst, cosine = 0.0, 1.0
    for height, width in ((300, 300), (512, 400), (97, 180), (64, 64)):
        image = photos(1, height, width)[0]
        theirs = processor(Image.fromarray(image), return_tensors="pt")["pixel_values"]
        ours = backbone.prepare(image[None], 0, 255)
        assert ours.shape == theirs.shape
        std = torch.tensor(p.std).view(1, 3, 1, 1)
        worst = max(worst, float(((ours - theirs) * std).abs().max()) * 255)
        a, b = (backbone.forward(x)["cls"][:, 0] for x in (ours, theirs))
        cosine = min(cosine, float(torch.nn.functional.cosine_similarity(a, b)))
    assert 0 < worst <= 1.5
    assert cosine > 0.9999


def test_grey_frames_equal_the_same_frames_in_rgb(tiny_backbone) -> None:
    grey = np.random.default_rng(0).integers(0, 256, (2, 50, 40), dtype=np.uint8)
    rgb = np.repeat(grey[..., None], 3, axis=3)
    a, b = (tiny_backbone.prepare(x, 0, 255) for x in (grey, rgb))
    torch.testing.assert_close(a, b)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int16, np.int32, np.float32])
def test_every_dtype_of_a_picture_is_windowed_alike(tiny_backbone, dtype) -> None:
    values = np.random.default_rng(0).integers(0, 200, (1, 30, 30)).astype(dtype)
    expected = tiny_backbone.prepare(values.astype(np.float32), 20, 180)
    torch.testing.assert_close(tiny_backbone.prepare(values, 20, 180), expected)


def test_a_constant_frame_becomes_black_not_nan(tiny_backbone) -> None:
    x = tiny_backbone.prepare(np.full((1, 20, 20), 7, np.int16), 7, 7)
    black = -torch.tensor(tiny_backbone.preprocess.mean) / torch.tensor(
        tiny_backbone.preprocess.std
    )
    torch.testing.assert_close(x[0, :, 5, 5], black)


def test_small_frames_are_padded_to_the_crop() -> None:
    backbone = load_backbone("resnet18", init="random", image_size=64)
    from featprobe.backbones.resizing import crop

    out = crop(torch.ones(1, 1, 40, 50), backbone.preprocess)
    assert out.shape == (1, 1, 64, 64)
    assert out[0, 0, 12:52, 7:57].min() == 1
    assert out.sum() == 40 * 50


def test_random_weights_follow_the_seed_and_leave_torchs_own_seed_alone() -> None:
    torch.manual_seed(7)
    before = torch.random.get_rng_state()
    one, again, other = (load_backbone("resnet18", init="random", seed=s) for s in (3, 3, 4))
    assert torch.equal(before, torch.random.get_rng_state())
    assert one.weights_sha256 == again.weights_sha256 != other.weights_sha256
    assert one.random
    assert "random3" in one.name


def test_a_frozen_pass_leaves_the_backbone_bit_equal() -> None:
    backbone = load_backbone("resnet18", init="random", image_size=32)
    before = {k: v.clone() for k, v in backbone.module.state_dict().items()}
    backbone.forward(torch.randn(4, 3, 32, 32))
    for name, value in backbone.module.state_dict().items():
        assert torch.equal(value, before[name]), name
    assert not any(p.requires_grad for p in backbone.module.parameters())


def test_weights_file_gives_the_same_backbone_as_the_folder(tmp_path: Path) -> None:
    torch.manual_seed(0)
    spec = CATALOG["resnet18"]
    model = AutoModel.from_config(ResNetConfig(**spec.config))
    model.save_pretrained(tmp_path)
    backbone = load_backbone("resnet18", weights=tmp_path / "model.safetensors")
    x = torch.randn(2, 3, 224, 224)
    with torch.inference_mode():
        expected = model.eval()(pixel_values=x).pooler_output.flatten(1)
    torch.testing.assert_close(backbone.forward(x)["mean"][:, 0], expected)
    assert not backbone.random


def damage(folder: Path, how: str) -> None:
    """Spoil the weights of a saved folder in one way."""
    from safetensors.torch import load_file, save_file

    path = folder / "model.safetensors"
    if how == "truncated":
        path.write_bytes(path.read_bytes()[:200])
        return
    if how == "gone":
        path.unlink()
        return
    state = load_file(path)
    name = "encoder.layer.1.mlp.fc1.weight"
    if how == "renamed":
        state["encoder.layer.1.mlp.fcx.weight"] = state.pop(name)
    elif how == "missing":
        del state[name]
    elif how == "reshaped":
        state[name] = state[name][:5].clone()
    save_file(state, path, metadata={"format": "pt"})


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ("renamed", "1 missing .*fc1.weight.*1 unexpected .*fcx.weight"),
        ("missing", "1 missing .*encoder.layer.1.mlp.fc1.weight"),
        ("reshaped", r"1 of another shape .*fc1.weight \(5, 32\) for \(128, 32\)"),
        ("truncated", "damaged weights|cannot be loaded"),
        ("gone", "cannot be loaded"),
    ],
)
def test_weights_that_do_not_fit_are_refused_by_key(tmp_path: Path, how: str, message: str) -> None:
    folder = saved(tmp_path / "m", "dinov2")
    damage(folder, how)
    with pytest.raises(InputError, match=message):
        load_backbone(folder)


def test_weights_file_of_another_model_is_refused(tmp_path: Path) -> None:
    saved(tmp_path, "dinov2")
    with pytest.raises(InputError, match="the weights do not fit"):
        load_backbone("dinov2_vits14", weights=tmp_path / "model.safetensors")


def test_unknown_names_offer_the_nearest() -> None:
    with pytest.raises(UnknownName, match="Did you mean 'dinov2_vitl14'"):
        load_backbone("dinov2_vitl41")
    with pytest.raises(MissingPath, match="no such model folder"):
        load_backbone("./nowhere/model")


def test_a_folder_without_preprocessing_is_refused(tmp_path: Path) -> None:
    folder = saved(tmp_path / "m", "vit")
    (folder / "preprocessor_config.json").unlink()
    with pytest.raises(InputError, match="preprocessing belongs to the checkpoint"):
        load_backbone(folder)


def test_a_hub_id_without_network_says_what_to_do() -> None:
    with pytest.raises(InputError, match="--init random"):
        load_backbone("facebook/dinov2-small-that-is-not-cached")


def test_an_unsupported_family_is_named(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "bert"}))
    with pytest.raises(InputError, match="model type 'bert' is not supported"):
        load_backbone(tmp_path)


def test_an_input_size_off_the_patch_grid_names_one_on_it() -> None:
    with pytest.raises(InputError, match="use --image-size 98"):
        load_backbone("dinov2_vits14", init="random", image_size=100)


def test_preprocessing_of_processors_round_trips() -> None:
    bit = BitImageProcessorPil(size={"shortest_edge": 256}, crop_size={"height": 224, "width": 224})
    assert Preprocess.from_hf(bit.to_dict()).size == (224, 224)
    assert Preprocess.from_hf(bit.to_dict()).resize == 256
    small = Preprocess.from_hf(ConvNextImageProcessorPil(size={"shortest_edge": 224}).to_dict())
    assert (small.resize, small.crop) == (256, (224, 224))
    large = Preprocess.from_hf(ConvNextImageProcessorPil(size={"shortest_edge": 384}).to_dict())
    assert (large.resize, large.crop) == ((384, 384), None)
    vit = Preprocess.from_hf(ViTImageProcessorPil().to_dict())
    assert (vit.resize, vit.mean, vit.interpolation) == ((224, 224), (0.5, 0.5, 0.5), "bilinear")


def test_preprocessing_of_sams_and_efficientnets_processors_is_understood() -> None:
    from transformers.models.efficientnet.image_processing_pil_efficientnet import (
        EfficientNetImageProcessorPil,
    )
    from transformers.models.sam.image_processing_pil_sam import SamImageProcessorPil

    sam = Preprocess.from_hf(SamImageProcessorPil().to_dict())
    assert (sam.resize, sam.crop, sam.pad, sam.size) == (1024, None, (1024, 1024), (1024, 1024))
    assert sam.at(512).to_dict()["pad"] == [512, 512]
    assert "pad" not in Preprocess(resize=256, crop=(224, 224)).to_dict()
    std = [0.47853944, 0.4732864, 0.47434163]  # of the hub's files
    processor = EfficientNetImageProcessorPil(
        size={"height": 64, "width": 64}, image_mean=[0.485, 0.456, 0.406], image_std=std
    )
    mine = Preprocess.from_hf(processor.to_dict())
    assert mine.std == pytest.approx((0.229, 0.224, 0.225), rel=1e-4)
    image = photos(1, 64, 64)[0]
    theirs = processor(Image.fromarray(image), return_tensors="np")["pixel_values"][0]
    ours = (image / 255 - mine.mean) / mine.std
    np.testing.assert_allclose(ours.transpose(2, 0, 1), theirs, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", ["sam_vitb16", "blip_vitb16", "dino_vitb16"])
def test_random_weights_tell_images_apart(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A control sees the image: transformers draws SAM's and BLIP's weights with 1e-10."""
    reduce(monkeypatch, name)
    backbone = load_backbone(name, init="random", image_size=32)
    frames = torch.randn(8, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        found = backbone.forward(frames, {"mean": 1})["mean"][:, 0]
    assert found.std(0).mean() > 1e-3 * found.abs().mean()
