"""Upsampling by products against torch's own, and its derivative."""

from __future__ import annotations

import hypothesis.strategies as st
import torch
from hypothesis import given, settings
from torch.nn import functional as F

from featprobe.segmentation.upsampling import Upsampling, upsampled

sides = st.tuples(st.integers(1, 9), st.integers(1, 9))


@settings(max_examples=100, deadline=None)
@given(sides, st.tuples(st.integers(1, 40), st.integers(1, 40)), st.integers(0, 2**32))
def test_it_is_torchs_bilinear(grid: tuple[int, int], size: tuple[int, int], seed: int) -> None:
    gen = torch.Generator().manual_seed(seed)
    x = torch.randn(2, 3, 2, *grid, generator=gen, dtype=torch.float64, requires_grad=True)
    same = x.detach().clone().requires_grad_()
    expected = F.interpolate(same.flatten(0, 1), size, mode="bilinear", align_corners=False)
    found = upsampled(x, size)
    torch.testing.assert_close(found.flatten(0, 1), expected, rtol=1e-6, atol=1e-6)
    by = torch.randn(found.shape, generator=gen, dtype=torch.float64)
    (found * by).sum().backward()
    (expected * by.flatten(0, 1)).sum().backward()
    assert x.grad is not None
    torch.testing.assert_close(x.grad, same.grad, rtol=1e-5, atol=1e-5)
    if grid != size:
        derived = Upsampling.between(grid, size, by).transposed(by)
        torch.testing.assert_close(derived, x.grad, rtol=1e-10, atol=1e-10)


def test_nothing_is_done_on_the_same_grid() -> None:
    x = torch.randn(1, 2, 3, 4, 5)
    assert upsampled(x, (4, 5)) is x


def test_half_precision_is_left_before() -> None:
    x = torch.randn(1, 2, 3, 4, 5).bfloat16()
    with torch.autocast("cpu", torch.bfloat16):
        found = upsampled(x, (8, 9))
    expected = F.interpolate(x[0].float(), (8, 9), mode="bilinear", align_corners=False)
    torch.testing.assert_close(found[0], expected, rtol=1e-5, atol=1e-6)
