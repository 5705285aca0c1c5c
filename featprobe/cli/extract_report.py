"""What an extraction did, as it is printed."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from featprobe.cli.common import note
from featprobe.cli.masks import describe_masks

if TYPE_CHECKING:
    from featprobe.core.stopwatch import Stopwatch
    from featprobe.datasets.base import Dataset
    from featprobe.features.feature_set import FeatureSet


def counted(dataset: Dataset, most: int = 20) -> str:
    """The items of each class, the positives of each label, or the range of a regression."""
    y = dataset.targets
    assert y is not None
    if y.ndim == 1 and y.dtype.kind == "f":
        known = y[y == y]
        ends = f"{known.min():g} to {known.max():g}" if len(known) else "no value"
        return f"{ends}, unknown {len(y) - len(known)}"
    if y.ndim == 2:
        counts = [int(n) for n in (y == 1).sum(0)]
        unknown = int((y != y).all(1).sum())
    else:
        counts = [int((y == c).sum()) for c in range(len(dataset.classes))]
        unknown = int((y < 0).sum())
    counted = [f"{c} {n}" for c, n in zip(dataset.classes, counts)]
    if len(counted) > most:
        counted[most:] = [f"and {len(counted) - most} more"]
    return ", ".join(counted + ([f"unknown {unknown}"] if unknown else []))


def report(
    dataset: Dataset, result: FeatureSet, random: bool, watch: Stopwatch | None = None
) -> None:
    """Print what the extraction did, and by a watch what took the time."""
    s = result.summary
    labels = f"{len(dataset.classes)} {dataset.task} classes" if dataset.task else "no labels"
    patients = len(set(dataset.groups.tolist()))
    print(f"{dataset.name}: {s.items} items, {s.frames} frames, {labels}")
    if dataset.task:
        print(f"  labels    {dataset.label_origin or 'of the data set'}: {counted(dataset)}")
    print(f"  patients  {patients} ({dataset.group_origin})")
    parts = Counter(p for p in dataset.split.tolist() if p)
    sizes = ": " + ", ".join(f"{p} {n}" for p, n in parts.items()) if parts else ""
    print(f"  split     {dataset.split_origin}{sizes}")
    if dataset.masks is not None:
        print(f"  masks     {describe_masks(dataset.masks)}")
    recipe = {k: v for k, v in dataset.recipe.to_dict().items() if v is not None}
    print(f"  recipe    {', '.join(f'{k} {v}' for k, v in recipe.items())}")
    for fact, values in s.appearance.items():
        if fact == "black and white" or len(values) > 1:
            line = ", ".join(f"{value} ({n})" for value, n in list(values.items())[:6])
            print(f"  {fact}: {line}{', ...' if len(values) > 6 else ''}")
    weights = "RANDOM weights, not pretrained" if random else "pretrained weights"
    print(f"{result.backbone}: {weights}, {s.device}, {result.key.precision}")
    if s.new_frames:
        print(
            f"  extracted {s.new_frames} frames in {s.seconds:.1f} s, {s.rate:.1f} frames/s running"
        )
        if watch is not None and watch.seconds:
            print(f"  time      {watch.summary()}")
            beside = {"decoding, in workers": s.times["decode"], "writing": s.times["write"]}
            print("  beside it " + ", ".join(f"{k} {v:.1f} s" for k, v in beside.items()))
        else:  # measured in other processes
            print("  time      " + ", ".join(f"{k} {v:.1f} s" for k, v in s.times.items()))
        print(f"  limit     {s.bottleneck}")
    else:
        print("  nothing to do: all frames are in the cache")
    if s.relabelled:
        print("  labels, patients or split changed since the last run: the store has the new ones")
    if (found := result.provenance.get("reduction")) is not None:
        line = ", ".join(f"{v:.1%}" for v in found["explained"])
        print(
            f"  tokens    on {result.key.reduction['dim']} principal components of "
            f"{found['items']} training items: {line} of their variance"
        )
    if (views := result.key.views) > 1:
        draws = ", ".join(result.key.augmented["draws"])
        print(f"  views     {views}, the first as it is, the others by {draws}")
    print(f"  features  {', '.join(result.store.layout.outputs)} in {s.path}")
    for old in s.outdated:
        note(
            f"{dataset.name}: its files, or what reads them, have changed since {old}, whose "
            "features are not used"
        )
    for text in dataset.notes:
        note(f"{dataset.name}: {text}")
    for kind, texts in dataset.warnings.items():
        for text in texts:
            note(f"{dataset.name}: {kind}: {text}")
    for kind, n in dataset.skipped.items():
        note(f"{dataset.name}: skipped {n} files: {kind}")
    for text in s.findings:
        note(f"{dataset.name}: note: {text}")
    _list(f"{dataset.name}: note", s.notes)
    _list(f"{dataset.name}: left out", s.failures)


def _list(what: str, texts: dict[str, str], most: int = 10) -> None:
    for item, counted in list(texts.items())[:most]:
        note(f"{what}: {counted}" if item in counted else f"{what}: {item}: {counted}")
    if len(texts) > most:
        note(f"{what}: and {len(texts) - most} more (all with --json)")
