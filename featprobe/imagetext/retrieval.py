"""Image-text retrieval: how high each image ranks its own captions, and each caption its image."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from featprobe.core.errors import InputError, MissingPath, UnknownName, nearest
from featprobe.core.jsonvalues import plain
from featprobe.core.numeric import unit_rows
from featprobe.datasets.official import read_table
from featprobe.features.feature_set import FeatureSet
from featprobe.imagetext.zeroshot import VIEW, check_view, check_width, tower_of
from featprobe.stats.intervals import FEWEST, NOWHERE, share, too_few
from featprobe.stats.resampling import RESAMPLES, block_size, draws, interval

if TYPE_CHECKING:
    from featprobe.backbones.text import TextTower

DEPTHS = (1, 5, 10)
DIRECTIONS = ("image_to_text", "text_to_image")
_BLOCK = 4_000_000  # similarities at a time: 16 MB


@dataclass(frozen=True)
class Ranks:
    """Where the first hit of each of Q queries stands among K candidates.

    ``above`` (Q,): other candidates that are strictly nearer than the nearest hit; ``level``:
    others exactly as near; ``hits``: hits exactly as near, at least 1. Everything about ties
    follows from these.
    """

    above: np.ndarray
    level: np.ndarray
    hits: np.ndarray

    def recall(self, k: int) -> np.ndarray:
        """(Q,) probability that a hit is among the first k, ties being in random order.

        Of the ``level + hits`` tied candidates m = k - ``above`` are seen; none of them is a hit
        with probability C(level, m) / C(level + hits, m).
        """
        seen = np.clip(k - self.above, 0, self.level + self.hits)
        missed = np.ones(len(seen))
        for j in range(int(min(seen.max(initial=0), k))):
            drawn = (self.level - j) / np.maximum(self.level + self.hits - j, 1)
            missed *= np.where(j < seen, np.maximum(drawn, 0), 1)
        return 1 - missed

    @property
    def expected(self) -> np.ndarray:
        """(Q,) mean rank of the first hit from 1, over all orders of what is tied."""
        return 1 + self.above + self.level / (self.hits + 1)

    @property
    def worst(self) -> np.ndarray:
        """(Q,) rank of the first hit where every tie goes against it."""
        return 1 + self.above + self.level


def rank(
    queries: np.ndarray, candidates: np.ndarray, query_item: np.ndarray, candidate_item: np.ndarray
) -> Ranks:
    """Rank candidates (K, D) for queries (Q, D) by cosine; a hit is one of the query's own item.

    ``query_item`` (Q,) and ``candidate_item`` (K,): codes of items. Every query needs a hit.
    Equal candidates tie exactly: similarities are computed once for each distinct vector, as a
    matrix product may round equal columns differently.

    Raises :class:`InputError` for vectors that are not finite: nothing is nearer than NaN, so they
    would rank first.
    """
    for name, vectors in (("queries", queries), ("candidates", candidates)):
        bad = int((~np.isfinite(vectors).all(1)).sum())
        if bad:
            raise InputError(
                f"retrieval: {bad} of {len(vectors)} {name} have values that are not finite; "
                "extract again, in float32 if it was a shorter type"
            )
    distinct, column = np.unique(
        unit_rows(np.asarray(candidates, dtype=np.float32)), axis=0, return_inverse=True
    )
    column = column.reshape(-1)
    unit = unit_rows(np.asarray(queries, dtype=np.float32))
    parts = []
    step = max(1, _BLOCK // max(1, len(candidates)))
    for start in range(0, len(unit), step):
        near = (unit[start : start + step] @ distinct.T)[:, column]
        own = query_item[start : start + step, None] == candidate_item
        best = np.where(own, near, -np.inf).max(1, keepdims=True)
        tied = near == best
        parts.append([(near > best).sum(1), (tied & ~own).sum(1), (tied & own).sum(1)])
    above, level, hits = (np.concatenate(p) for p in zip(*parts))
    return Ranks(above, level, hits)


def by_chance(query_item: np.ndarray, candidate_item: np.ndarray, k: int) -> float:
    """Mean recall@k of candidates in random order."""
    count = np.bincount(candidate_item, minlength=int(query_item.max()) + 1)[query_item]
    nothing = np.zeros(len(count), dtype=np.int64)
    return float(Ranks(nothing, len(candidate_item) - count, count).recall(k).mean())


def weighted_median(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """(B,) medians of values (N,) repeated by whole weights (B, N), as ``numpy.median`` has it."""
    order = np.argsort(values, kind="stable")
    total = weights[:, order].cumsum(1)
    middle = total[:, -1:] / 2
    low = (total >= middle).argmax(1)
    high = (total > middle).argmax(1)
    return (values[order][low] + values[order][high]) / 2


def measure(ranks: Ranks, weights: np.ndarray, depths: Sequence[int] = DEPTHS) -> dict[str, Any]:
    """``recall@k``, ``median_rank`` and ``median_rank_worst``, (B,) each, of weights (B, Q)."""
    total = weights.sum(1)
    out = {f"recall@{k}": weights @ ranks.recall(k) / total for k in depths}
    out["median_rank"] = weighted_median(ranks.expected, weights)
    out["median_rank_worst"] = weighted_median(ranks.worst, weights)
    return out


@dataclass
class Retrieval:
    """What retrieval reached, in both :data:`DIRECTIONS`.

    ``metrics``, ``ci``, ``chance``: names as ``image_to_text_recall@5``. Ranks begin at 1; recall
    and ``median_rank`` are expectations over random orders of ties, ``median_rank_worst`` lets
    every tie go against the hit. ``ci``: 95 % intervals under new patients, whose images and
    captions are the queries (Wilson's score interval of recalls, bootstrap of ranks); what is
    searched stays as it is. NaN with too few patients, which a note says.
    """

    dataset: str
    backbone: str
    images: int
    captions: int
    patients: int
    metrics: dict[str, float]
    ci: dict[str, tuple[float, float]]
    chance: dict[str, float]
    key: str
    seconds: float = 0.0
    notes: list[str] = field(default_factory=list)

    def to_json(self) -> str:
        """One line of JSON."""
        return json.dumps(plain(asdict(self)), allow_nan=False)


def compare(
    images: np.ndarray, texts: np.ndarray, owner: np.ndarray, groups: np.ndarray, *,
    resamples: int = RESAMPLES, seed: int = 0, depths: Sequence[int] = DEPTHS,
) -> tuple[dict[str, float], dict[str, tuple[float, float]], dict[str, float]]:  # fmt: skip
    """Metrics, intervals and chance of images (N, D), texts (M, D) and the image ``owner`` (M,) of
    each text; ``groups`` (N,) are the patients. Every image needs a text."""
    item = np.arange(len(images))
    found = {
        "image_to_text": (rank(images, texts, item, owner), item),
        "text_to_image": (rank(texts, images, owner, item), owner),
    }
    metrics: dict[str, float] = {}
    chance: dict[str, float] = {}
    for name, (ranks, of) in found.items():
        values = measure(ranks, np.ones((1, len(of)), dtype=np.int64), depths)
        metrics |= {f"{name}_{k}": float(v[0]) for k, v in values.items()}
        other = owner if name == "image_to_text" else item
        chance |= {f"{name}_recall@{k}": by_chance(of, other, k) for k in depths}
    parts: dict[str, list[np.ndarray]] = {}
    rng = np.random.default_rng([seed, 0xB007])
    patients, code = np.unique(groups, return_inverse=True)
    block = block_size(len(images), resamples)
    for counts in draws(len(patients), resamples, rng, block):
        weights = counts[code].T.astype(np.int64)
        for name, (ranks, of) in found.items():
            for k, v in measure(ranks, weights[:, of], depths).items():
                parts.setdefault(f"{name}_{k}", []).append(v)
    ci = {k: _interval(k, metrics[k], np.concatenate(v), len(patients)) for k, v in parts.items()}
    return metrics, ci, chance


def _interval(name: str, value: float, resampled: np.ndarray, patients: int) -> tuple[float, float]:
    """Of a recall as of any share; of a median rank by quantiles of the resamples."""
    if "recall@" in name:
        return share(value, resampled, patients)
    return NOWHERE if patients < FEWEST else interval(resampled, patients)


def read_captions(path: Path) -> tuple[list[str], list[str]]:
    """Ids and texts of a CSV with the columns ``id`` and ``text``, a line a caption."""
    if not path.is_file():
        raise MissingPath(f"{path}: no such file; captions are a CSV with the columns id,text")
    table = read_table(path, ("id", "text")).fillna("")
    ids, texts = table["id"].tolist(), table["text"].tolist()
    for row, pair in enumerate(zip(ids, texts), 2):
        if not all(value.strip() for value in pair):
            raise InputError(f"{path}: row {row}: an id or a text is missing")
    return ids, texts


def retrieve(
    features: FeatureSet,
    ids: Sequence[str],
    texts: Sequence[str],
    *,
    tower: TextTower | None = None,
    checkpoint: str | None = None,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Retrieval:
    """Retrieval between the items of a feature set and captions.

    ``ids`` (M,): the item of each text; an item may have several, any of which is a hit. Items
    without a caption take no part and are counted in the notes, as are captions of items that
    could not be read. Nothing is fitted, so all parts of the split are used.

    Raises :class:`UnknownName` for an id that the data set does not have.
    """
    start = time.perf_counter()
    check_view(features)
    where = f"{features.dataset} / {features.backbone}"
    known = set(features.items.ids.tolist())
    for name in ids:
        if name not in known:
            raise UnknownName(f"{where} has no item {name!r}.{nearest(name, known)}")
    position = {name: i for i, name in enumerate(features.ids.tolist())}
    kept = [i for i, name in enumerate(ids) if name in position]
    if not kept:
        raise InputError(f"{where}: no item with a caption could be read")
    tower = tower or tower_of(features, checkpoint)
    x = features.x(VIEW)
    check_width(features, x, tower)
    rows, owner = np.unique([position[ids[i]] for i in kept], return_inverse=True)
    used = [texts[i] for i in kept]
    groups = features.groups[rows]
    metrics, ci, chance = compare(
        x[rows], tower.encode(used), owner, groups, resamples=resamples, seed=seed
    )
    notes = [] if len(np.unique(groups)) >= FEWEST else [too_few(len(np.unique(groups)))]
    if empty := int((~x[rows].any(1)).sum()):
        notes.append(f"{empty} images have a projection of zeros, as near to every caption")
    if rest := len(features) - len(rows):
        notes.append(f"{rest} items have no caption and take no part")
    if lost := len(ids) - len(kept):
        notes.append(f"{lost} captions are of items that could not be read")
    if cut := tower.too_long(used):
        notes.append(f"{cut} of {len(used)} captions are cut off at {tower.longest} tokens")
    return Retrieval(
        features.dataset, features.backbone, len(rows), len(used), len(np.unique(groups)), metrics,
        ci, chance, features.key.digest, seconds=round(time.perf_counter() - start, 3), notes=notes,
    )  # fmt: skip
