"""Presets beside what the studies' own code computes of equal features, by scikit-learn and torch.

The code itself was run beside these probes once, with the differences that docs/protocols.md names;
what is here is its arithmetic.
"""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import NearestNeighbors
from torch.nn import functional as F

from featprobe.evaluation.evaluate import make_probe
from featprobe.probes.presets import preset
from featprobe.solvers.training import batches

N, M, D, C = 300, 60, 10, 4
RNG = np.random.default_rng(0)
CENTRES = RNG.normal(size=(C, D))
Y = RNG.integers(0, C, N)
X = (RNG.normal(size=(N, D)) + 0.6 * CENTRES[Y]).astype(np.float32)
Q = RNG.normal(size=(M, D)).astype(np.float32)
LABELS = (X @ CENTRES.T + 2 * RNG.normal(size=(N, C)) > 2).astype(float)


def unit(x: np.ndarray) -> torch.Tensor:
    return F.normalize(torch.from_numpy(x), dim=1)


def sweep(y: np.ndarray, columns: int, rate: float, loss) -> np.ndarray:
    """RAD's training of one head: SGD with momentum, a cosine by step, whole batches."""
    p = preset("rad-linear").params
    draw = np.random.default_rng([0, 0]).normal(0, 0.01, (columns, D)).astype(np.float32)
    head = torch.nn.Linear(D, columns)
    head.weight.data, head.bias.data = torch.from_numpy(draw), torch.zeros(columns)
    steps = p["epochs"] * math.ceil(N / p["batch"])
    optimizer = torch.optim.SGD(head.parameters(), lr=rate, momentum=p["momentum"])
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps, eta_min=0)
    for rows in batches(N, p["batch"], steps, 0):
        optimizer.zero_grad()
        loss(head(torch.from_numpy(X[rows])), torch.from_numpy(y[rows])).backward()
        optimizer.step()
        schedule.step()
    with torch.no_grad():
        return head(torch.from_numpy(Q)).numpy()


def summed(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """Of labels RAD adds the items of a batch up, each the mean over its labels."""
    each = F.binary_cross_entropy_with_logits(logits, labels.float(), reduction="none")
    return each.mean(1).sum()


def sigmoid(z: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-z))


def one_sigmoid(logits: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    return F.binary_cross_entropy_with_logits(logits[:, 0], y.float())


@pytest.mark.parametrize(
    ("y", "columns", "loss", "shown"),
    [(Y, C, F.cross_entropy, lambda z: torch.tensor(z).softmax(1).numpy()),
     (LABELS, C, summed, sigmoid),
     (Y % 2, 1, one_sigmoid, lambda z: np.concatenate([sigmoid(-z), sigmoid(z)], 1))],
    ids=["classes", "labels", "two classes"],
)  # fmt: skip
def test_rads_sweep(y, columns, loss, shown) -> None:
    made = preset("rad-linear")
    probe = make_probe(made.probe, **made.params, device="cpu").fit_candidates(X, y)
    found = probe.score_candidates(Q)
    for p, rate in zip(found, made.params["lr"]):
        np.testing.assert_allclose(p, shown(sweep(y, columns, rate, loss)), atol=2e-5)


def test_a_few_rows_sum_as_many_losses_as_they_are() -> None:
    made = preset("rad-linear").params | {"lr": 0.01, "device": "cpu"}
    x, y = X[:8], LABELS[:8]
    found = make_probe("sgd", **made).fit_candidates(x, y).score_candidates(Q)
    mean = made | {"reduction": "mean", "lr": 0.08}
    np.testing.assert_allclose(
        make_probe("sgd", **mean).fit_candidates(x, y).score_candidates(Q), found, atol=1e-5
    )


@pytest.mark.parametrize("name", ["wacv-knn", "dinov2-knn"])
@pytest.mark.parametrize("labels", [False, True])
def test_softmax_votes(name: str, labels: bool) -> None:
    """WACV and DINOV2: neighbours weighted by exp(cosine / T); WACV's of labels as well."""
    made = preset(name)
    target = torch.from_numpy(LABELS if labels else np.eye(C)[Y])
    found = make_probe(made.probe, **made.params).fit_candidates(X, LABELS if labels else Y)
    near, rows = (unit(Q) @ unit(X).T).topk(max(made.params["k"]))
    weight = (near / made.params["temperature"]).softmax(1)
    for p, k in zip(found.score_candidates(Q), made.params["k"]):
        votes = (weight[:, :k, None] * target[rows[:, :k]]).sum(1)
        theirs = votes / weight[:, :k].sum(1, keepdim=True)  # DINOV2 does not divide
        np.testing.assert_allclose(p, theirs.numpy(), atol=1e-5)


@pytest.mark.parametrize("labels", [False, True])
def test_medplus_majority_of_eleven(labels: bool) -> None:
    made = preset("medmnist-knn")
    y = LABELS if labels else Y
    (p,) = make_probe(made.probe, **made.params).fit_candidates(X, y).score_candidates(Q)
    near = NearestNeighbors(n_neighbors=11, algorithm="ball_tree").fit(X)
    rows = near.kneighbors(Q, return_distance=False)
    if labels:
        np.testing.assert_array_equal(p > 0.5, LABELS[rows].mean(1) > 0.5)
    else:
        most = [np.bincount(Y[r], minlength=C).argmax() for r in rows]  # a tie: the first class
        np.testing.assert_array_equal(p.argmax(1), most)


@pytest.mark.parametrize("i", [0, 16, 29, 36, 44])
def test_dinov2s_logistic_regression(i: int) -> None:
    """Its estimator is cuML's, on a GPU; the same objective by scikit-learn."""
    made = preset("dinov2-logreg")
    c = made.params["Cs"][i]
    theirs = LogisticRegression(C=c, max_iter=1000, tol=1e-12).fit(X.astype(float), Y)
    ours = make_probe(made.probe, **made.params | {"Cs": [c]}).fit_candidates(X, Y)
    np.testing.assert_allclose(
        ours.score_candidates(Q)[0], theirs.predict_proba(Q.astype(float)), atol=1e-5
    )
