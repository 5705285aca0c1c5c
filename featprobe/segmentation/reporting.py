"""From what test items reached to a Result: metrics, intervals, and what is kept."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from featprobe.backbones.overlap import seen_in_training
from featprobe.core.errors import InputError
from featprobe.core.fingerprint import digest
from featprobe.core.versions import versions_of
from featprobe.evaluation import results
from featprobe.evaluation.protocols import CrossVal
from featprobe.evaluation.results import Result
from featprobe.metrics.item_scores import ItemScores
from featprobe.metrics.segmentation import FIELDS
from featprobe.segmentation.ceiling import ceiling
from featprobe.segmentation.items import MaskedItems
from featprobe.segmentation.partition import Protocol
from featprobe.segmentation.work import Outcome, Work
from featprobe.splits.assign import numbered
from featprobe.splits.partition import Split
from featprobe.splits.shots import digest_of
from featprobe.stats.summary import summarize

VERB, TASK = "segment", "segmentation"


def result_of(
    work: Work, protocol: Protocol, split: Split, outcome: Outcome, resamples: int, label: str = ""
) -> tuple[Result, ItemScores, np.ndarray | None]:
    """The Result, the items that it is of, and their folds in a cross-validation."""
    items, tokens = work.items, work.items.tokens
    test, folds = split.test, None
    rows: list[np.ndarray] | None = None
    if isinstance(protocol, CrossVal):
        rows = [np.searchsorted(test, r) for r in outcome.rows]
        folds = np.empty(len(test), dtype=np.int64)
        for k, r in enumerate(rows):
            folds[r] = k
    truth = items.voxels[test]
    scored = ItemScores(
        TASK, items.ids[test], truth, items.groups[test], outcome.scores, rows, items.foreground
    )
    found = summarize(
        scored, resamples=resamples, seed=protocol.seed, draws=outcome.shots is not None
    )
    decoder, features = work.decoder, tokens.features
    most = ceiling(items, test)
    provenance = dict(features.provenance)
    params = {"decoder": decoder.name, **decoder.to_dict()}
    if decoder.trained:
        params |= work.training.to_dict()
    random = bool(provenance.get("random")) and not decoder.alone
    seen = {} if random or decoder.alone else provenance.get("backbone") or {}
    result = Result(
        dataset=tokens.dataset,
        backbone="none" if decoder.alone else tokens.backbone,
        probe=VERB,
        protocol=protocol.name,
        metrics=found.values,
        ci=found.intervals.ci,
        ci_method=found.intervals.method,
        class_sizes=_class_sizes(items, test),
        chance={},
        task=TASK,
        classes=len(items.foreground),
        view=f"tokens:{decoder.takes}" if decoder.takes > 1 else "tokens",
        pool="mean",
        params={**params, **outcome.chosen},
        settings={
            **protocol.to_dict(),
            "refit": work.refit,
            "resamples": resamples,
            "seeds": list(work.seeds),
            **({"select": work.select} if outcome.val else {}),
            **({"label": label} if label else {}),
        },
        split=_split(items, split, outcome),
        sizes=_sizes(split) | {"test_groups": scored.patients, "fit": outcome.fitted},
        key=features.key.digest,
        labels=labels_digest(items),
        random=random,
        overlap=seen_in_training(seen, tokens.dataset) if seen else "",
        searched=sorted(outcome.chosen),
        shots=outcome.shots,
        spread=found.spread or _spread(scored, outcome),
        components=found.components,
        ceiling=most,
        val=outcome.val,
        left_out=len(features.left_out),
        notes=[*outcome.notes, *found.intervals.notes, _of_ceiling(items, most),
               *_notes(items, split, scored, work)],
        seconds=round(outcome.seconds, 3),
        cost={"trainable": float(outcome.trainable), "seconds": outcome.seconds}
        if decoder.trained else {},
        versions=versions_of(results.PACKAGES),
        provenance={"key": features.key.to_dict(), **provenance},
    )  # fmt: skip
    return result, scored, folds


def _of_ceiling(items: MaskedItems, most: dict[str, float]) -> str:
    (h, w), (height, width) = items.tokens.grid, items.size
    return (
        f"true masks after a way to {h} x {w} patches and back have Dice {most['patches']:.3f}, to "
        f"{height} x {width} cells {most['cells']:.3f}"
    )


def keep(root: Path, result: Result, scored: ItemScores, folds: np.ndarray | None) -> None:
    """Append a result and what its items reached to the cache; where that fails, a note says so."""
    stacked = np.stack(scored.tries) if folds is None else np.empty((1, *_shape(scored)))
    if folds is not None:
        for rows, p in scored.parts():
            stacked[0, rows] = p
    try:
        results.append(
            root, result, ids=scored.ids, y=scored.y, groups=scored.groups, scores=stacked,
            fold=folds, classes=scored.classes,
        )  # fmt: skip
    except InputError as error:  # the numbers are worth more than their file
        result.notes.append(f"{results.NOT_KEPT}{error}")


def labels_digest(items: MaskedItems) -> str:
    """Digest of masks, of who is grouped with whom, and of the split."""
    return digest(
        [items.tokens.masks.digest, numbered(items.groups).tolist(), items.split.tolist()]
    )


def _shape(scored: ItemScores) -> tuple[int, int]:
    return len(scored.ids), scored.tries[0].shape[1]


def _spread(scored: ItemScores, outcome: Outcome) -> dict[str, float]:
    """Standard deviation of each metric between seeds."""
    if not outcome.spread:
        return {}
    each = ItemScores(
        TASK, scored.ids, scored.y, scored.groups, outcome.spread, None, scored.classes
    )
    return {
        n: float(np.std(v, ddof=1)) for n, v in each.values().items() if ":" not in n
    }  # fmt: skip


def _class_sizes(items: MaskedItems, test: np.ndarray) -> dict[str, dict[str, int]]:
    """Items and patients of each class in test."""
    there = items.voxels[test] > 0
    groups = items.groups[test]
    return {
        name: {"items": int(has.sum()), "patients": len(np.unique(groups[has]))}
        for name, has in zip(items.foreground, there.T)
    }


def _sizes(split: Split) -> dict[str, int]:
    of = split.inner or (split,)
    out = {n: round(float(np.mean([len(getattr(s, n)) for s in of]))) for n in ("train", "val")}
    return {**out, "test": len(split.test)}


def _split(items: MaskedItems, split: Split, outcome: Outcome) -> dict[str, Any]:
    out = split.to_dict(items.ids, items.groups)
    return {**out, "draws": digest_of(outcome.draws, items.ids)} if outcome.draws else out


def _notes(items: MaskedItems, split: Split, scored: ItemScores, work: Work) -> list[str]:
    """What of the items a reader has to know."""
    out = []
    for name, rows in (("train", split.train), ("test", split.test)):
        if not len(rows):
            continue
        lost = [c for c, n in zip(items.foreground, (items.voxels[rows] > 0).sum(0)) if not n]
        then = "it cannot be learnt" if name == "train" else "any voxel of it is an error"
        out += [f"no {name} item has {', '.join(lost)}: {then}"] if lost else []
    each = np.concatenate([p.reshape(len(p), -1, len(FIELDS)) for p in scored.tries])
    tp, fp, fn = (each[..., FIELDS.index(n)] for n in ("tp", "fp", "fn"))
    one = int((((tp + fp) == 0) ^ ((tp + fn) == 0)).sum())
    if one:
        out.append(
            f"{one} times a class was found where it is not, or not found where it is: distances "
            "count the diagonal of the image there"
        )
    if items.tokens.mask(int(split.test[0])).spacing is None:
        out.append("distances are in pixels: the images tell no spacing")
    if len(work.seeds) > 1:
        out.append(f"scores of items are means over {len(work.seeds)} seeds")
    without = int(sum(not items.tokens.has_mask(i) for i in range(len(items))))
    if without:
        out.append(f"{without} items without a mask are not used")
    if split.crossing:
        out.append(f"the official split has {split.crossing} patients on both sides")
    return out
