"""Written-down derivatives against those that torch records, over shapes, weights, void pixels."""

from __future__ import annotations

from typing import Any

import hypothesis.strategies as st
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from torch import Tensor
from torch.nn import functional as F

from featprobe.images.grids import VOID
from featprobe.segmentation import pixels
from featprobe.segmentation.losses import Loss


def by_torch(loss: Loss, logits: Tensor, target: Tensor) -> Tensor:
    """The loss of one decoder's logits (B, K, a, b) by torch's own functions and autograd."""
    z = F.interpolate(logits, target.shape[-2:], mode="bilinear", align_corners=False)
    classes = z.shape[1]
    weight = None if loss.weights is None else z.new_tensor(loss.weights)
    known = target != VOID
    total = 0 * z.sum()
    if target.ndim == 3:
        y = F.one_hot(target.long() * known, classes).movedim(-1, 1) * known[:, None]
        p, spread = z.softmax(1) * known[:, None], target.long()
        if loss.kind != "dice" and known.any():
            total = total + F.cross_entropy(
                z, spread, weight, ignore_index=VOID, label_smoothing=loss.smoothing
            )
    else:
        y, p = (target == 1).to(z), z.sigmoid() * known
        if loss.kind != "dice" and known.any():
            w = known * (z.new_ones(classes) if weight is None else weight)[:, None, None]
            smooth = y * (1 - loss.smoothing) + loss.smoothing / 2
            each = F.binary_cross_entropy_with_logits(z, smooth, w, reduction="sum")
            total = total + each / w.sum()
    if loss.kind != "ce":
        hit, mass = (p * y).sum((0, 2, 3)), p.sum((0, 2, 3)) + y.sum((0, 2, 3))
        dice = 1 - (2 * hit + 1e-5) / (mass + 1e-5)
        total = total + (dice.mean() if weight is None else (dice * weight).sum() / weight.sum())
    return total


def agree(loss: Loss, logits: Tensor, target: Tensor, rtol: float, atol: float) -> None:
    """Losses and derivatives of all heads, each head's weighted with another number."""
    ours, theirs = (logits.clone().requires_grad_() for _ in range(2))
    by = torch.arange(1, len(logits) + 1).to(logits)
    found = loss(ours, target)
    expected = torch.stack([by_torch(loss, z, target) for z in theirs])
    torch.testing.assert_close(found, expected, rtol=rtol, atol=atol)
    (found * by).sum().backward()
    (expected * by).sum().backward()
    torch.testing.assert_close(ours.grad, theirs.grad, rtol=rtol, atol=atol)
    with torch.no_grad():
        torch.testing.assert_close(loss(logits, target), found.detach(), rtol=0, atol=0)


@st.composite
def cases(draw: Any) -> tuple[Loss, Tensor, Tensor, int]:
    heads, frames, classes = (draw(st.integers(1, n)) for n in (4, 3, 5))
    grid = tuple(draw(st.integers(1, 5)) for _ in range(2))
    size = grid if draw(st.booleans()) else tuple(draw(st.integers(1, 9)) for _ in range(2))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    many = draw(st.booleans())
    shape = (frames, classes, *size) if many else (frames, *size)
    y = rng.integers(0, 2 if many else classes, shape).astype(np.uint8)
    y[rng.random(shape) < draw(st.sampled_from([0.0, 0.3, 1.0]))] = VOID
    z = rng.normal(size=(heads, frames, classes, *grid)) * draw(st.sampled_from([0.1, 3.0, 200.0]))
    weights = tuple(rng.uniform(0.1, 3, classes).tolist()) if draw(st.booleans()) else None
    kind = draw(st.sampled_from(["ce", "dice", "dice_ce"]))
    loss = Loss(kind, weights, draw(st.sampled_from([0.0, 0.1])))
    return loss, torch.from_numpy(z), torch.from_numpy(y), draw(st.sampled_from([1, 2**18]))


@settings(max_examples=150, deadline=None)
@given(cases())
def test_losses_and_derivatives_are_those_that_torch_records(
    case: tuple[Loss, Tensor, Tensor, int],
) -> None:
    loss, logits, target, together = case
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pixels, "_TOGETHER", together)  # heads by themselves, or all at once
        agree(loss, logits, target, rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize("kind", ["ce", "dice", "dice_ce"])
@pytest.mark.parametrize("many", [False, True])
@pytest.mark.parametrize("size", [(4, 6), (3, 2)])
def test_derivatives_are_those_of_finite_differences(
    kind: Any, many: bool, size: tuple[int, int]
) -> None:
    gen = torch.Generator().manual_seed(0)
    logits = torch.randn(2, 2, 3, 3, 2, generator=gen, dtype=torch.float64, requires_grad=True)
    target = torch.randint(0, 2 if many else 3, (2, 3, *size) if many else (2, *size))
    target[:, ..., 0] = VOID
    loss = Loss(kind, (0.2, 1.0, 3.0), 0.1)
    assert torch.autograd.gradcheck(lambda z: loss(z, target), logits)


@pytest.mark.parametrize("scale", [1.0, 1e2, 1e4])
def test_single_precision_is_enough_where_neighbours_disagree(scale: float) -> None:
    """Between two cells that are sure of different classes all logits lie far below their own
    largest: exponentials would be zero."""
    gen = torch.Generator().manual_seed(0)
    logits = torch.randn(3, 4, 3, 4, 4, generator=gen) * scale
    target = torch.randint(0, 3, (4, 16, 16), generator=gen).to(torch.uint8)
    agree(Loss("dice_ce"), logits, target, rtol=1e-4, atol=1e-6)
    agree(Loss("dice_ce"), logits + 5e3, target, rtol=1e-3, atol=2e-4)


def test_a_decoder_that_diverges_takes_no_other_with_it() -> None:
    gen = torch.Generator().manual_seed(0)
    logits = torch.randn(3, 2, 3, 4, 4, generator=gen)
    target = torch.randint(0, 3, (2, 8, 8), generator=gen).to(torch.uint8)
    expected = Loss("dice_ce")(logits, target)
    logits[1] = torch.inf
    z = logits.requires_grad_()
    found = Loss("dice_ce")(z, target)
    found.sum().backward()
    assert z.grad is not None
    assert found[[0, 2]].tolist() == expected[[0, 2]].tolist()
    assert bool(z.grad[[0, 2]].isfinite().all())
    assert not bool(z.grad[1].isfinite().any())


@pytest.mark.parametrize("many", [False, True])
def test_autocast_changes_nothing(many: bool) -> None:
    gen = torch.Generator().manual_seed(0)
    logits = torch.randn(2, 3, 3, 4, 4, generator=gen)
    target = torch.randint(0, 2, (3, 3, 8, 8) if many else (3, 8, 8), generator=gen)
    expected = Loss("dice_ce")(logits, target.to(torch.uint8))
    with torch.autocast("cpu", torch.bfloat16):
        agree(Loss("dice_ce"), logits, target.to(torch.uint8), rtol=1e-5, atol=1e-7)
        assert Loss("dice_ce")(logits, target.to(torch.uint8)).tolist() == expected.tolist()
