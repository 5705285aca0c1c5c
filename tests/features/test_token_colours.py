"""Tokens as colours, attention, and the verb that shows them."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image
from sklearn.decomposition import PCA

from featprobe.backbones.attention import attention
from featprobe.core.errors import InputError
from featprobe.features.token_colours import pca_colours


@pytest.fixture
def tokens():
    """Two images whose middle is another direction than their border."""
    rng = np.random.default_rng(0)
    out = []
    for h, w in ((6, 8), (7, 5)):
        t = rng.normal(size=(h, w, 10)).astype(np.float32)
        t[2:-2, 1:-1] += 30
        out.append(t)
    return out


def test_foreground_is_the_side_away_from_the_borders(tokens):
    for sign in (1, -1):
        colours, _ = pca_colours([sign * t for t in tokens])
        for values in colours:
            inside = np.isfinite(values).all(-1)
            expected = np.zeros(inside.shape, bool)
            expected[2:-2, 1:-1] = True
            np.testing.assert_array_equal(inside, expected)
            assert np.nanmin(values) >= 0
            assert np.nanmax(values) <= 1


def test_colours_are_components_of_scikit_learn(tokens):
    colours, kept = pca_colours(tokens, None)
    rows = np.concatenate([t.reshape(-1, 10) for t in tokens]).astype(float)
    pca = PCA(3).fit(rows)
    expected = pca.transform(rows)
    found = np.concatenate([c.reshape(-1, 3) for c in colours])
    assert kept == pytest.approx(pca.explained_variance_ratio_.sum())
    for k in range(3):
        assert abs(np.corrcoef(found[:, k], expected[:, k])[0, 1]) == pytest.approx(1)
    assert (found.min(0), found.max(0)) == (pytest.approx(0), pytest.approx(1))


def test_what_has_no_colours_is_said(tokens):
    with pytest.raises(InputError, match="three components"):
        pca_colours([t[..., :2] for t in tokens])
    with pytest.raises(InputError, match="lower threshold"):
        pca_colours(tokens, 0.99999)


def test_attention_is_that_of_the_model(tiny_backbone):
    x = torch.rand(2, 3, 28, 28)
    found = attention(tiny_backbone, x)
    assert found.shape == (2, 2, 2, 2)
    model = tiny_backbone.module
    states = model.embeddings(x)
    states = model.encoder.layer[0](states)
    states = states[0] if isinstance(states, tuple) else states
    last = model.encoder.layer[1]
    own = last.attention
    hidden = last.norm1(states)
    q, k = (p(hidden).view(2, 5, 2, 16).transpose(1, 2) for p in (own.q_proj, own.k_proj))
    weights = torch.softmax(q @ k.transpose(-1, -2) / 4, -1)
    torch.testing.assert_close(found, weights[:, :, 0, 1:].unflatten(-1, (2, 2)))
    assert model.config._attn_implementation != "eager"


def test_a_network_without_cls_has_no_attention():
    from featprobe.backbones.load import load_backbone

    backbone = load_backbone("resnet18", init="random", image_size=32)
    with pytest.raises(InputError, match="no attention of CLS"):
        attention(backbone, torch.rand(1, 3, 32, 32))


@pytest.mark.slow
def test_the_verb(tmp_path, capsys):
    from featprobe.cli.main import main

    rng = np.random.default_rng(0)
    (tmp_path / "d").mkdir()
    for i in range(4):
        values = rng.integers(0, 255, (60, 50)).astype(np.uint8)
        Image.fromarray(values).save(tmp_path / "d" / f"{i}.png")
    same = ["--model", "tiny_vit14", "--data", str(tmp_path / "d"), "--image-size", "56"]

    def run(*args):
        with pytest.raises(SystemExit) as end:
            main([str(a) for a in args])
        told = capsys.readouterr()
        return int(end.value.code or 0), told.out, told.err

    code, _, err = run("show", "tokens", *same, "--out", tmp_path / "t.png")
    assert code == 2
    assert "extract" in err
    code, _, err = run("extract", *same, "--features", "tokens", "--quiet", "--workers", "0")
    assert code == 0, err
    for more in ([], ["--attention", "--item", "2.png"], ["--foreground", "none", "--count", "2"]):
        code, out, err = run("show", "tokens", *same, "--out", tmp_path / "t.png", *more)
        assert code == 0, err
        assert "wrote" in out
    assert Image.open(tmp_path / "t.png").size[0] > 300
    code, _, err = run("show", "tokens", *same, "--out", tmp_path / "t.png", "--item", "9.png")
    assert (code, "no item '9.png'" in err) == (2, True)
    code, _, err = run("show", "tokens", *same, "--out", tmp_path / "t.png", "--foreground", "2")
    assert code == 2
