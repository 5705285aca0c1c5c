"""backbones/interpolation.py: torch's and Pillow's resize, but for the rounding of float32."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

from featprobe.backbones import interpolation
from featprobe.backbones.interpolation import bands, interpolate
from featprobe.backbones.resizing import floats, shown
from featprobe.backbones.spec import Preprocess

MODES = st.sampled_from(["bilinear", "bicubic"])
SIDES = st.one_of(st.integers(1, 40), st.integers(1, 700))
MORE = st.integers(
    2, 700
)  # torch 2.13 gives one pixel high or wide wrongly; Pillow is asked for those
ROUNDING = 2e-6  # of the range of values: some units in the last place of float32


def theirs(x: Tensor, size: tuple[int, int], mode: str) -> Tensor:
    return F.interpolate(x, size, mode=mode, antialias=True, align_corners=False)


@settings(max_examples=120, deadline=None)
@given(SIDES, SIDES, MORE, MORE, st.integers(1, 2), st.sampled_from([1, 3]), MODES, st.booleans())
@example(1, 1, 2, 3, 1, 1, "bicubic", False)
@example(1, 1, 224, 37, 2, 3, "bicubic", True)
@example(700, 1, 2, 700, 1, 1, "bilinear", False)
@example(1024, 1024, 112, 112, 1, 1, "bicubic", False)
@example(1023, 640, 224, 225, 1, 3, "bilinear", True)
def test_it_is_as_near_to_float64_as_torch(height, width, h, w, frames, channels, mode, files):
    rng = np.random.default_rng([height, width, h, w])
    values = rng.normal(0, 1000, (frames, channels, height, width)).astype(np.float32)
    x = torch.from_numpy(values)
    if files:  # colours beside each other in memory
        x = x.contiguous(memory_format=torch.channels_last)
    exact = theirs(x.double(), (h, w), mode)
    ours = interpolate(x, (h, w), mode, floats)
    assert ours.shape == (frames, channels, h, w)
    assert ours.dtype == torch.float32
    torchs = float((theirs(x, (h, w), mode) - exact).abs().max())
    assert float((ours - exact).abs().max()) <= max(torchs, ROUNDING * float(x.abs().max()))
    np.testing.assert_array_equal(x.numpy(), values)


@settings(max_examples=40, deadline=None)
@given(SIDES, SIDES, SIDES, SIDES, MODES)
@example(2048, 900, 224, 112, "bicubic")
@example(2, 1, 3, 1, "bilinear")
@example(5, 9, 1, 1, "bicubic")
def test_it_is_pillows_resize_of_floats(height, width, h, w, mode):
    pixels = np.random.default_rng([height, w]).uniform(0, 1, (height, width)).astype(np.float32)
    how = {"bilinear": Image.Resampling.BILINEAR, "bicubic": Image.Resampling.BICUBIC}[mode]
    expected = np.asarray(Image.fromarray(pixels).resize((w, h), how))
    ours = interpolate(torch.from_numpy(pixels)[None, None], (h, w), mode, floats)[0, 0]
    np.testing.assert_allclose(ours, expected, rtol=0, atol=ROUNDING)


@given(st.integers(1, 5000), st.integers(1, 600), MODES)
@example(4096, 224, "bicubic")
def test_every_output_has_weights_that_sum_to_one(old, new, mode):
    at = 0
    for outputs, inputs, weights in bands(old, new, mode):
        assert outputs.start == at
        assert weights.shape == (outputs.stop - at, inputs.stop - inputs.start)
        assert 0 <= inputs.start < inputs.stop <= old
        np.testing.assert_allclose(weights.sum(1), 1, atol=1e-5)
        at = outputs.stop
    assert at == new


def test_a_constant_image_stays_what_it_is():
    x = torch.full((1, 1, 300, 200), 0.7)
    for mode in interpolation.KERNELS:
        y = interpolate(x, (37, 301), mode, floats)
        torch.testing.assert_close(y, torch.full_like(y, 0.7), rtol=0, atol=5e-7)


def test_weights_are_kept_and_bounded():
    bands.cache_clear()
    x = torch.zeros(1, 1, 64, 64)
    for _ in range(3):
        interpolate(x, (16, 16), "bicubic", floats)
    assert bands.cache_info().misses == 1
    for side in range(1, 60):
        bands(64, side, "bilinear")
    assert bands.cache_info().currsize <= 32
    with torch.inference_mode():
        kept = bands(64, 17, "bicubic")[0].weights
    assert not kept.is_inference()  # training reads it, too


def test_rows_are_seen_in_blocks_that_a_cache_holds():
    largest = 0

    def seen(rows: Tensor) -> Tensor:
        nonlocal largest
        largest = max(largest, rows.shape[-2])
        return rows.float()

    interpolate(torch.zeros(1, 1, 1024, 1024, dtype=torch.uint8), (112, 112), "bicubic", seen)
    assert largest <= 160


@pytest.mark.parametrize("threads", [1, 2])
def test_the_number_of_threads_changes_no_more_than_rounding(threads):
    x = torch.from_numpy(np.random.default_rng(0).uniform(0, 1, (3, 1, 500, 400))).float()
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(threads)
        y = interpolate(x, (112, 96), "bicubic", floats)
    finally:
        torch.set_num_threads(before)
    exact = theirs(x.double(), (112, 96), "bicubic")
    assert float((y - exact).abs().max()) < ROUNDING


@given(
    dtype=st.sampled_from(["uint8", "uint16", "int16", "int32", "float32"]),
    height=st.integers(1, 200), width=st.integers(1, 200), low=st.integers(-3000, 3000),
    span=st.integers(0, 5000), colour=st.booleans(), channels=st.sampled_from([1, 3]),
    mode=MODES,
)  # fmt: skip
def test_windows_within_blocks_are_windows_of_the_whole(
    dtype, height, width, low, span, colour, channels, mode
):
    rng = np.random.default_rng([height, width, span])
    ends = (0, 256) if dtype == "uint8" else (0, 4096) if dtype == "uint16" else (-2000, 2000)
    pixels = rng.integers(*ends, (2, height, width) + (3,) * colour).astype(dtype)
    before = pixels.copy()
    preprocess = Preprocess((40, 30), None, interpolation=mode, channels=channels)
    y = shown(pixels, low, low + span, preprocess)
    np.testing.assert_array_equal(pixels, before)
    x = torch.from_numpy(pixels.astype(float))
    x = x.permute(0, 3, 1, 2) if colour else x[:, None]
    if channels == 1 and colour:
        x = (x * torch.tensor([0.299, 0.587, 0.114]).double().view(1, 3, 1, 1)).sum(1, True)
    x = ((x - low) / span).clamp(0, 1) if span else torch.zeros_like(x)
    expected = theirs(x, (40, 30), mode).clamp(0, 1)
    # what a grey of colours loses in float32 is a part of its values, not of the window
    torch.testing.assert_close(y.double(), expected, rtol=0, atol=5e-6 + 3e-3 / max(span, 1))


def test_three_windows_are_resized_apart():
    pixels = np.random.default_rng(0).integers(-1000, 1000, (2, 90, 70)).astype(np.int16)
    low, high = np.array([-1350.0, 0.0, 7.0]), np.array([150.0, 80.0, 7.0])
    preprocess = Preprocess((40, 30), None)
    y = shown(pixels, low, high, preprocess)
    for c in range(3):
        alone = shown(pixels, low[c], high[c], preprocess)[:, 0]
        torch.testing.assert_close(y[:, c], alone, rtol=0, atol=1e-6)
    assert (y[:, 2] == 0).all()


def test_black_stays_black():
    """What lies below a window is 0 and not what sums of large values leave of it."""
    pixels = np.full((1, 500, 400), -1000, np.int16)
    pixels[:, :250] = 1000
    y = shown(pixels, -160.0, 240.0, Preprocess((112, 112), None))
    assert (y[:, :, 80:] == 0).all()
    assert (y[:, :, :30] > 1 - 1e-6).all()


@given(st.integers(1, 40), st.integers(1, 90), st.integers(1, 90), st.sampled_from([1, 3]), MODES)
def test_frames_that_go_together_are_each_what_they_are_alone(
    frames, height, width, channels, mode
):
    rng = np.random.default_rng([frames, height])
    pixels = rng.integers(0, 256, (frames, channels, height, width), np.uint8)
    x = torch.from_numpy(pixels)
    y = interpolate(x, (23, 41), mode, floats)
    for k in (0, frames // 2, frames - 1):
        alone = interpolate(x[k : k + 1], (23, 41), mode, floats)
        torch.testing.assert_close(y[k : k + 1], alone, rtol=0, atol=255 * ROUNDING)
