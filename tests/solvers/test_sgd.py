"""All heads of a sweep at once, against torch training each by itself."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from scipy.stats import ks_2samp
from torch.nn import functional as F

from featprobe.core.errors import InputError
from featprobe.solvers.sgd import Heads, Recipe, train_heads
from featprobe.solvers.training import batches, first_weights

RATES = [1e-3, 0.05, 0.5]


def data(labels: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    x = (rng.normal(size=(90, 12)) + 0.3).astype(np.float32)
    if not labels:
        return x, (x[:, :4] + rng.normal(size=(90, 4))).argmax(1)
    y = (x[:, :labels] + rng.normal(size=(90, labels)) > 0).astype(float)
    y[rng.random(y.shape) < 0.2] = np.nan
    return x, y


def start(classes: int, width: int, seed: int) -> torch.Tensor:
    """The draw that the docstring names."""
    draw = np.random.default_rng([seed, 0]).normal(0, 0.01, (classes, width))
    return torch.from_numpy(draw.astype(np.float32))


def alone(
    x: np.ndarray, y: np.ndarray, recipe: Recipe, steps: int,
    make: Callable[[list[torch.nn.Parameter]], torch.optim.Optimizer],
    schedule: Callable[[torch.optim.Optimizer], torch.optim.lr_scheduler.LRScheduler],
) -> torch.nn.Linear:  # fmt: skip
    """One head under torch's own layer, loss, optimiser and schedule."""
    classes = y.shape[1] if y.ndim == 2 else y.max() + 1
    head = torch.nn.Linear(x.shape[1], classes)
    head.weight.data = start(classes, x.shape[1], recipe.seed)
    torch.nn.init.zeros_(head.bias)
    optimizer = make(list(head.parameters()))
    rate = schedule(optimizer)
    features, labels = torch.from_numpy(x), torch.from_numpy(y)
    for rows in batches(len(x), recipe.batch, steps, recipe.seed):
        logits, target = head(features[rows]), labels[rows]
        if y.ndim == 2:
            known = ~target.isnan()
            loss = F.binary_cross_entropy_with_logits(logits[known], target[known].float())
        else:
            loss = F.cross_entropy(logits, target)
        optimizer.zero_grad()
        loss.backward()
        if recipe.clip is not None:
            torch.nn.utils.clip_grad_norm_(head.parameters(), recipe.clip)
        optimizer.step()
        rate.step()
    return head


def agree(found: Heads, g: int, expected: torch.nn.Linear) -> None:
    weight, bias = expected.weight.detach().numpy(), expected.bias.detach().numpy()
    assert np.abs(weight).max() > 0.02  # it has learnt something
    np.testing.assert_allclose(found.coef[g], weight, atol=1e-5)
    np.testing.assert_allclose(found.intercept[g], bias, atol=1e-5)


@pytest.mark.parametrize("labels", [0, 3])
@pytest.mark.parametrize("decay", [0.0, 0.01])
def test_every_head_is_what_torchs_sgd_and_cosine_make_of_it_alone(labels, decay) -> None:
    x, y = data(labels)
    recipe = Recipe(batch=32, iterations=60, weight_decay=decay, seed=4)
    found = train_heads(x, y, RATES, recipe, device="cpu")
    for g, lr in enumerate(RATES):
        expected = alone(
            x, y, recipe, 60,
            lambda p, lr=lr: torch.optim.SGD(p, lr=lr, momentum=0.9, weight_decay=decay),
            lambda o: torch.optim.lr_scheduler.CosineAnnealingLR(o, 60, eta_min=0),
        )  # fmt: skip
        agree(found, g, expected)


def test_adamw_with_warm_up_and_clipping_is_torchs() -> None:
    x, y = data()
    recipe = Recipe(
        optimizer="adamw", batch=32, iterations=60, weight_decay=0.1, schedule="constant",
        warmup=9, clip=0.1,
    )  # fmt: skip
    rates = [1e-3, 0.02]
    found = train_heads(x, y, rates, recipe, device="cpu")
    for g, lr in enumerate(rates):
        expected = alone(
            x, y, recipe, 60, lambda p, lr=lr: torch.optim.AdamW(p, lr=lr, weight_decay=0.1),
            lambda o: torch.optim.lr_scheduler.LambdaLR(o, lambda t: min(1, (t + 1) / 10)),
        )  # fmt: skip
        agree(found, g, expected)


def test_a_head_does_not_depend_on_its_neighbours() -> None:
    x, y = data()
    recipe = Recipe(batch=16, iterations=20)
    both = train_heads(x, y, [0.01, 0.1], recipe, device="cpu")
    one = train_heads(x, y, [0.1], recipe, device="cpu")
    np.testing.assert_allclose(both.coef[1], one.coef[0], atol=1e-6)


def test_a_rate_that_diverges_scores_all_classes_alike_and_spares_the_others() -> None:
    x, y = data()
    recipe = Recipe(batch=16, iterations=30, weight_decay=1.0)
    heads = train_heads(x * 1e3, y, [1e-6, 1e30], recipe, device="cpu")
    assert np.isfinite(heads.coef).all()
    assert (heads(x)[1] == 0).all()
    assert heads.coef[0].any()


def test_patience_keeps_the_epoch_that_held_out_rows_like_best() -> None:
    rng = np.random.default_rng(1)
    x = rng.normal(size=(200, 60)).astype(np.float32)
    y = (x[:, 0] + 2 * rng.normal(size=200) > 0).astype(int)
    held = np.arange(200) % 2 == 0

    def loss(heads: Heads) -> float:
        logits = torch.from_numpy(heads(x[held])[0])
        return float(F.cross_entropy(logits, torch.from_numpy(y[held])))

    def run(**options: float) -> Heads:
        recipe = Recipe(batch=20, schedule="constant", **options)
        fit = {"x": x, "y": y} if recipe.patience else {"x": x[~held], "y": y[~held]}
        return train_heads(**fit, rates=[0.1], recipe=recipe, parts=(~held, held), device="cpu")

    each = [loss(run(epochs=e)) for e in range(1, 13)]
    lowest = int(np.argmin(each))
    assert lowest < 11  # it overfits, so there is something to stop
    assert loss(run(epochs=12, patience=12)) == pytest.approx(each[lowest], abs=1e-5)
    rises = next(e for e in range(1, 12) if each[e] >= min(each[:e]))
    impatient = loss(run(epochs=12, patience=1))
    assert impatient == pytest.approx(min(each[: rises + 1]), abs=1e-5)


def test_an_epoch_is_as_many_steps_as_show_every_row() -> None:
    assert Recipe(batch=128, epochs=10).steps(1000) == 80
    assert Recipe(batch=128, epochs=10).steps(20) == 10
    assert Recipe(iterations=7).steps(1000) == 7


def test_cosine_starts_at_the_rate_and_never_reaches_below_zero() -> None:
    recipe = Recipe()
    assert recipe.factor(0, 100) == 1
    assert recipe.factor(50, 100) == pytest.approx(0.5)
    assert 0 < recipe.factor(99, 100) < 0.001


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"optimizer": "lars"}, "optimizer 'lars' is unknown: use sgd or adamw"),
        ({"schedule": "step"}, "schedule 'step' is unknown: use cosine or constant"),
        ({"batch": 0}, "batch, iterations and epochs must be positive"),
        ({"epochs": 0}, "batch, iterations and epochs must be positive"),
        ({"momentum": 1.0}, r"momentum must be in \[0, 1\)"),
        ({"clip": 0.0}, "clip and patience must be positive"),
        ({"patience": 0}, "clip and patience must be positive"),
    ],
)
def test_a_recipe_that_cannot_be_is_refused(change, message) -> None:
    with pytest.raises(InputError, match=message):
        Recipe(**change)


@pytest.mark.parametrize("rates", [[], [0.0], [float("nan")], [0.1, -1]])
def test_a_learning_rate_that_is_not_positive_is_refused(rates) -> None:
    with pytest.raises(InputError, match="every learning rate must be positive"):
        train_heads(*data(), rates, Recipe(), device="cpu")


def test_a_gpu_that_is_not_there_is_an_error() -> None:
    with pytest.raises(InputError, match="unknown device 'gpu0'"):
        train_heads(*data(), [0.1], Recipe(), device="gpu0")


def test_heads_may_begin_as_torchs_linear_layer_does() -> None:
    x, y = data()
    tiny = Recipe(optimizer="adamw", iterations=1, start="uniform")
    heads = train_heads(x, y, [1e-12], tiny)
    first = first_weights(4, 12, 0, "uniform")
    np.testing.assert_allclose(heads.coef[0], first[:, :-1], atol=1e-9)
    np.testing.assert_allclose(heads.intercept[0], first[:, -1], atol=1e-9)
    layer = torch.nn.Linear(4096, 64)  # the same law, weights and intercepts alike
    many = first_weights(64, 4096, 1, "uniform")
    for ours, theirs in ((many[:, :-1], layer.weight), (many[:, -1], layer.bias)):
        drawn = theirs.detach().numpy().ravel()
        assert np.abs(ours).max() <= 1 / 64
        assert np.abs(drawn).max() <= 1 / 64
        assert ks_2samp(ours.ravel()[:5000], drawn[:5000]).pvalue > 1e-3
    assert not np.allclose(first, first_weights(4, 12, 1, "uniform"))


def test_an_unknown_start_is_named() -> None:
    with pytest.raises(InputError, match="start 'zeros' is unknown: use None or uniform"):
        Recipe(start="zeros")
