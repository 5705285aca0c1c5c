"""Transformer blocks on frozen tokens."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import featprobe as fp
from featprobe.core.errors import InputError, UnknownName
from featprobe.features.bags import Bags
from featprobe.probes.transformer import TransformerProbe
from featprobe.solvers.blocks import EPSILON, Blocks

QUICK = {"epochs": 4, "batch": 8, "patience": None, "device": "cpu"}


def bags(counts=None, width: int = 8, seed: int = 0) -> tuple[Bags, np.ndarray]:
    """Bags in which the first vector carries the class in another direction than the last."""
    rng = np.random.default_rng(seed)
    counts = np.full(40, 5) if counts is None else np.asarray(counts)
    y = np.arange(len(counts)) % 2
    offsets = np.r_[0, np.cumsum(counts)]
    frames = rng.normal(size=(offsets[-1], width))
    frames[offsets[:-1], 0] += 4 * (2 * y - 1)
    frames[offsets[1:] - 1, 0] -= 4 * (2 * y - 1)  # so that the mean tells nothing
    return Bags(frames, offsets), y


def test_the_blocks_are_those_of_transformers_vit() -> None:
    from transformers import ViTConfig, ViTModel

    width, depth, heads, n = 16, 3, 2, 9
    torch.manual_seed(0)
    ours = Blocks(width, width, depth, heads, n, 4)
    config = ViTConfig(
        hidden_size=width, num_hidden_layers=depth, num_attention_heads=heads,
        intermediate_size=4 * width, hidden_act="gelu", layer_norm_eps=EPSILON, image_size=12,
        patch_size=4, hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0,
    )  # fmt: skip
    vit = ViTModel(config, add_pooling_layer=False).eval()
    own = ours.state_dict()
    theirs = {k: v.clone() for k, v in vit.state_dict().items()}
    theirs["embeddings.cls_token"] = own["token"]
    theirs["embeddings.position_embeddings"] = own["positions"]
    theirs["embeddings.patch_embeddings.projection.weight"] *= 0
    theirs["embeddings.patch_embeddings.projection.bias"] *= 0
    for i in range(depth):
        a, b = f"blocks.{i}.", f"layers.{i}."
        for kind in ("weight", "bias"):
            for name, rows in zip("qkv", own[f"{a}self_attn.in_proj_{kind}"].split(width)):
                theirs[f"{b}attention.{name}_proj.{kind}"] = rows
            for mine, other in (
                ("self_attn.out_proj", "attention.o_proj"), ("norm1", "layernorm_before"),
                ("norm2", "layernorm_after"), ("linear1", "mlp.fc1"), ("linear2", "mlp.fc2"),
            ):  # fmt: skip
                theirs[f"{b}{other}.{kind}"] = own[f"{a}{mine}.{kind}"]
    for kind in ("weight", "bias"):
        theirs[f"layernorm.{kind}"] = own[f"norm.{kind}"]
    vit.load_state_dict(theirs)
    x = torch.randn(2, n, width)
    vit.embeddings.patch_embeddings.forward = lambda *a, **k: x  # tokens for the patch embedding
    with torch.inference_mode():
        expected = ours.head(vit(torch.zeros(2, 3, 12, 12)).last_hidden_state[:, 0])
        found = ours(x.reshape(-1, width), torch.arange(2 * n), 2, n)
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)


def test_a_fit_is_that_of_a_bare_loop() -> None:
    x, y = bags()
    probe = TransformerProbe(depth=1, width=8, heads=2, lr=1e-2, weight_decay=0.1, **QUICK).fit(
        x, y
    )
    frames = torch.from_numpy((x.frames - x.frames.mean(0)) / x.frames.std(0)).float()
    torch.manual_seed(0)
    network = Blocks(8, 8, 1, 2, 5, 2)
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-2, weight_decay=0.1)
    order = np.random.default_rng([0, 1])
    for _ in range(4):
        for rows in order.permutation(40).reshape(5, 8):
            drawn = frames.view(40, 5, 8)[rows].reshape(-1, 8)
            z = network(drawn, torch.arange(40), 8, 5)
            loss = torch.nn.functional.cross_entropy(z, torch.from_numpy(y[rows]))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    with torch.inference_mode():
        expected = network(frames, torch.arange(200), 40, 5).softmax(1).numpy()
    np.testing.assert_allclose(probe.predict_proba(x), expected, atol=1e-4)


def test_places_in_a_bag_tell_what_the_mean_cannot() -> None:
    x, y = bags(np.full(240, 5))
    probe = TransformerProbe(depth=1, lr=3e-3, **(QUICK | {"epochs": 25})).fit(x[:160], y[:160])
    assert probe.score(x[160:], y[160:]) > 0.9
    mean = fp.LogisticProbe(1.0).fit(x.mean()[:160], y[:160])
    assert mean.score(x.mean()[160:], y[160:]) < 0.7
    x, y = bags()
    blind = TransformerProbe(depth=1, positions=False, **QUICK).fit(x, y)
    turned = Bags(x.frames.reshape(40, 5, 8)[:, ::-1].reshape(-1, 8), x.offsets)
    np.testing.assert_allclose(blind.predict_proba(turned), blind.predict_proba(x), atol=1e-5)


def test_bags_of_many_lengths_score_together_as_one_by_one() -> None:
    x, y = bags(np.random.default_rng(3).integers(1, 7, 30))
    probe = TransformerProbe(depth=2, width=12, heads=3, **QUICK).fit(x, y)
    single = np.concatenate([probe.predict_proba(x[i : i + 1]) for i in range(len(x))])
    np.testing.assert_allclose(probe.predict_proba(x), single, atol=1e-5)
    longer = Bags(np.zeros((9, 8)), [0, 9])
    with pytest.raises(InputError, match="an item has 9 vectors and training had at most 6"):
        probe.predict_proba(longer)


@pytest.mark.parametrize(
    ("params", "said"),
    [
        ({"depth": 0}, "must be at least 1"),
        ({"width": 10, "heads": 4}, "4 heads do not divide a width of 10"),
        ({"heads": 2}, "set width, too"),
        ({"lr": 0}, "lr must be positive"),
    ],
)
def test_what_is_no_transformer_is_refused(params, said: str) -> None:
    with pytest.raises(InputError, match=said):
        TransformerProbe(**{**QUICK, **params}).fit(*bags())


def test_stored_tokens_are_what_it_sees(tiny_backbone, class_folders, tmp_path, cache) -> None:
    features = fp.extract(
        tiny_backbone, fp.load_dataset(class_folders), features=["cls", "tokens:2"], workers=0
    )
    grid = features.frames("tokens")  # (n, 2, h, w, D)
    n, _, h, w, d = grid.shape
    found = features.bags("tokens")
    assert found.shape == (n, d)
    np.testing.assert_allclose(found.frames.reshape(n, h * w, d), grid[:, 1].reshape(n, h * w, d))
    both = features.bags("tokens:2").frames.reshape(n, h, w, 2, d)
    np.testing.assert_allclose(np.moveaxis(both, 3, 1), grid)
    first = features.bags("tokens@-2").frames
    np.testing.assert_allclose(first.reshape(n, h, w, d), grid[:, 0])
    probe = TransformerProbe(depth=1, **QUICK)
    (r,) = fp.evaluate(features, probe, resamples=20, save=True, cache=cache)
    assert (r.view, r.pool) == ("tokens", "bag")
    (slices,) = fp.evaluate(features, probe, view="cls", resamples=20)
    assert slices.view == "cls"
    (gated,) = fp.evaluate(features, fp.AttentiveProbe(epochs=2), view="tokens", resamples=20)
    assert gated.view == "tokens"
    with pytest.raises(InputError, match="probes transformer and attentive take them"):
        fp.evaluate(features, fp.LogisticProbe(1.0), view="tokens")
    with pytest.raises(InputError, match="is not understood"):
        features.bags("tokens+cls")
    bare = fp.extract(tiny_backbone, fp.load_dataset(class_folders), workers=0)
    with pytest.raises(UnknownName, match="has no 'tokens'"):
        bare.bags("tokens")
    saved = fp.load_probe(probe.fit(found, features.y).save(tmp_path / "head.safetensors"))
    np.testing.assert_allclose(saved.predict_proba(found), probe.predict_proba(found), atol=1e-6)
