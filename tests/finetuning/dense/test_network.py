"""What a dense network gives its decoder."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

import featprobe as fp
from featprobe.backbones.base import Backbone
from featprobe.backbones.spec import Preprocess
from featprobe.datasets.base import Dataset
from featprobe.features.tokens import TokenSet
from featprobe.finetuning.dense.frame_items import FrameItems
from featprobe.finetuning.dense.network import DenseNetwork
from featprobe.finetuning.frames import kept_frames
from featprobe.finetuning.images import Images
from featprobe.segmentation.decoders.named import make_decoder
from featprobe.segmentation.items import MaskedItems, in_channels
from tests.conftest import make_tiny


@pytest.fixture(params=["stretched", "padded"])
def backbone(request) -> Backbone:
    """Pictures fill the input, or are filled up at the bottom as SAM does."""
    made = make_tiny()
    if request.param == "stretched":
        return made
    side = made.preprocess.size[0]
    colours = {"mean": (0.485, 0.456, 0.406), "std": (0.229, 0.224, 0.225)}
    padded = Preprocess(resize=side, crop=None, pad=(side, side), **colours)
    return replace(made, preprocess=padded)


def test_decoders_see_the_image_that_stored_tokens_come_with(
    backbone: Backbone, cache: Path
) -> None:
    rng = np.random.default_rng(0)
    x = rng.integers(0, 255, (3, 2, 20, 30), np.uint8)
    data = Dataset.from_arrays(x, masks=(x > 200).astype(np.uint8), volumes=True, name="noise")
    frames = kept_frames(backbone, data, cache, 0)
    subject = Images(backbone, data, frames, {"tokens": 1}, "float32")
    items = MaskedItems(FrameItems(subject, data, backbone))
    decoder = make_decoder("conv", width=4)
    network = DenseNetwork(backbone, decoder, items.shape(decoder)).eval()
    batch = frames.batch([1])
    shown = backbone.normalised(batch.shown(torch.device("cpu")))
    seen = network.image(shown)
    assert seen is not None
    stored = TokenSet(fp.extract(backbone, data, features=["tokens"], workers=0), data)
    expected = in_channels(stored.images(1, items.size), seen.shape[1])
    np.testing.assert_allclose(seen.numpy(), expected, atol=1e-4)
    np.testing.assert_allclose(items.image(1), expected, atol=2e-3)
    with torch.no_grad():
        logits = network(shown, batch.counts)
        tokens = network.features(shown)
    if backbone.preprocess.pad:
        assert (expected[:, :, -2:] == 0).all()
    assert logits.shape == (2, 2, *items.size)
    np.testing.assert_allclose(tokens.numpy(), stored.tokens(1), atol=2e-3)
