"""Networks of torchvision against their own calls; run by test_torchvision.py."""

from __future__ import annotations

import pytest
import torch
from PIL import Image
from torch.nn import functional as F
from torchvision import models

from featprobe.backbones.load import load_backbone
from featprobe.core.errors import InputError, UnknownName
from tests.backbones.test_families import close, pictures, stirred
from tests.backbones.test_hf import photos
from tests.backbones.test_wrappers import WRAPPED


def twin(name: str, backbone, **given):
    model = models.get_model(name, weights=None, **given).eval()
    model.load_state_dict(backbone.module.state_dict())
    return model


def stir(name: str):
    backbone = load_backbone(f"torchvision:{name}", init="random")
    generator = torch.Generator().manual_seed(0)
    for key, value in backbone.module.state_dict().items():
        if "running_mean" in key:
            value.copy_(0.1 * torch.randn(value.shape, generator=generator))
    return backbone


@torch.inference_mode()
def test_alexnet_gives_its_4096_and_its_map() -> None:
    backbone = stir("alexnet")
    model = twin("alexnet", backbone)
    x = pictures(224, 224)
    out = backbone.forward(x, outputs=backbone.outputs)
    maps = model.features(x)
    close(out["tokens"][:, 0], maps.permute(0, 2, 3, 1))
    close(out["mean"][:, 0], maps.mean((2, 3)))
    close(out["prelogits"][:, 0], model.classifier[:-1](model.avgpool(maps).flatten(1)))
    close(out["logits"][:, 0], model(x))
    assert backbone.outputs["prelogits"] == (1, 4096)
    assert backbone.default_outputs == ("mean", "prelogits")


@torch.inference_mode()
def test_densenets_mean_is_what_its_classifier_sees() -> None:
    backbone = stir("densenet121")
    model = twin("densenet121", backbone)
    x = pictures(96, 128)
    out = backbone.forward(x, outputs=["mean", "logits", "tokens"])
    maps = F.relu(model.features(x))
    close(out["mean"][:, 0], maps.mean((2, 3)))
    close(out["logits"][:, 0], model(x))
    assert "prelogits" not in backbone.outputs


@pytest.mark.parametrize("name", ["resnet18", "vgg11", "inception_v3", "mobilenet_v3_small"])
@torch.inference_mode()
def test_other_networks_give_their_own_logits(name: str) -> None:
    backbone = stir(name)
    given = {"aux_logits": False, "transform_input": True} if name == "inception_v3" else {}
    x = pictures(224, 224)
    close(backbone.forward(x, outputs=["logits"])["logits"][:, 0], twin(name, backbone, **given)(x))


def test_preprocessing_is_that_of_the_weights() -> None:
    backbone = load_backbone("torchvision:alexnet", init="random")
    image = photos(1, 256, 256)[0]
    theirs = models.AlexNet_Weights.DEFAULT.transforms()(Image.fromarray(image))
    torch.testing.assert_close(backbone.prepare(image[None], 0, 255)[0], theirs, atol=1e-4, rtol=0)


def test_weights_files_are_read_strictly(tmp_path) -> None:
    model = stirred(models.get_model("alexnet", weights=None))
    torch.save(model.state_dict(), tmp_path / "alexnet.pth")
    backbone = load_backbone("torchvision:alexnet", weights=tmp_path / "alexnet.pth")
    x = pictures(224, 224)
    with torch.inference_mode():
        close(backbone.forward(x, outputs=["logits"])["logits"][:, 0], model(x))
    state = model.state_dict()
    del state["features.3.bias"]
    torch.save(state, tmp_path / "cut.pth")
    with pytest.raises(InputError, match=r"1 missing \(features\.3\.bias\)"):
        load_backbone("torchvision:alexnet", weights=tmp_path / "cut.pth")


@pytest.mark.parametrize("wrapped", WRAPPED)
def test_common_wrappers_are_recognised_and_what_is_not_used_is_said(wrapped, tmp_path) -> None:
    whole = load_backbone("torchvision:resnet18", init="random", seed=3)
    make, unused = WRAPPED[wrapped]
    torch.save(make(whole.module.state_dict()), tmp_path / "w.pth")
    again = load_backbone("torchvision:resnet18", weights=tmp_path / "w.pth")
    assert again.weights_sha256 == whole.weights_sha256
    dropped = again.origin.get("dropped", [])
    assert bool(dropped) if unused is None else len(dropped) == unused


def test_auxiliary_classifiers_of_training_are_said(tmp_path) -> None:
    model = models.get_model("inception_v3", weights=None, aux_logits=True, init_weights=False)
    torch.save(model.state_dict(), tmp_path / "w.pth")
    backbone = load_backbone("torchvision:inception_v3", weights=tmp_path / "w.pth")
    assert backbone.origin["dropped"]
    assert all(k.startswith("AuxLogits.") for k in backbone.origin["dropped"])


def test_names_that_are_none() -> None:
    with pytest.raises(UnknownName, match="Did you mean 'alexnet'"):
        load_backbone("torchvision:alexnett", init="random")
    with pytest.raises(UnknownName, match="IMAGENET1K_V1"):
        load_backbone("torchvision:alexnet:IMAGENET1K_V9", init="random")
    with pytest.raises(InputError, match="try timm: instead"):
        load_backbone("torchvision:vit_b_16", init="random")
