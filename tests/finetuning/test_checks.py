"""The promises of a recipe are looked at, and a broken one is told."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from featprobe.core.errors import InputError
from featprobe.finetuning import checks


def small() -> nn.Module:
    net = nn.Module()
    net.backbone = nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4), nn.Linear(4, 4))
    net.head = nn.Linear(4, 2)
    net.backbone.requires_grad_(False)
    net.backbone[2].requires_grad_(True)
    net.eval()
    return net


def test_parameters_are_counted() -> None:
    net = small()
    found = checks.count(net, net.head)
    assert (found.trainable, found.head, found.total) == (20 + 10, 10, 20 + 8 + 20 + 10)
    assert str(found).startswith("30 of 58 parameters train (51.72 %)")


@pytest.mark.parametrize(
    "change",
    [
        lambda net: net.backbone[0].weight.data[0, 0].add_(1e-7),
        lambda net: net.backbone[1].running_mean.add_(1e-6),
        lambda net: net.backbone[1].num_batches_tracked.add_(1),
    ],
)
def test_what_moves_though_frozen_is_named(change) -> None:
    net = small()
    before = checks.frozen_state(net, [])
    checks.still_frozen(before, checks.frozen_state(net, []))
    change(net)
    with pytest.raises(checks.BrokenPromise, match=r"moved in training: backbone\.[01]\."):
        checks.still_frozen(before, checks.frozen_state(net, []))


def test_what_trains_may_move() -> None:
    net = small()
    before = checks.frozen_state(net, [net.backbone[1]])
    net.backbone[2].weight.data.add_(1)
    net.head.weight.data.add_(1)
    net.backbone[1].running_mean.add_(1)
    checks.still_frozen(before, checks.frozen_state(net, [net.backbone[1]]))


def test_features_without_gradients_are_refused() -> None:
    net = small()
    with torch.no_grad():
        x = net.backbone(torch.randn(3, 4))
    with pytest.raises(InputError, match=r"recipe lora: no gradient arrives at backbone\.2"):
        checks.freeze_unreached(net, net.head(x).sum(), "lora")


def test_parameters_beside_the_path_are_named_and_frozen() -> None:
    net = small()
    net.backbone.register_parameter("mask_token", nn.Parameter(torch.zeros(4)))
    loss = net.head(net.backbone(torch.randn(3, 4))).sum()
    assert checks.freeze_unreached(net, loss, "full") == ["backbone.mask_token"]
    assert not net.backbone.mask_token.requires_grad
    assert net.backbone[2].weight.requires_grad


def test_gradients_must_arrive_at_some_step() -> None:
    net = small()
    named = [(n, p) for n, p in net.named_parameters() if p.requires_grad]
    watch = checks.Gradients(named)
    for step in range(checks.STEPS):
        for name, p in named:
            late = name == "backbone.2.bias" and step < 3
            p.grad = torch.zeros_like(p) if late else torch.ones_like(p)
        watch.see()
    watch.check("full")
    watch = checks.Gradients(named)
    for _ in range(checks.STEPS):
        for name, p in named:
            p.grad = None if name == "head.bias" else torch.ones_like(p)
        watch.see()
    with pytest.raises(checks.BrokenPromise, match=r"no gradient other than zero .* head\.bias"):
        watch.check("full")


def test_one_item_has_no_batch_statistics() -> None:
    net = small()
    checks.no_batch_of_one([net.backbone], 2)
    checks.no_batch_of_one([net.head], 1)
    with pytest.raises(InputError, match=r"1 normalises by the batch .* larger --batch"):
        checks.no_batch_of_one([net.backbone], 1)
