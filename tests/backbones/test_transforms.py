"""Preprocessing by name: against Pillow, numpy and transformers' image processors."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from transformers import BitImageProcessor, ViTImageProcessor

from featprobe.backbones.authors import TABLE, Authors, of
from featprobe.backbones.base import Backbone
from featprobe.backbones.catalog import CATALOG
from featprobe.backbones.load import label_of, load_backbone, resolve
from featprobe.backbones.resizing import crop, field_of_view
from featprobe.backbones.spec import IMAGENET_MEAN, IMAGENET_STD, Preprocess
from featprobe.backbones.transforms import STATISTICS, STUDIES, spelled, transformed
from featprobe.cli.models import command
from featprobe.core.errors import InputError
from featprobe.images.decoded_image import FrameRecipe
from featprobe.store.format import FeatureKey

BASE = Preprocess(resize=(224, 224), crop=None, interpolation="bilinear")
PIL_FILTER = {"bilinear": Image.Resampling.BILINEAR, "bicubic": Image.Resampling.BICUBIC}


class Flat(torch.nn.Module):
    """A convolution, so that what a network sees of its channels shows."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = torch.nn.Conv2d(3, 5, 16, 16)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.embed(x)


def seen(frame: np.ndarray, preprocess: Preprocess, fit: str = "stretch") -> np.ndarray:
    """What a backbone with a preprocessing is given of one uint8 frame, (3, h, w)."""
    torch.manual_seed(0)
    backbone = Backbone.from_module(Flat(), preprocess)
    return backbone.prepare(frame[None], 0, 255, fit)[0].numpy()


def photo(height: int, width: int, colour: bool = True) -> np.ndarray:
    draw = np.random.default_rng(height * 1000 + width)
    coarse = draw.integers(0, 256, (height // 8 + 2, width // 8 + 2, 3)).astype(np.uint8)
    smooth = Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC)
    array = np.asarray(smooth)
    return array if colour else np.ascontiguousarray(array[..., 0])


@pytest.mark.parametrize("name", ["rad", "rad-linear", "wacv", "freeze", "dinov2"])
@pytest.mark.parametrize("size", [(300, 400), (512, 260), (224, 224), (400, 333)])
def test_the_preprocessing_of_a_study_is_that_of_pillow(name: str, size: tuple[int, int]) -> None:
    """Resized in float, as here; in bytes, as the studies do, Pillow rounds and cuts off behind
    either direction: a grey level or two apart, a quarter of one on average."""
    frame, made = photo(*size), transformed(BASE, name)
    width, height = size[1], size[0]
    resize = STUDIES[name]["resize"]
    if isinstance(resize, tuple):
        target = resize[::-1]
    else:  # torchvision's Resize(256): the other edge is cut to a whole number
        short = min(width, height)
        target = tuple(int(resize * n / short) for n in (width, height))
    left, top = (round((n - 224) / 2) for n in target)  # as torchvision's CenterCrop
    box, filter_ = (left, top, left + 224, top + 224), PIL_FILTER[made.interpolation]
    channels = [Image.fromarray(np.float32(frame[..., c])) for c in range(3)]
    exact = np.stack([np.asarray(c.resize(target, filter_).crop(box)) for c in channels], -1)
    ours = seen(frame, made).transpose(1, 2, 0) * IMAGENET_STD + IMAGENET_MEAN
    np.testing.assert_allclose(ours * 255, exact.clip(0, 255), atol=1e-2)
    rounded = np.asarray(Image.fromarray(frame).resize(target, filter_).crop(box), dtype=float)
    assert np.abs(ours * 255 - rounded).max() < 2.5
    assert np.abs(ours * 255 - rounded).mean() < 0.35


def test_shorter_edge_and_squash_are_what_transformers_does() -> None:
    frame = photo(280, 420)
    for text, processor in (
        ("shorter=256,crop=224,bicubic", BitImageProcessor(
            size={"shortest_edge": 256}, crop_size={"height": 224, "width": 224}, resample=3,
            image_mean=list(IMAGENET_MEAN), image_std=list(IMAGENET_STD), do_convert_rgb=True)),
        ("squash=224,crop=none,bilinear,stats=half", ViTImageProcessor(
            size={"height": 224, "width": 224}, resample=2, image_mean=[0.5] * 3,
            image_std=[0.5] * 3)),
    ):  # fmt: skip
        made = transformed(BASE, text)
        theirs = processor(Image.fromarray(frame), return_tensors="np")["pixel_values"][0]
        scale = np.array(made.std)[:, None, None] * 255
        apart = np.abs((seen(frame, made) - theirs) * scale)
        assert apart.max() < 2.5  # grey levels, which theirs are rounded to
        assert apart.mean() < 0.35


@settings(deadline=None, max_examples=25)
@given(st.integers(20, 60), st.integers(20, 60), st.booleans())
def test_pad_mean_is_zero_around_the_frame_as_in_medmnist_plus(
    h: int, w: int, colour: bool
) -> None:
    """Normalised first, then padded with zeros: transforms.Pad behind transforms.Normalize."""
    frame = photo(h, w, colour)
    made = transformed(Preprocess((64, 64), None), "none,crop=64")
    ours = seen(frame, made, "pad-mean")
    rgb = np.repeat(frame[..., None], 3, 2) if not colour else frame
    normal = ((rgb / 255 - IMAGENET_MEAN) / IMAGENET_STD).transpose(2, 0, 1)
    top, left = (64 - h) // 2, (64 - w) // 2
    expected = np.pad(normal, ((0, 0), (top, 64 - h - top), (left, 64 - w - left)))
    np.testing.assert_allclose(ours, expected, atol=1e-5)
    outside = np.pad(np.zeros((h, w), bool), ((top, 64 - h - top), (left, 64 - w - left)),
                     constant_values=True)  # fmt: skip
    assert (ours[:, outside] == 0).all()


def test_pad_mean_shrinks_what_is_larger_and_pad_stays_black() -> None:
    frame = photo(128, 64, colour=False)
    made = Preprocess((64, 64), None)
    ours = seen(frame, made, "pad-mean")
    assert (ours[:, :, :16] == 0).all()
    assert (ours[:, :, 48:] == 0).all()
    assert (ours[:, :, 16:48] != 0).any()
    black = seen(frame, made, "pad")[:, :, :16]
    np.testing.assert_allclose(black[:, 0, 0], -np.divide(IMAGENET_MEAN, IMAGENET_STD), rtol=1e-5)


@pytest.mark.parametrize("colour", [False, True])
def test_one_channel_is_a_patch_embedding_cut_to_its_first(colour: bool) -> None:
    """A convolution with weights (5, 1, 16, 16) on the grey image, as WACV builds it."""
    frame = photo(64, 64, colour)
    made = transformed(Preprocess((64, 64), None), "channels=1,stats=chexpert")
    torch.manual_seed(0)
    backbone = Backbone.from_module(Flat(), made)
    x = backbone.prepare(frame[None], 0, 255)
    grey = np.asarray(Image.fromarray(frame).convert("L"), dtype=np.float32) / 255
    alone = torch.from_numpy((grey - np.float32(0.503)) / np.float32(0.292))[None, None]
    kernel = backbone.module.embed
    expected = torch.nn.functional.conv2d(alone, kernel.weight[:, :1], kernel.bias, 16)
    found = backbone.forward(x, outputs=["tokens"])["tokens"][:, 0].permute(0, 3, 1, 2)
    # Pillow rounds grey to whole levels
    tolerance = 1e-5 if not colour else 0.5 / 255 / 0.292 * float(kernel.weight[:, 0].abs().sum(
        (1, 2)).max())  # fmt: skip
    assert (found - expected).abs().max() <= tolerance
    assert made.to_dict()["channels"] == 1
    assert Preprocess.from_dict(made.to_dict()) == made
    assert Preprocess.from_hf(made.to_hf()) == made


def test_keys_of_before_stay_and_a_transform_is_in_the_key() -> None:
    assert "channels" not in BASE.to_dict()
    assert "pad" not in BASE.to_dict()
    texts = [
        "wacv",
        "rad",
        "rad-linear",
        "freeze",
        "medmnist",
        "wacv,stats=aptos",
        "wacv,channels=1",
    ]
    made = {transformed(BASE, t) for t in texts} | {BASE}
    assert len(made) == len(texts) + 1
    plain = {"config": "", "recipe": FrameRecipe().to_dict(), "outputs": {"mean": 1}}
    keys = [
        FeatureKey("w", preprocess=p.to_dict(), precision="float32", dtype="float16", dataset="d",
                   **plain)
        for p in made
    ]  # fmt: skip
    assert len({k.digest for k in keys}) == len(made)
    mean = FrameRecipe(fit="pad-mean").to_dict()
    assert mean != FrameRecipe(fit="pad").to_dict()


def test_parts_go_over_what_stands_before_them() -> None:
    sam = CATALOG["sam_vitb16"].preprocess
    assert sam is not None
    assert transformed(sam, "wacv").pad is None
    assert transformed(sam, "wacv").mean == sam.mean
    assert transformed(sam, "mean=0.5").resize == sam.resize
    made = transformed(BASE, "wacv,bicubic,mean=0.1/0.2/0.3,std=0.5")
    assert (made.resize, made.crop) == ((256, 256), (224, 224))
    assert (made.interpolation, made.mean, made.std) == ("bicubic", (0.1, 0.2, 0.3), (0.5,) * 3)
    assert transformed(BASE, "stats=isic").mean == STATISTICS["isic"][0]


def test_a_backbone_of_another_transform_has_another_name_and_says_so() -> None:
    net = load_backbone("tiny_vit14", transform="shorter=128,crop=112,bilinear")
    assert net.name == "tiny_vit14@shorter128-crop112-bilinear"
    assert net.preprocess.resize == 128
    assert net.origin["transform"] == "shorter=128,crop=112,bilinear"
    assert label_of(resolve("dinov2_vits14"), transform="wacv", image_size=112) == (
        "dinov2_vits14@wacv@112"
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("wavc", "'wavc' is not understood. Did you mean 'wacv'"),
        ("squash=big", "needs a whole number"),
        ("mean=1/2", "needs one number, or three"),
        ("stats=apto", "Did you mean 'aptos'"),
        ("channels=2", "neither 1 nor 3"),
        ("centre=up", "neither down nor even"),
        ("std=0", "must be positive"),
    ],
)
def test_what_is_not_understood_is_one_line(text: str, message: str) -> None:
    with pytest.raises(InputError, match=r"^--transform ") as error:
        transformed(BASE, text)
    assert message in str(error.value)


def test_every_entry_says_what_is_known_of_its_authors_and_of_the_hub() -> None:
    """The table of the documentation is the catalog's data, an entry once."""
    page = (Path(__file__).parents[2] / "docs" / "models.md").read_text()
    table = CliRunner().invoke(command, ["--transforms"]).stdout.strip()
    assert table in page, "update it with: featprobe models --transforms"
    names = [n.strip("` ") for row in table.splitlines()[2:] for n in row.split("|")[1].split(",")]
    assert sorted(names) == sorted(CATALOG)
    for row in TABLE:
        assert any(of(name) is row for name in CATALOG), row.names
        assert row.source or row.transform is None, row.names
        assert row.source or row.note, row.names


@pytest.mark.parametrize("name", sorted(CATALOG))
def test_what_an_entry_knows_can_be_chosen(name: str) -> None:
    spec = CATALOG[name]
    base = spec.preprocess or spec.hub
    if spec.authors is not None:
        made = transformed(base or spec.authors, "authors", spec)
        assert made == spec.authors
        assert made.size[0] % (spec.patch or 1) == 0
        if not made.pad:
            assert transformed(BASE, spelled(made)) == made
    elif base is not None:
        with pytest.raises(InputError, match="authors' own transform of .* is not known"):
            transformed(base, "authors", spec)
    if base is not None and spec.source and not (of(name) or row()).hub_says:
        assert transformed(base, "hub", spec) == ((spec.preprocess and spec.hub) or base)


def row() -> Authors:
    return Authors("", None, "")


def test_dinos_two_transforms() -> None:
    spec = CATALOG["dino_vitb16"]
    assert spec.preprocess is not None
    assert spelled(spec.preprocess) == "squash=224,crop=none,bilinear,stats=imagenet"
    authors = transformed(spec.preprocess, "authors", spec)
    assert spelled(authors) == "shorter=256,crop=224,centre=even,bicubic,stats=imagenet"
    assert label_of(resolve("dino_vitb16"), transform="authors") == "dino_vitb16@authors"
    assert label_of(resolve("dino_vitb16"), transform="hub") == "dino_vitb16"
    assert label_of(resolve("dinov2_vitb14"), transform="authors") == "dinov2_vitb14@authors"
    assert label_of(resolve("tiny_vit14"), transform="authors") == "tiny_vit14"


def test_authors_whose_code_is_torchvisions_crop_as_torchvision_does() -> None:
    """Each of these was seen to call torchvision's CenterCrop, whose margins differ by a pixel."""
    seen = (
        "dino_vits16", "dinov2_vits14", "dinov3_vits16", "mae_vitb16", "msn_vitb16", "beit_vitb16",
        "data2vec_vitb16", "swin_tiny", "swinv2_tiny", "focalnet_tiny", "convnext_tiny",
        "convnextv2_tiny", "hiera_tiny", "pvt_tiny", "deit_vitb16", "retfound_cfp", "clip_vitb32",
        "clip_vitl14_336", "clip_vith14_laion2b", "pubmedclip_vitb32",
    )  # fmt: skip
    for name in seen:
        assert CATALOG[name].authors.centre == "even", name
    for name, spec in CATALOG.items():  # squares have no margin; TensorFlow's code is another
        made = spec.authors
        if made is not None and isinstance(made.resize, int) and made.crop:
            tensorflow = name.startswith("efficientnet_b") and "_ra2" not in name
            assert (made.centre == "even") != (tensorflow or name == "seem_focalt"), name


@given(
    st.one_of(st.none(), st.integers(8, 600), st.integers(8, 600).map(lambda n: (n, n))),
    st.integers(8, 600), st.sampled_from(["nearest", "bilinear", "bicubic"]),
    st.sampled_from(sorted(STATISTICS)), st.sampled_from([1, 3]), st.sampled_from(["down", "even"]),
)  # fmt: skip
def test_what_is_spelled_is_read_again(
    resize, crop, interpolation, stats, channels, centre
) -> None:
    mean, std = (v * 3 if len(v) == 1 else v for v in STATISTICS[stats])
    made = Preprocess(
        resize, (crop, crop), interpolation, mean, std, channels=channels, centre=centre
    )
    assert transformed(BASE, spelled(made)) == made
    assert Preprocess.from_dict(made.to_dict()) == made
    assert ("centre" in made.to_dict()) == (centre == "even")  # keys of before stay
    if isinstance(resize, int):
        assert Preprocess.from_hf(made.to_hf()).centre == centre


@given(st.integers(1, 60), st.integers(1, 60), st.integers(1, 40))
def test_odd_margins_are_halved_as_by_transformers_or_by_torchvision(h, w, size) -> None:
    frame = torch.arange(h * w, dtype=torch.float32).view(1, 1, h, w) + 1
    for centre, before in (("down", lambda n: n // 2), ("even", lambda n: round(n / 2))):
        made = Preprocess(None, (size, size), centre=centre)
        found = crop(frame, made)
        assert found.shape[-2:] == (size, size)
        top, left = (before(n - size) if n > size else -((size - n) // 2) for n in (h, w))
        inside = frame[..., max(top, 0) : top + size, max(left, 0) : left + size]
        at_top, at_left = max(-top, 0), max(-left, 0)
        there = found[..., at_top : at_top + inside.shape[-2], at_left : at_left + inside.shape[-1]]
        assert torch.equal(there, inside)
        view = field_of_view(h, w, made)  # masks follow the same rule
        assert (view.rows.start, view.columns.start) == (top, left)


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [("rad_dino", "authors", "is not known here"), ("dinoret_vitb14", "hub", "on no hub"),
     ("deit_vitb16", "hub", "its size was not seen")],
)  # fmt: skip
def test_what_is_not_known_is_not_guessed(name: str, text: str, message: str) -> None:
    spec = CATALOG[name]
    assert spec.preprocess is not None
    with pytest.raises(InputError, match=message):
        transformed(spec.preprocess, text, spec)
