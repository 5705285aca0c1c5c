"""The moving average against torch's."""

from __future__ import annotations

import torch
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from featprobe.finetuning.average import Average, statistics


def test_it_is_torchs() -> None:
    torch.manual_seed(0)
    net = torch.nn.Linear(3, 2)
    theirs = AveragedModel(net, multi_avg_fn=get_ema_multi_avg_fn(0.9))
    ours = Average(list(net.parameters()), 0.9)
    for _ in range(5):
        for p in net.parameters():
            p.data.add_(torch.randn_like(p))
        theirs.update_parameters(net)
        ours.update()
    own = [p.detach().clone() for p in net.parameters()]
    with ours.put_in():
        for p, other in zip(net.parameters(), theirs.module.parameters()):
            torch.testing.assert_close(p, other)
    assert all(torch.equal(p, q) for p, q in zip(net.parameters(), own))
    ours.copy()
    torch.testing.assert_close(net.weight, theirs.module.weight)


def test_norms_by_batch_are_averaged_with_their_weights() -> None:
    torch.manual_seed(0)
    net = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.BatchNorm1d(4)).train()
    theirs = AveragedModel(net, multi_avg_fn=get_ema_multi_avg_fn(0.9), use_buffers=True)
    moving = statistics([net, net[1]])
    assert len(moving) == 2  # each once, and not how many batches there were
    ours = Average(list(net.parameters()), 0.9, moving)
    optimizer = torch.optim.SGD(net.parameters(), 0.1)
    for _ in range(5):
        optimizer.zero_grad()
        net(torch.randn(6, 3)).square().mean().backward()
        optimizer.step()
        theirs.update_parameters(net)
        ours.update()
    x, own = torch.randn(6, 3), net.eval()(torch.zeros(1, 3))
    with ours.put_in():
        torch.testing.assert_close(net(x), theirs.module.eval()(x))
    assert torch.equal(net(torch.zeros(1, 3)), own)
