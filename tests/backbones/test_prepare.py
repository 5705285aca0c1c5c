"""backbones/base.py: how a frame recipe's windows and fit reach the network."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from torch.nn import functional as F

from featprobe.backbones.base import Backbone
from featprobe.backbones.spec import Preprocess


class Adapter:
    multiple = 1
    fixed = None
    outputs = {"cls": (1, 1)}  # noqa: RUF012

    def __call__(self, module, x, wanted):
        return {"cls": x.mean((1, 2, 3))[:, None, None]}


def backbone(resize=16, crop=(14, 14), mean=(0.0,) * 3, std=(1.0,) * 3):
    return Backbone(
        "x", torch.nn.Identity(), Adapter(), Preprocess(resize, crop, mean=mean, std=std)
    )


def test_three_windows_are_three_channels():
    pixels = np.random.default_rng(0).integers(-1000, 1000, (2, 14, 14)).astype(np.int16)
    low, high = np.array([-1350.0, 0.0, 7.0]), np.array([150.0, 80.0, 7.0])
    x = backbone().prepare(pixels, low, high)
    assert x.shape == (2, 3, 14, 14)
    for c in range(2):
        alone = backbone().prepare(pixels, float(low[c]), float(high[c]))
        torch.testing.assert_close(x[:, c], alone[:, 0], rtol=0, atol=0)
    assert (x[:, 2] == 0).all()  # a window of no width is black


def test_pad_leaves_small_frames_as_they_are_in_the_middle_of_black():
    pixels = np.random.default_rng(0).integers(0, 256, (1, 8, 6), np.uint8)
    x = backbone(mean=(0.5,) * 3, std=(0.5,) * 3).prepare(pixels, 0, 255, "pad")
    shown = x[0, 0] * 0.5 + 0.5
    torch.testing.assert_close(shown[3:11, 4:10], torch.from_numpy(pixels[0] / 255).float())
    shown[3:11, 4:10] = 0
    assert shown.abs().max() < 1e-6


@given(height=st.integers(1, 40), width=st.integers(1, 40), fit=st.sampled_from(["pad", "stretch"]))
def test_any_frame_fits_the_input(height, width, fit):
    pixels = np.full((1, height, width), 255, np.uint8)
    x = backbone().prepare(pixels, 0, 255, fit)
    assert x.shape == (1, 3, 14, 14)
    if fit == "pad":  # whole, its aspect kept, never enlarged
        ratio = min(1, 14 / height, 14 / width)
        rows, columns = (max(1, round(n * ratio)) for n in (height, width))
        assert (x[0, 0] > 0.5).sum() == rows * columns


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int16, np.float32])
def test_stretch_is_window_resize_crop_normalise(dtype):
    pixels = np.random.default_rng(0).integers(0, 200, (2, 30, 20)).astype(dtype)
    made = backbone(resize=(16, 15), mean=(0.1, 0.2, 0.3), std=(0.5, 0.6, 0.7))
    x = ((torch.from_numpy(pixels.astype(np.float32)) - 20) / 150).clamp(0, 1)[:, None]
    x = F.interpolate(x, size=(16, 15), mode="bicubic", antialias=True).clamp(0, 1)
    x = x[..., 1:15, 0:14].expand(-1, 3, -1, -1)
    mean, std = (torch.tensor(v).view(1, 3, 1, 1) for v in ((0.1, 0.2, 0.3), (0.5, 0.6, 0.7)))
    torch.testing.assert_close(made.prepare(pixels, 20, 170), (x - mean) / std)


@given(
    height=st.integers(1, 60), width=st.integers(1, 60), seed=st.integers(0, 99),
    dtype=st.sampled_from([np.uint8, np.int8, np.uint16]),
)  # fmt: skip
def test_windowing_behind_the_resize_is_windowing_before_it(height, width, seed, dtype):
    limits = np.iinfo(dtype)
    rng = np.random.default_rng(seed)
    pixels = rng.integers(limits.min, limits.max, (2, height, width), dtype, endpoint=True)
    low, high = float(limits.min), float(limits.max)
    quick = backbone(resize=16).prepare(pixels, low, high)
    plain = backbone(resize=16).prepare(pixels.astype(np.float32), low, high)  # never deferred
    torch.testing.assert_close(quick, plain, rtol=0, atol=2e-6)


@pytest.mark.parametrize(("height", "width"), [(40, 90), (90, 40), (64, 64), (20, 10)])
def test_sams_padding_equals_its_processor(height, width):
    from transformers.models.sam.image_processing_pil_sam import SamImageProcessorPil

    processor = SamImageProcessorPil(
        size={"longest_edge": 64}, pad_size={"height": 64, "width": 64},
        mask_size={"longest_edge": 16}, mask_pad_size={"height": 16, "width": 16},
    )  # fmt: skip
    preprocess = Preprocess.from_hf(processor.to_dict())
    assert preprocess.pad == (64, 64)
    rng = np.random.default_rng(0)
    coarse = Image.fromarray(rng.integers(0, 256, (4, 4, 3), dtype=np.uint8))
    pixels = np.asarray(coarse.resize((width, height), Image.Resampling.BICUBIC))
    theirs = processor(Image.fromarray(pixels), return_tensors="pt")["pixel_values"]
    ours = Backbone("x", torch.nn.Identity(), Adapter(), preprocess).prepare(pixels[None], 0, 255)
    assert ours.shape == theirs.shape == (1, 3, 64, 64)
    std = torch.tensor(preprocess.std).view(1, 3, 1, 1)
    assert ((ours - theirs) * std).abs().max() * 255 < 1.5  # Pillow rounds to grey levels
    black = theirs == 0
    assert ((ours == 0) == black).all() or black.float().mean() < 0.01


@given(
    kind=st.sampled_from(["uint8", "uint16", "int16", "int32", "float32", "float64"]),
    low=st.integers(-300, 300), width=st.integers(0, 70_000), colour=st.booleans(),
)  # fmt: skip
def test_pixels_are_windowed_as_written_and_stay_the_callers(kind, low, width, colour):
    rng = np.random.default_rng(3)
    ends = (0, 256) if kind == "uint8" else (0, 65536) if kind == "uint16" else (-4096, 4096)
    shape = (2, 14, 14, 3) if colour else (2, 14, 14)
    pixels = rng.integers(*ends, shape).astype(kind)
    before = pixels.copy()
    x = backbone(resize=14).render(pixels, low, low + width)
    np.testing.assert_array_equal(pixels, before)
    values = np.clip(
        (pixels.astype(np.float32) - np.float32(low)) / np.float32(max(width, 1)), 0, 1
    )
    values = values * np.float32(width > 0)
    expected = values.transpose(0, 3, 1, 2) if colour else values[:, None]
    np.testing.assert_allclose(x.numpy(), expected, rtol=0, atol=1e-7)


def test_every_value_of_sixteen_bits_arrives():
    pixels = np.arange(65536, dtype=np.uint16).reshape(1, 256, 256)
    x = backbone(resize=256, crop=(256, 256)).render(pixels, 0, 65535)
    torch.testing.assert_close(x.flatten().double() * 65535, torch.arange(65536.0).double(),
                               rtol=0, atol=0.01)  # fmt: skip
