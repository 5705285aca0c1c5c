"""Log-losses and their derivatives, for many problems at once."""

from __future__ import annotations

import numpy as np

FLOOR = 60.0  # exp(-60): smaller ones end as subnormal numbers, with which products take 3 x longer


def softmax_loss(
    logits: np.ndarray, codes: np.ndarray, weight: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray]:
    """Summed losses (P,), and in place of the logits (P, K, n) their derivatives.

    ``logits`` are contiguous. ``codes`` (1 or P, n): class of each sample; ``weight`` broadcasts to
    (P, n), None for ones.
    One is never subtracted from a probability near one, so that single precision is enough for
    classes that are nearly separated.
    """
    problems, classes, samples = logits.shape
    flat = logits.reshape(-1)  # contiguous: one index is looked up twice as fast as three
    right = (np.arange(problems)[:, None] * classes + codes) * samples + np.arange(samples)
    logits -= logits.max(1, keepdims=True)
    np.maximum(logits, -FLOOR, out=logits)
    hit = np.exp(flat[right])
    np.exp(logits, out=logits)
    flat[right] = 0
    rest = logits.sum(1)
    cost = np.log1p(rest / hit)
    factor = 1 / (rest + hit)
    if weight is not None:
        cost *= weight
        factor = factor * weight
    logits *= factor[:, None]
    flat[right] = -rest * factor
    return cost.sum(1, dtype=np.float64), logits


def sigmoid_loss(
    logits: np.ndarray, sign: np.ndarray, weight: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray]:
    """Summed losses (P,) of independent labels, and derivatives (P, n) by the logits (P, n).

    ``sign`` (P, n): -1 of positives, 1 of negatives; ``weight`` broadcasts to (P, n), None for
    ones.
    """
    wrong = logits * sign
    small = np.abs(logits)
    np.minimum(small, FLOOR, out=small)
    np.negative(small, out=small)
    np.exp(small, out=small)
    cost = np.log1p(small)
    cost += np.maximum(wrong, 0)
    residual = np.clip(wrong, -FLOOR, 0, out=wrong)
    np.exp(residual, out=residual)  # 1 of wrong answers, else small: an exponential more beats
    small += 1  # a choice for each that no processor can foresee
    residual /= small
    residual *= sign
    if weight is not None:
        cost *= weight
        residual *= weight
    return cost.sum(1, dtype=np.float64), residual
