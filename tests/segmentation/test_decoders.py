"""Every decoder learns what tokens tell; networks side by side are what they are alone."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from featprobe.core.errors import InputError, UnknownName
from featprobe.segmentation.decoders.base import Shape
from featprobe.segmentation.decoders.linear import LinearNetwork
from featprobe.segmentation.decoders.named import DECODERS, make_decoder
from featprobe.segmentation.fitted import segmented
from featprobe.segmentation.items import MaskedItems
from featprobe.segmentation.run import segment
from featprobe.segmentation.training import Training, train
from tests.segmentation.phantoms import Phantoms

QUICK = Training(lr=(3e-3, 3e-2), epochs=12, min_steps=1, batch=8)
# smaller than their defaults, and what they reach of discs whose patches tell them
EACH = {
    "linear": ({}, 0.75), "multi": ({"blocks": 2}, 0.75), "knn": ({"k": [1, 5]}, 0.7),
    "logistic": ({}, 0.6), "conv": ({"width": 16}, 0.8), "dpt": ({"width": 16}, 0.7),
    "unet": ({"blocks": 3, "widths": [16, 8]}, 0.7), "unet2d": ({"widths": [8, 16]}, 0.7),
    "position": ({}, 0.0),
}  # fmt: skip


@pytest.fixture(scope="module")
def items() -> MaskedItems:
    return MaskedItems(Phantoms(items=50, frames=2, blocks=4))


def test_no_decoder_is_forgotten() -> None:
    assert EACH.keys() == set(DECODERS.names())


# seconds of convolutions; their other tests are in the quick verdict
SLOW = {"dpt", "unet2d"}
LEARNING = [pytest.param(n, marks=[pytest.mark.slow] if n in SLOW else []) for n in EACH]


@pytest.mark.parametrize("name", LEARNING)
def test_every_decoder_learns_what_the_tokens_tell(name: str, items: MaskedItems) -> None:
    options, least = EACH[name]
    (r,) = segment(items, make_decoder(name, **options), training=QUICK)
    assert r.metrics["dice"] >= least
    assert r.params["decoder"] == name
    (prior,) = segment(items, make_decoder("position"))
    if name != "position":
        assert r.metrics["dice"] > prior.metrics["dice"] + 0.2
    assert prior.backbone == "none"


@pytest.mark.parametrize("name", [n for n in EACH if n != "unet2d"])
def test_every_decoder_knows_labels_that_overlap(name: str) -> None:
    several = MaskedItems(Phantoms(items=16, frames=2, blocks=4, multilabel=True))
    options, least = EACH[name]
    (r,) = segment(several, make_decoder(name, **options), training=QUICK)
    assert r.metrics["dice"] >= least / 3


@pytest.mark.parametrize("norm", [True, False])
def test_linear_decoders_together_are_what_they_are_alone(norm: bool) -> None:
    torch.manual_seed(0)
    shape = Shape(2, 5, (4, 4), (8, 8), 3)
    several = [LinearNetwork(shape, norm).train() for _ in range(3)]
    for n in several:
        for p in n.parameters():
            torch.nn.init.normal_(p)
    alone = [LinearNetwork(shape, norm).train() for _ in range(3)]
    for a, b in zip(alone, several):
        a.load_state_dict(b.state_dict())
    x = torch.randn(6, 2, 4, 4, 5) * 3 + 40
    together = LinearNetwork.together(several, x, None)
    apart = torch.stack([n(x) for n in alone])
    assert torch.allclose(together, apart, atol=1e-4)
    together.square().sum().backward()
    apart.square().sum().backward()
    for a, b in zip(alone, several):
        for (name, p), q in zip(a.named_parameters(), b.parameters()):
            assert p.grad is not None
            assert q.grad is not None
            assert torch.allclose(p.grad, q.grad, rtol=1e-3, atol=1e-2), name
        for name, value in a.state_dict().items():
            assert torch.allclose(value, b.state_dict()[name], rtol=1e-4), name


def test_a_rate_learns_the_same_whichever_others_train_beside_it(items: MaskedItems) -> None:
    rows = np.arange(20)
    decoder = make_decoder("linear")
    both = train(decoder, items, rows, QUICK, [0, 1])
    (alone,) = train(decoder, items, rows, replace(QUICK, lr=(3e-2,)), [1])
    for a, b in zip(both[3].state_dict().values(), alone.state_dict().values()):
        assert torch.allclose(a, b, atol=1e-4)
    assert not torch.equal(both[1].linear.weight, both[3].linear.weight)


@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
def test_a_step_is_torchs(optimizer: str, items: MaskedItems) -> None:
    """One decoder against the plain loop of torch, schedule included."""
    t = Training(lr=(1e-2,), epochs=2, min_steps=1, batch=8, optimizer=optimizer, clip=0.5)
    decoder, rows = make_decoder("linear", norm=False), np.arange(8)
    (found,) = train(decoder, items, rows, t)
    torch.manual_seed(0)
    network = decoder.network(items.shape(decoder))
    kind = {"sgd": torch.optim.SGD, "adamw": torch.optim.AdamW}[optimizer]
    more = {"momentum": 0.9} if optimizer == "sgd" else {}
    opt = kind(network.parameters(), lr=1e-2, weight_decay=0, **more)
    steps = t.steps(16)
    cosine = torch.optim.lr_scheduler.CosineAnnealingLR(opt, steps)
    for tokens, y, _ in items.batches(rows, decoder, 8, steps, 0):
        z = torch.nn.functional.interpolate(network(tokens), items.size, mode="bilinear")
        opt.zero_grad()
        t.loss(z[None], y).sum().backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 0.5)
        opt.step()
        cosine.step()
    assert torch.allclose(found.linear.weight, network.linear.weight, atol=1e-5)


def test_an_epoch_shows_every_frame_once(items: MaskedItems) -> None:
    rows, decoder = np.arange(12), make_decoder("linear")
    shown = torch.cat([b.tokens[:, -1, 0, 0] for b in items.batches(rows, decoder, 8, 3, 5)])
    expected = np.concatenate([items.tokens.tokens(i)[:, -1, 0, 0] for i in rows])
    order = np.lexsort(expected.astype(np.float32).T)
    got = shown.numpy()
    assert np.array_equal(got[np.lexsort(got.T)], expected[order].astype(np.float32))


def test_a_volume_of_one_frame_and_a_single_item_are_enough() -> None:
    one = MaskedItems(Phantoms(items=12, frames=1, blocks=1))
    (r,) = segment(one, make_decoder("linear"), training=QUICK)
    assert r.sizes["test"] > 0
    fitted = make_decoder("knn", k=[1]).fit(one, np.array([0]), 0)
    assert segmented(fitted, one, 1).shape == one.tokens.grid_of(1).shape


def test_unknown_names_and_options_and_bad_values_are_one_line() -> None:
    with pytest.raises(UnknownName, match="unknown decoder 'lineer'. Did you mean 'linear'"):
        make_decoder("lineer")
    with pytest.raises(UnknownName, match="decoder unet: unknown option 'width'. Did you mean"):
        make_decoder("unet", width=3)
    with pytest.raises(InputError, match="decoder knn: k must be a list of whole numbers"):
        make_decoder("knn", k="many")
    with pytest.raises(InputError, match="one stage less than blocks"):
        make_decoder("unet", blocks=3)
    with pytest.raises(InputError, match="every learning rate must be positive"):
        Training(lr=(0.0,))
    with pytest.raises(UnknownName, match="unknown optimizer 'lion'. Known: adamw, sgd"):
        Training(optimizer="lion")
