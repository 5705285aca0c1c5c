"""The loss against torch's and scikit-learn's."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit, softmax
from sklearn.utils.class_weight import compute_class_weight
from torch.nn import functional as F

from featprobe.core.errors import InputError
from featprobe.finetuning.objective import Objective

CLASSES = ("a", "b", "c", "d")


def logits(rows: int, columns: int) -> torch.Tensor:
    return torch.randn(rows, columns, generator=torch.Generator().manual_seed(1)).requires_grad_()


def labels(rows: int, unknown: float = 0.3) -> np.ndarray:
    """(rows, 3) of 0, 1 and NaN, ones growing rare from label to label."""
    rng = np.random.default_rng(0)
    y = (rng.random((rows, 3)) < [0.5, 0.3, 0.1]).astype(float)
    y[rng.random((rows, 3)) < unknown] = np.nan
    y[0], y[1] = 0, 1
    return y


@pytest.mark.parametrize("task", ["multiclass", "ordinal"])
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("balanced", [False, True])
def test_classes_have_torchs_cross_entropy(task, smoothing, balanced) -> None:
    y = np.random.default_rng(0).permutation(np.repeat([0, 1, 2, 3], [36, 12, 8, 4]))
    objective = Objective.of(y, task, CLASSES, smoothing, balanced)
    z, rows = logits(20, 4), y[:20]
    weight = None
    if balanced:
        found = compute_class_weight("balanced", classes=np.arange(4), y=y)
        weight = torch.tensor(found, dtype=torch.float32)
    expected = F.cross_entropy(z, torch.from_numpy(rows), weight, label_smoothing=smoothing)
    loss = objective(z, objective.targets(rows))
    torch.testing.assert_close(loss, expected)
    torch.testing.assert_close(*(torch.autograd.grad(v, z)[0] for v in (loss, expected)))


def test_a_class_without_training_items_weighs_nothing() -> None:
    y = np.array([0, 0, 0, 2, 3, 3, -1])
    objective = Objective.of(y, "multiclass", CLASSES, balanced=True)
    found = compute_class_weight("balanced", classes=np.array([0, 2, 3]), y=y[:-1])
    np.testing.assert_allclose(objective.weight, [found[0], 0, found[1], found[2]])
    z = logits(3, 4)
    both = objective(z, torch.tensor([0, 1, 3]))
    torch.testing.assert_close(both, objective(z[[0, 2]], torch.tensor([0, 3])))
    assert objective(z[:1], torch.tensor([1])) == 0


def test_a_light_class_alone_in_a_batch_keeps_its_mean() -> None:
    y = np.repeat([0, 1], [90, 10])  # weights 0.56 and 5
    objective = Objective.of(y, "multiclass", CLASSES[:2], balanced=True)
    z, rows = logits(1, 2), torch.tensor([0])
    torch.testing.assert_close(objective(z, rows), F.cross_entropy(z, rows))


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
@pytest.mark.parametrize("balanced", [False, True])
def test_labels_have_torchs_loss_over_the_known_ones(smoothing, balanced) -> None:
    y = labels(200)
    objective = Objective.of(y, "multilabel", CLASSES[:3], smoothing, balanced)
    weight = np.ones(3)
    if balanced:  # of ones against zeros, as scikit-learn's two class weights have it
        for c in range(3):
            known = y[~np.isnan(y[:, c]), c]
            zero, one = compute_class_weight("balanced", classes=np.array([0.0, 1.0]), y=known)
            weight[c] = one / zero
    z, rows = logits(30, 3), y[:30]
    known = torch.from_numpy(~np.isnan(rows))
    soft = torch.from_numpy(rows).float() * (1 - smoothing) + smoothing * 0.5
    of = torch.tensor(weight, dtype=torch.float32).expand(30, 3)[known]
    expected = F.binary_cross_entropy_with_logits(z[known], soft[known], pos_weight=of)
    loss = objective(z, objective.targets(rows))
    torch.testing.assert_close(loss, expected)
    gradient = torch.autograd.grad(loss, z)[0]
    torch.testing.assert_close(gradient, torch.autograd.grad(expected, z)[0])
    assert not known.all()
    assert (gradient[~known] == 0).all()
    assert (gradient[known] != 0).all()


def test_a_label_of_one_value_only_is_not_balanced() -> None:
    y = np.array([[0, 1, 0], [0, 1, 1], [0, np.nan, 0.0]])
    assert Objective.of(y, "multilabel", CLASSES[:3], balanced=True).weight == (1.0, 1.0, 2.0)


@given(st.integers(2, 30), st.floats(-1e3, 1e3), st.floats(1e-2, 1e3), st.integers(0, 99))
@settings(deadline=None)
def test_values_are_fitted_standardised_and_given_back(rows, centre, scale, seed) -> None:
    y = np.random.default_rng(seed).normal(centre, scale, rows)
    objective = Objective.of(y, "regression", ())
    target = objective.targets(y)
    assert target.dtype == torch.float32
    assert abs(target.mean()) < 1e-3
    assert abs(target.std(correction=0) - 1) < 1e-3
    z = logits(rows, 1)
    torch.testing.assert_close(objective(z, target), F.mse_loss(z[:, 0], target))
    back = objective.scores(target.numpy()[:, None])
    assert back.dtype == np.float64
    np.testing.assert_allclose(back[:, 0], y, atol=1e-5 * (abs(centre) + 10 * scale))


def test_unknown_and_constant_values() -> None:
    objective = Objective.of(np.array([3.0, np.nan, 3.0]), "regression", ())
    assert (objective.centre, objective.scale) == (3, 1)
    z = logits(3, 1)
    loss = objective(z, objective.targets(np.array([4.0, np.nan, 1.0])))
    torch.testing.assert_close(loss, F.mse_loss(z[[0, 2], 0], torch.tensor([1.0, -2.0])))
    gradient = torch.autograd.grad(loss, z)[0][:, 0]
    assert gradient[1] == 0
    assert gradient[0] != 0


@pytest.mark.parametrize("balanced", [False, True])
@pytest.mark.parametrize(
    "task, y, row",
    [
        ("multiclass", np.array([0, 1, 2, 3]), np.array([-1, -1])),
        ("multilabel", labels(20), np.full((2, 3), np.nan)),
        ("regression", np.arange(4.0), np.full(2, np.nan)),
    ],
)
def test_a_batch_without_known_targets_costs_nothing_and_has_a_graph(
    task, y, row, balanced
) -> None:
    smoothing = 0.0 if task == "regression" else 0.1
    objective = Objective.of(
        y, task, CLASSES[: 3 if y.ndim == 2 else 4], smoothing,
        balanced=balanced and task != "regression",
    )  # fmt: skip
    z = logits(2, objective.columns)
    loss = objective(z, objective.targets(row))
    assert loss == 0
    loss.backward()
    assert torch.equal(z.grad, torch.zeros_like(z))


def test_an_unknown_class_has_no_part_in_the_loss() -> None:
    objective = Objective.of(np.array([0, 1, 2, 3]), "multiclass", CLASSES, 0.1)
    z = logits(3, 4)
    loss = objective(z, torch.tensor([2, -1, 0]))
    expected = F.cross_entropy(z[[0, 2]], torch.tensor([2, 0]), label_smoothing=0.1)
    torch.testing.assert_close(loss, expected)
    assert (torch.autograd.grad(loss, z)[0][1] == 0).all()


@pytest.mark.parametrize(
    "task, y, reference",
    [
        ("multiclass", np.array([0, 1, 2]), lambda z: softmax(z, -1)),
        ("ordinal", np.array([0, 1, 2]), lambda z: softmax(z, -1)),
        ("multilabel", labels(10), expit),
    ],
)
def test_scores_are_probabilities(task, y, reference) -> None:
    z = np.random.default_rng(0).normal(size=(9, 3)).astype(np.float32) * 10
    scores = Objective.of(y, task, CLASSES[:3]).scores(z)
    assert scores.dtype == np.float64
    np.testing.assert_allclose(scores, reference(z.astype(np.float64)), atol=1e-12)


def test_half_precision_logits_are_lossless_in_the_loss() -> None:
    objective = Objective.of(np.array([0, 1]), "multiclass", CLASSES[:2])
    z = logits(4, 2).detach().bfloat16()
    loss = objective(z, torch.tensor([0, 1, 1, 0]))
    assert loss.dtype == torch.float32
    torch.testing.assert_close(loss, F.cross_entropy(z.float(), torch.tensor([0, 1, 1, 0])))


@pytest.mark.parametrize(
    "y, task, options, words",
    [
        (np.array([-1, -1]), "multiclass", {}, "every target .* is unknown"),
        (np.full((3, 2), np.nan), "multilabel", {}, "every target .* is unknown"),
        (np.array([0, 4]), "multiclass", {}, "target 4 is not among the 4 classes"),
        (np.zeros((3, 2)), "multilabel", {}, "do not fit 4 labels"),
        (np.array([0.0, np.inf]), "regression", {}, "infinite"),
        (np.arange(3.0), "regression", {"smoothing": 0.1}, "smoothing is for classes and labels"),
        (np.arange(3.0), "regression", {"balanced": True}, "balanced is for classes and labels"),
    ],
)
def test_targets_that_cannot_be_trained_on_are_told(y, task, options, words) -> None:
    with pytest.raises(InputError, match=words):
        Objective.of(y, task, CLASSES, **options)


def test_a_sum_over_items_is_that_of_the_code_of_baharoon_et_al() -> None:
    """dinov2/eval/classification/linear.py: the losses of all items and labels are added up, and
    divided by the number of labels."""
    rng = np.random.default_rng(4)
    logits = torch.from_numpy(rng.normal(size=(6, 4)).astype(np.float32))
    y = rng.integers(0, 2, (6, 4)).astype(float)
    objective = Objective.of(y, "multilabel", ("a", "b", "c", "d"))
    theirs = torch.tensor(0.0)
    for scores, labels in zip(logits, y):
        for score, label in zip(scores, labels):
            theirs += torch.nn.BCEWithLogitsLoss()(score, torch.tensor(label).float())
    theirs /= 4
    ours = objective(logits, objective.targets(y)) * len(y)  # reduction "sum": times its items
    assert ours.item() == pytest.approx(theirs.item(), rel=1e-6)
