"""A saved decoder on new images: masks on the grids of these."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from featprobe.backbones.base import Backbone
from featprobe.core.errors import InputError
from featprobe.datasets.base import Dataset
from featprobe.evaluation.applicable import named_apart, other_readers, refuse_other_features
from featprobe.features.tokens import TokenSet
from featprobe.images.decoded_image import FrameRecipe
from featprobe.images.mask_writing import write_mask, write_probabilities
from featprobe.segmentation.fitted import decided, depths
from featprobe.segmentation.items import in_channels
from featprobe.segmentation.saving import SavedDecoder
from featprobe.segmentation.scores import mask_scores
from featprobe.store.format import FeatureKey

_FRAMES = 32  # at a time


@dataclass(frozen=True)
class Segmented:
    """One item: its ``id``, the ``files`` that were written, ``voxels`` of each class without
    background, and where its mask is known the ``scores`` (C, 8) of
    :func:`~featprobe.segmentation.scores.mask_scores`."""

    id: str
    files: list[Path]
    voxels: list[int]
    scores: np.ndarray | None = None


def predict_masks(
    saved: SavedDecoder, backbone: Backbone, dataset: Dataset, out: Path, *,
    probabilities: bool = False, say: Callable[[str], None] = lambda text: None,
    cache: str | os.PathLike[str] | None = None, **options: Any,
) -> Iterator[Segmented]:  # fmt: skip
    """Extract the tokens that a decoder needs, and write the mask of each item below ``out``.

    Files have the item's id for a name; see :func:`~featprobe.images.mask_writing.write_mask` for
    their kinds. ``probabilities``: those of the classes too, as ``ID_probabilities``. ``say`` is
    told what a reader should know. ``options``: of ``extract``, whose store the tokens become.
    Raises :class:`InputError` where weights, preprocessing or frame recipe differ from those of the
    decoder, naming which.
    """
    from featprobe.datasets.shared_intensity import as_made
    from featprobe.extraction.local import extract

    key = FeatureKey(**saved.source.key)
    as_made(dataset, FrameRecipe(**key.recipe))
    refuse_other_features(saved.source, backbone, dataset)
    dataset, notes = named_apart(saved.source, dataset)
    for text in notes + other_readers(saved.source, dataset):
        say(text)
    features = extract(
        backbone, dataset, cache=cache, dtype=key.dtype, precision=key.precision,
        features=[f"{name}:{blocks}" for name, blocks in key.outputs.items()], **options,
    )  # fmt: skip
    tokens = TokenSet(features, dataset)
    if tokens.grid != saved.shape.grid or tokens.width != saved.shape.width:
        raise InputError(
            f"{dataset.name}: tokens {tokens.grid} of width {tokens.width}, the decoder takes "
            f"{saved.shape.grid} of {saved.shape.width}"
        )
    first = 0 if saved.multilabel else 1
    known = dataset.masks is not None and tuple(dataset.masks.classes) == saved.classes
    for i, name in enumerate(tokens.ids):
        p = tokens.grid_of(i).to_voxels(_probabilities(saved, tokens, i), saved.multilabel)
        predicted = decided(p, saved.multilabel)
        header, source = dataset.header(int(tokens.rows[i])), _file(dataset, int(tokens.rows[i]))
        stem = out / _stem(str(name))
        files = write_mask(stem, predicted, header, source, saved.classes[first:])
        if probabilities:
            beside = stem.with_name(f"{stem.name}_probabilities")
            files.append(write_probabilities(beside, p, header, source, saved.classes))
        voxels = [
            int((predicted[c] if saved.multilabel else predicted == c).sum())
            for c in range(first, len(saved.classes))
        ]
        scores = None
        if known and tokens.has_mask(i):
            truth = tokens.mask(i)
            scores = mask_scores(predicted, truth.values, truth.spacing, len(saved.classes))
        yield Segmented(str(name), files, voxels, scores)


def _probabilities(saved: SavedDecoder, tokens: TokenSet, i: int) -> np.ndarray:
    decoder, found = saved.decoder, []
    image = None
    if decoder.sees:
        image = in_channels(tokens.images(i, saved.shape.size), saved.shape.channels).copy()
    for start in range(0, tokens.frames(i), _FRAMES):
        part = slice(start, min(start + _FRAMES, tokens.frames(i)))
        x = torch.from_numpy(tokens.tokens(i, decoder.takes, part)).float()
        seen = None if image is None else torch.from_numpy(image[part]).float()
        depth = depths(part.start, part.stop, tokens.frames(i))
        found.append(saved.fitted.probabilities(x, seen, saved.shape.size, depth)[0].numpy())
    return np.concatenate(found)


def _file(dataset: Dataset, i: int) -> Path | None:
    paths = getattr(dataset.source, "paths", None)
    return Path(paths[i][0]) if paths is not None and len(paths[i]) == 1 else None


def _stem(name: str) -> str:
    for suffix in (".nii.gz", ".nii", ".png", ".jpg", ".jpeg", ".mha", ".nrrd", ".dcm", ".tif"):
        if name.lower().endswith(suffix):
            return name[: -len(suffix)]
    return name
