"""Images as the network was shown them, and small ones of them for a page."""

from __future__ import annotations

import numpy as np

from featprobe.backbones.resizing import shown
from featprobe.backbones.spec import Preprocess
from featprobe.core.errors import InputError
from featprobe.datasets.base import Dataset
from featprobe.features.feature_set import FeatureSet
from featprobe.images.data_uri import jpeg_uri

SIDE = 64  # pixels of a thumbnail
_QUALITY = 80  # of its JPEG


def pictures(data: Dataset, item: int, preprocess: Preprocess, size: tuple[int, int]) -> np.ndarray:
    """Frames float32 (F, C, h, w) of an item in [0, 1], on a grid of ``size`` over what the
    network was shown; C is 1 or 3. Decoded from the files."""
    import torch
    from torch.nn import functional as F

    from featprobe.images.intensity import apply_rule

    picture = data.open(item)
    pixels, (low, high) = apply_rule(picture, data.recipe.intensity)
    runs = [pixels]
    if picture.sizes is not None:  # frames of several sizes, each cut to its own
        runs = [p[None, :h, :w] for p, (h, w) in zip(pixels, picture.sizes)]
    found = [shown(p, low, high, preprocess, data.recipe.fit) for p in runs]
    h, w = preprocess.size  # SAM's frames are filled up at the right and at the bottom
    filled = [F.pad(x, (0, w - x.shape[-1], 0, h - x.shape[-2])) for x in found]
    out: np.ndarray = F.adaptive_avg_pool2d(torch.cat(filled), size).numpy()
    return out


def thumbnails(
    features: FeatureSet, data: Dataset, rows: np.ndarray | None = None, most: int = 1000
) -> dict[int, str]:
    """Position in ``rows`` -> JPEG of :data:`SIDE` pixels of the middle frame, as a data URI.

    ``rows`` of the feature set, None for all; of more than ``most`` evenly so many. They are
    patient images. Raises :class:`InputError` where the data set is not the one that the features
    are of.
    """
    from PIL import Image

    check_images(features, data)
    rows = np.arange(len(features)) if rows is None else rows
    preprocess = Preprocess.from_dict(features.key.preprocess)
    out = {}
    for at in np.unique(np.linspace(0, len(rows) - 1, min(most, len(rows))).round().astype(int)):
        frames = pictures(data, int(features.rows[rows[at]]), preprocess, (SIDE, SIDE))
        values = (frames[len(frames) // 2] * 255).round().astype(np.uint8)
        image = Image.fromarray(values[0] if len(values) == 1 else values.transpose(1, 2, 0))
        out[int(at)] = jpeg_uri(image, _QUALITY)
    return out


def check_images(features: FeatureSet, data: Dataset) -> None:
    """Raise :class:`InputError` where a data set has other files, or frames cut otherwise, than
    those that features are of."""
    if data.fingerprint != features.key.dataset or data.recipe.to_dict() != features.key.recipe:
        raise InputError(
            f"{data.name}: these are not the frames that the features of {features.dataset} / "
            f"{features.backbone} were made of; give --data and its options as to extract"
        )
