"""Prediction of new images by a saved probe, with its own backbone and preprocessing."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from featprobe.backbones.plugins import models
from featprobe.core.errors import InputError, MissingPath
from featprobe.evaluation.applicable import (
    far_outside,
    named_apart,
    other_readers,
    refuse_other_features,
)
from featprobe.evaluation.findings.cells import listed
from featprobe.evaluation.fitted import averaged
from featprobe.evaluation.score_predictions import PredictionScores, score_predictions
from featprobe.features.bags import one_row_an_item
from featprobe.features.feature_set import FeatureSet
from featprobe.features.joined import JoinedFeatures
from featprobe.features.labeled_items import ExcludedItem, LabeledItems
from featprobe.images.decoded_image import FrameRecipe
from featprobe.probes.base import Probe
from featprobe.probes.loading import SavedProbe
from featprobe.probes.saving import FeatureSource
from featprobe.store.format import FeatureKey

if TYPE_CHECKING:
    from featprobe.backbones.base import Backbone
    from featprobe.datasets.base import Dataset


@dataclass(frozen=True)
class Predictions:
    """Of each item that could be read: ``ids`` (N,), ``scores`` (N, C), ``predicted`` (N,) text.

    ``classes``: what the C columns are; none for values, which are in ``predicted`` alone.
    Independent labels that are predicted together are joined by ``;``. ``notes``: what a reader
    should know, as of classes that the probe could not learn. ``judged``: metrics where labels are
    known.
    """

    ids: np.ndarray
    classes: tuple[str, ...]
    scores: np.ndarray
    predicted: list[str]
    left_out: list[ExcludedItem]
    notes: list[str] = field(default_factory=list)
    judged: PredictionScores | None = None


def source_of(
    features: FeatureSet, view: str | None = None, pool: str = "mean",
    thresholds: Mapping[str, Any] | None = None,
) -> FeatureSource:  # fmt: skip
    """Describe the features that a probe was fitted to, for its file.

    ``thresholds`` of decisions, as in a Result; undefined ones are left out.
    """
    return source_of_items(features, view or features.default_view, pool, thresholds)


def source_of_items(
    features: LabeledItems, view: str, pool: str, thresholds: Mapping[str, Any] | None = None
) -> FeatureSource:
    """Describe features that need not be stored, in a named view."""
    parts = features.parts if isinstance(features, JoinedFeatures) else {}
    origin = dict(features.provenance.get("backbone") or {})
    name = origin.get("name") or ""
    if name not in models() and os.path.exists(name):  # a folder, from wherever one looks
        origin["name"] = os.path.abspath(name)
    return FeatureSource(
        dataset=features.dataset,
        backbone=features.backbone,
        origin=origin,
        key=features.key.to_dict(),
        view=view,
        pool=pool,
        task=features.task or "",
        classes=features.classes,
        kinds=features.kinds,
        thresholds={n: float(t) for n, t in (thresholds or {}).items() if np.isfinite(t)},
        parts={n: source_of_items(f, f.default_view, pool) for n, f in parts.items()},
    )


def features_of(saved: SavedProbe, where: str) -> FeatureSource:
    """Look up the features of a saved probe; raises :class:`InputError` when its file has none."""
    if saved.features is None:
        raise InputError(
            f"{where}: it was saved without its features; --save of a probing command names them, "
            "and featprobe.load_probe reads it as it is"
        )
    return saved.features


def reload_backbone(
    source: FeatureSource, *, model: str | None = None,
    weights: Sequence[str | os.PathLike[str]] = (), revision: str | None = None,
    beside: str | os.PathLike[str] | None = None,
) -> Backbone:  # fmt: skip
    """Load the backbone that a probe was made with, at the same input size.

    ``model``, ``weights`` and ``revision`` say where it is now, when that is elsewhere; the folder
    ``backbone`` in ``beside``, that of the probe's file, is tried where a folder is gone. Whether
    it has the same weights is seen by :func:`predict`.
    """
    from featprobe.backbones.load import load_backbone

    origin = source.origin
    name = model or origin.get("name")
    if not model and name and os.path.isabs(name) and not os.path.exists(name):
        here = Path(beside or "") / "backbone"
        if beside is None or not here.is_dir():
            raise MissingPath(f"{name}: the backbone is no longer there; say where with --model")
        name = str(here)
    if not name:
        raise InputError(
            f"{source.backbone}: its features came from elsewhere; name the backbone with --model"
        )
    chosen: dict[str, Any] = {
        "weights": list(weights) or None, "transform": origin.get("transform"),
    }  # fmt: skip
    if not model and not weights:
        chosen |= {"init": origin.get("init"), "seed": origin.get("seed", 0)}
        revision = revision or origin.get("revision")
    if weights:  # the same file needs the same words
        chosen |= {n: origin[n] for n in ("strip_prefix", "ignore_keys") if n in origin}
    backbone = load_backbone(name, revision=revision, **chosen)
    height, width = _size(source.key["preprocess"])
    if (height, width) != backbone.preprocess.size and height == width:
        with contextlib.suppress(InputError):  # one that has no such size is refused later
            sized = backbone.preprocess.at(height)
            return replace(backbone, name=source.backbone, preprocess=sized)
    return backbone


def reload_backbones(
    source: FeatureSource, *, beside: str | os.PathLike[str] | None = None, **where: Any
) -> Backbone | dict[str, Backbone]:
    """As :func:`reload_backbone`, of joined features the backbones of all parts by name.

    Raises :class:`InputError` for joined features where ``where`` says something.
    """
    if not source.parts:
        return reload_backbone(source, beside=beside, **where)
    if any(where.values()):
        raise InputError(
            f"the probe is of {len(source.parts)} backbones ({', '.join(source.parts)}): --model, "
            "--weights and --revision cannot say which one they are of"
        )
    return {name: reload_backbone(part, beside=beside) for name, part in source.parts.items()}


def _size(preprocess: dict[str, Any]) -> tuple[int, int]:
    found: Any = preprocess.get("pad") or preprocess.get("crop") or preprocess["resize"]
    return tuple(found)


def predict(
    saved: SavedProbe, backbone: Backbone | Mapping[str, Backbone],
    dataset: Dataset | Mapping[str, Dataset], *,
    cache: str | os.PathLike[str] | None = None, **options: Any,
) -> Predictions:  # fmt: skip
    """Extract what the probe needs of a data set, labelled or not, and predict.

    Features are stored in the cache as by ``extract``, whose ``options`` these are, at the
    precision and in the type of the probe's own; other images than those of training that have
    their name are stored under another. A probe of joined features takes the backbones of its
    parts by name, as :func:`reload_backbones` gives them, and by name also data sets, where frames
    are cut for each in another way. Raises :class:`InputError` when weights, architecture,
    preprocessing or frame recipe differ from the probe's, naming which.
    """
    source = features_of(saved, "the saved probe")
    parts = source.parts or {"": source}
    made, notes = {}, []
    for name, part in parts.items():
        of = backbone[name] if isinstance(backbone, Mapping) else backbone
        data = dataset[name] if isinstance(dataset, Mapping) else dataset
        views = FeatureKey(**part.key).augmented if source.augmented else {}
        made[name], said = _extracted(part, of, data, cache, {**options, **_options_of(views)})
        notes += [text for text in said if text not in notes]
    found = predict_features(saved, JoinedFeatures(made) if source.parts else made[""])
    return replace(found, notes=notes + found.notes)


def _options_of(augmented: Mapping[str, Any]) -> dict[str, Any]:
    """Options of an extraction for the augmented views of a key; none for none."""
    if not augmented:
        return {}
    draws, views, seed = (augmented[n] for n in ("draws", "views", "seed"))
    return {"views": views, "augment": list(draws), "view_seed": seed}


def _extracted(
    source: FeatureSource, backbone: Backbone, dataset: Dataset,
    cache: str | os.PathLike[str] | None, options: Mapping[str, Any],
) -> tuple[FeatureSet, list[str]]:  # fmt: skip
    """The features of one backbone as a probe takes them, and what to say of them."""
    from featprobe.datasets.shared_intensity import as_made
    from featprobe.extraction.local import extract

    key = FeatureKey(**source.key)
    as_made(dataset, FrameRecipe(**key.recipe))
    refuse_other_features(source, backbone, dataset)
    dataset, notes = named_apart(source, dataset)
    notes += other_readers(source, dataset)
    features = extract(
        backbone, dataset, cache=cache, dtype=key.dtype, precision=key.precision,
        features=[f"{name}:{blocks}" for name, blocks in key.outputs.items()], **options,
    )  # fmt: skip
    return features, notes


def predict_features(saved: SavedProbe, features: FeatureSet) -> Predictions:
    """Predict items whose features are there, which must be those that the probe takes."""
    source, probe = features_of(saved, "the saved probe"), saved.probe
    if probe.bags:
        seen: list[Any] = [features.bags(source.view)]
    else:
        views = range(features.augmented_views if source.augmented else 1)
        seen = [features.x(source.view, source.pool, v) for v in views]
    x = seen[0]
    notes = [*probe.notes(), *far_outside(probe, one_row_an_item(x))]
    if not hasattr(probe, "classes_"):
        values = np.mean([probe.predict(v) for v in seen], axis=0, dtype=float)
        predicted, none = [f"{v:.6g}" for v in values], np.empty((len(x), 0))
        worth = score_predictions(features, source.task, (), values[:, None])
        return Predictions(features.ids, (), none, predicted, features.left_out, notes, worth)
    p = [probe.predict_proba(v) for v in seen]
    names, scores = _named(probe, source, averaged(p))
    predicted = _decided(source, names, scores)
    notes += _unlearnt(probe, source, names)
    worth = score_predictions(features, source.task, names, scores)
    return Predictions(features.ids, names, scores, predicted, features.left_out, notes, worth)


def _unlearnt(probe: Probe, source: FeatureSource, names: Sequence[str]) -> list[str]:
    """Classes and labels that training lacked."""
    if source.task == "multilabel":
        constant = np.full(len(names), np.nan) if probe._constant is None else probe._constant
        return [
            f"label {listed([n for n, c in zip(names, constant) if c == value])} had no other "
            f"value in training: it is always predicted {word}"
            for value, word in ((0, "absent"), (1, "present"))
            if (constant == value).any()
        ]
    codes = {int(c) for c in np.asarray(probe.classes_) if source.classes}
    lost = [n for i, n in enumerate(names) if codes and i not in codes]
    return [f"no training item of class {listed(lost)}: it is never predicted"] if lost else []


def _decided(source: FeatureSource, names: Sequence[str], scores: np.ndarray) -> list[str]:
    """What is said of each item: by the thresholds of the saved probe, where it has some."""
    cut = np.array([source.thresholds.get(n, 0.5) for n in names])
    if source.task == "multilabel":
        return [";".join(n for n, there in zip(names, row) if there) for row in scores >= cut]
    if len(names) == 2 and names[1] in source.thresholds:
        return [names[int(there)] for there in scores[:, 1] >= cut[1]]
    return [names[i] for i in scores.argmax(1)]


def _named(
    probe: Probe, source: FeatureSource, scores: np.ndarray
) -> tuple[tuple[str, ...], np.ndarray]:
    """Names of the columns and scores, 0 for classes that the probe was not fitted to."""
    codes = np.asarray(getattr(probe, "classes_", ()))
    if not source.classes or codes.dtype.kind not in "iu":
        return tuple(map(str, codes)), scores
    out = np.zeros((len(scores), len(source.classes)))
    out[:, codes] = scores
    return source.classes, out
