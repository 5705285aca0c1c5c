"""Zero-shot classification: classes described by texts, compared with stored projections."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from featprobe.core import paths as settings
from featprobe.core.errors import InputError
from featprobe.core.numeric import softmax, unit_rows
from featprobe.core.versions import versions_of
from featprobe.evaluation import levels
from featprobe.evaluation.fitted import View
from featprobe.evaluation.labelled import labelled
from featprobe.evaluation.protocols import Full
from featprobe.evaluation.reporting import keep, of_test, result_of
from featprobe.evaluation.results import Result
from featprobe.evaluation.run_protocol import Cell
from featprobe.features.feature_set import FeatureSet
from featprobe.imagetext.prompts import Prompts, default_prompts
from featprobe.probes.base import Probe, check_x
from featprobe.splits.partition import VERSION
from featprobe.stats.resampling import RESAMPLES

if TYPE_CHECKING:
    from featprobe.backbones.text import TextTower

VIEW = "projection"


class ZeroShot(Probe):
    """A classifier made of texts; it learns nothing from images.

    ``positive`` (C, D): class embeddings of unit length. With s = ``scale``, b = ``bias`` and cos
    the cosine of an image's projection and a class embedding, the scores (N, C) of

    - classes that exclude one another (``labels=False``) are softmax(s cos), as CLIP's (Radford et
      al. 2021, section 3.1); a bias would cancel out;
    - labels with ``negative`` (C, D) embeddings are softmax(s cos+, s cos-), the share of the
      positive (CheXzero, Tiu et al. 2022);
    - labels without are sigmoid(s cos + b), which needs a ``bias`` (SigLIP, Zhai et al. 2023).

    A row of NaN in ``negative`` marks a label without one.
    """

    name = "zeroshot"

    def __init__(
        self, positive: np.ndarray, negative: np.ndarray | None = None, scale: float = 100.0,
        bias: float | None = None, labels: bool = False,
    ) -> None:  # fmt: skip
        self.positive, self.negative = positive, negative
        self.scale, self.bias, self.labels = scale, bias, labels

    def fit_candidates(self, x: np.ndarray, y: np.ndarray) -> ZeroShot:
        """Nothing to fit."""
        self._labels = self.labels
        return self

    def score_candidates(self, x: np.ndarray) -> np.ndarray:
        """(1, N, C) float64 scores of projections (N, D), of any length."""
        unit = unit_rows(check_x(x).astype(np.float64))
        logits = self.scale * unit @ self.positive.T.astype(np.float64)
        if not self.labels:
            return softmax(logits)[None]
        against = np.full(logits.shape[1], np.nan)
        if self.bias is not None:
            against[:] = -self.bias  # sigmoid(l + b) is the softmax of (l, -b)
        other = np.broadcast_to(against, logits.shape)
        if self.negative is not None:
            paired = self.scale * unit @ self.negative.T.astype(np.float64)
            other = np.where(np.isnan(paired), other, paired)
        return softmax(np.stack([logits, other], -1))[None, ..., 0]


def class_embeddings(tower: TextTower, texts: Iterable[Sequence[str]]) -> np.ndarray:
    """(C, D) float32: the mean of each class's embeddings of unit length, of unit length again."""
    groups = list(texts)
    flat = tower.encode([t for group in groups for t in group])
    ends = np.cumsum([len(group) for group in groups])[:-1]
    return unit_rows(np.stack([part.mean(0) for part in np.split(flat, ends)]))


def make_zero_shot(tower: TextTower, prompts: Prompts, task: str) -> ZeroShot:
    """The classifier of a text tower, some prompts and a data set's task.

    Raises :class:`InputError` for prompts that do not fit the task: negative ones where classes
    exclude one another, labels without one where the model has no bias.
    """
    labels = task == "multilabel"
    if prompts.negative and not labels:
        raise InputError(
            f"{next(iter(prompts.negative))!r} has negative prompts, but the classes of a {task} "
            "data set exclude one another: give each a list of texts"
        )
    alone = [c for c in prompts.positive if c not in prompts.negative]
    if labels and alone and tower.bias is None:
        raise InputError(
            f"label {alone[0]!r} has no negative prompts, and {tower.name} cannot score a text by "
            "itself: give positive and negative ones"
        )
    positive = class_embeddings(tower, prompts.positive.values())
    negative = None
    if prompts.negative:
        negative = np.full_like(positive, np.nan)
        rows = [list(prompts.positive).index(c) for c in prompts.negative]
        negative[rows] = class_embeddings(tower, prompts.negative.values())
    return ZeroShot(positive, negative, tower.scale, tower.bias, labels)


def check_view(features: FeatureSet) -> None:
    """:class:`InputError` where the store holds no projection."""
    if VIEW not in features.store.layout.arrays:
        raise InputError(
            f"{features.dataset} / {features.backbone}: no projection is stored; extract an "
            "image-text model (clip_vitb32, siglip_vitb16, ...), which has one"
        )


def check_width(features: FeatureSet, x: np.ndarray, tower: TextTower) -> None:
    """:class:`InputError` where projections (N, D) are not as wide as the tower's embeddings."""
    if x.shape[1] != tower.width:
        raise InputError(
            f"{features.dataset} / {features.backbone}: projections of {x.shape[1]} values, texts "
            f"of {tower.width}; modalities joined late have no place in the shared space"
        )


def tower_of(features: FeatureSet, checkpoint: str | None = None) -> TextTower:
    """The text tower of the checkpoint that made the features; see
    :func:`~featprobe.backbones.text.text_tower`."""
    from featprobe.backbones.text import text_tower

    origin = features.store.attributes["provenance"].get("backbone") or {}
    try:
        return text_tower(origin, features.key.weights, checkpoint)
    except InputError as error:
        raise InputError(f"{features.dataset} / {features.backbone}: {error}") from error


def zero_shot(
    features: FeatureSet,
    prompts: Prompts | None = None,
    *,
    tower: TextTower | None = None,
    checkpoint: str | None = None,
    resamples: int = RESAMPLES,
    seed: int = 0,
    split_version: int = VERSION,
    cache: str | os.PathLike[str] | None = None,
    save: bool = False,
) -> Result:
    """Score the test part of a feature set by texts alone.

    ``prompts``: :func:`default_prompts` by default. ``tower``: by default that of the checkpoint
    which made the features, or of ``checkpoint`` where it has the same weights. The split is that
    of the ``full`` protocol under ``seed`` and ``split_version``, so the Result stands beside those
    of trained probes; ``sizes["fit"]`` is 0. ``save`` appends it to the cache.

    An item of several frames is represented by the mean of their projections. Prompts are not
    searched here: choosing among them by test scores would be selection on test.
    """
    start = time.perf_counter()
    protocol = Full(seed=seed, split_version=split_version)
    check_view(features)
    data = labelled(features, protocol, [View(VIEW, "mean")])
    x = data.read(data.views[0])
    tower = tower or tower_of(features, checkpoint)
    check_width(features, x, tower)
    if prompts is None:
        prompts = default_prompts(features.classes, data.task, tower)
    probe = make_zero_shot(tower, prompts, data.task)
    test = data.split.test
    scores = probe.score_candidates(x[test])[0]
    params = {
        "prompts": prompts.to_dict(), "text_tower": tower.weights[:12], "scale": tower.scale,
        "bias": tower.bias,
    }  # fmt: skip
    cell = Cell(params, [scores], 0, data.views[0], notes=_notes(tower, prompts))
    reading = levels.read("item", None, of_test(features, data, []))
    result = result_of(
        features,
        probe.name,
        sorted(probe.candidates()[0]),
        protocol,
        data,
        cell,
        resamples,
        reading,
    )
    result.versions |= versions_of(("torch", "transformers"))
    result.seconds = round(time.perf_counter() - start, 3)
    if save:
        keep(settings.cache_root(cache), features, result, data, cell, reading)
    return result


def _notes(tower: TextTower, prompts: Prompts) -> list[str]:
    notes = list(tower.notes)
    texts = [t for group in (*prompts.positive.values(), *prompts.negative.values()) for t in group]
    if cut := tower.too_long(texts):
        notes.append(f"{cut} of {len(texts)} prompts are cut off at {tower.longest} tokens")
    return notes
