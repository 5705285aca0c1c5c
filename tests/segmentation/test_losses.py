"""Losses against torch and MONAI, one decoder beside others, void pixels, labels that overlap."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from featprobe.core.errors import InputError
from featprobe.images.grids import VOID
from featprobe.segmentation.losses import Loss, balanced


def drawn(heads: int = 3, multilabel: bool = False) -> tuple[torch.Tensor, torch.Tensor]:
    gen = torch.Generator().manual_seed(0)
    logits = torch.randn(heads, 4, 3, 6, 5, generator=gen)
    shape = (4, 3, 6, 5) if multilabel else (4, 6, 5)
    return logits, torch.randint(0, 2 if multilabel else 3, shape, generator=gen).to(torch.uint8)


def test_cross_entropy_of_each_decoder_is_torchs() -> None:
    logits, y = drawn()
    expected = [F.cross_entropy(z, y.long()).item() for z in logits]
    assert Loss("ce")(logits, y).tolist() == pytest.approx(expected, rel=1e-5)
    weights = (0.2, 1.0, 3.0)
    expected = [F.cross_entropy(z, y.long(), torch.tensor(weights)).item() for z in logits]
    assert Loss("ce", weights)(logits, y).tolist() == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("multilabel", [False, True])
def test_dice_is_that_of_monai(multilabel: bool) -> None:
    monai = pytest.importorskip("monai.losses")
    logits, y = drawn(multilabel=multilabel)
    soft = monai.DiceLoss(
        batch=True, softmax=not multilabel, sigmoid=multilabel, to_onehot_y=not multilabel
    )
    ours, theirs = (logits.clone().requires_grad_() for _ in range(2))
    expected = torch.stack([soft(z, y if multilabel else y[:, None]) for z in theirs])
    found = Loss("dice")(ours, y)
    assert found.tolist() == pytest.approx(expected.tolist(), rel=1e-4)
    found.sum().backward()
    expected.sum().backward()
    torch.testing.assert_close(ours.grad, theirs.grad, rtol=1e-4, atol=1e-7)
    both = Loss("dice")(logits, y) + Loss("ce")(logits, y)
    assert Loss("dice_ce")(logits, y).tolist() == pytest.approx(both.tolist(), rel=1e-6)


@pytest.mark.parametrize("kind", ["ce", "dice", "dice_ce"])
@pytest.mark.parametrize("multilabel", [False, True])
def test_pixels_that_are_not_known_change_nothing(kind: str, multilabel: bool) -> None:
    logits, y = drawn(multilabel=multilabel)
    y[..., :2, :] = VOID
    one = Loss(kind)(logits, y)
    logits[..., :2, :] += torch.randn(2, 5) * 10
    assert Loss(kind)(logits, y).tolist() == pytest.approx(one.tolist(), rel=1e-5)
    nothing = torch.full_like(y, VOID)
    assert Loss("ce")(logits, nothing).tolist() == [0, 0, 0]


def test_a_gradient_goes_to_the_own_decoder_alone() -> None:
    logits, y = drawn()
    for kind in ("ce", "dice", "dice_ce"):
        z = logits.clone().requires_grad_()
        Loss(kind)(z, y)[1].backward()
        assert z.grad is not None
        assert z.grad[1].abs().sum() > 0
        assert z.grad[[0, 2]].abs().sum() == 0


def test_weights_of_another_number_and_negative_ones_are_refused() -> None:
    logits, y = drawn()
    with pytest.raises(InputError, match="2 weights of a loss for 3 classes"):
        Loss("ce", (1.0, 2.0))(logits, y)
    with pytest.raises(InputError, match="must not be negative"):
        Loss("ce", (1.0, -2.0))


def test_balanced_weights_are_those_of_scikit_learn() -> None:
    from sklearn.utils.class_weight import compute_class_weight

    y = np.repeat([0, 1, 2], [50, 10, 4])
    expected = compute_class_weight("balanced", classes=np.arange(3), y=y)
    assert balanced([50, 10, 4]) == pytest.approx(expected)
    assert balanced([3, 0, 3]) == (1, 0, 1)
