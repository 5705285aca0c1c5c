"""Frames decoded once and kept as the network is to see them, for training reads them many times.

Pixels are windowed, resized and cropped as extraction does, before normalisation and augmentation,
and kept in 16 bits: half a step is 8e-6, far below what float16 features keep. One file holds the
frames of all items one after another; a memory map of it is read. The folder that holds it appears
when it is complete.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from featprobe.backbones.base import Backbone
from featprobe.core.atomic import partial_name, write_text_atomic
from featprobe.core.errors import FeatprobeError, InputError, StoreError, reason
from featprobe.core.fingerprint import digest
from featprobe.core.progress import Progress
from featprobe.datasets.base import Dataset
from featprobe.extraction.decoding import (
    Decoded,
    Job,
    Runner,
    ahead,
    here,
    items_a_message,
    job,
    separable,
)
from featprobe.extraction.plan import plan_frames
from featprobe.extraction.workers import SECONDS, Pooled
from featprobe.features.labeled_items import ExcludedItem
from featprobe.images.versions import versions_of

FORMAT = 1
WHITE = 65535


@dataclass(frozen=True)
class Frames:
    """The kept frames of a data set.

    ``count`` (N,): frames of each item, 0 for those that could not be read; ``shape`` (N, 3): (C,
    h, w) of each; ``start`` (N,): where its values begin. ``pixels``: all values, uint16, 65535
    being white. ``left_out``: items without frames, and why.
    """

    path: Path
    count: np.ndarray
    shape: np.ndarray
    start: np.ndarray
    pixels: np.ndarray
    left_out: list[ExcludedItem]

    @property
    def kept(self) -> np.ndarray:
        """Items with frames."""
        return np.flatnonzero(self.count)

    def of(self, item: int) -> np.ndarray:
        """(F, C, h, w) uint16 of one item, C being 1 or 3."""
        shape = (int(self.count[item]), *map(int, self.shape[item]))
        start = int(self.start[item])
        return self.pixels[start : start + int(np.prod(shape))].reshape(shape)

    def batch(self, items: Sequence[int], choose: Callable[[int], Any] | None = None) -> Batch:
        """The frames of items, one after another; grey ones in three channels if others are.

        ``choose``: from the frames of an item to the index of those that are taken.
        """
        parts = [self.of(i) for i in items]
        if choose is not None:
            parts = [p[choose(len(p))] for p in parts]
        return joined(parts)

    def single(self, items: Sequence[int], places: Sequence[int]) -> Batch:
        """One frame of each of these items, the same item as often as it is named."""
        return joined([self.of(i)[k : k + 1] for i, k in zip(items, places, strict=True)])


def joined(parts: Sequence[np.ndarray]) -> Batch:
    """Frames (f, C, h, w) one after another, grey ones in three channels if others are so."""
    counts = [len(p) for p in parts]
    channels = max(p.shape[1] for p in parts)
    out = np.empty((sum(counts), channels, *parts[0].shape[2:]), dtype=np.uint16)
    for p, end, n in zip(parts, np.cumsum(counts), counts):
        out[end - n : end] = p  # grey into three channels by broadcasting
    return Batch(torch.from_numpy(out), torch.tensor(counts))


@dataclass(frozen=True)
class Batch:
    """Frames (f, C, h, w) uint16 of several items, and how many each has (B,)."""

    pixels: Tensor
    counts: Tensor

    def shown(self, device: torch.device) -> Tensor:
        """(f, C, h, w) float32 in [0, 1] on a device."""
        pixels = self.pixels.pin_memory() if device.type == "cuda" else self.pixels
        return pixels.to(device, non_blocking=True).to(torch.float32) / WHITE


def key_of(backbone: Backbone, dataset: Dataset) -> dict[str, Any]:
    """What kept frames depend on; networks of the same input size share them."""
    preprocess = backbone.preprocess.to_dict()
    # there the rest of the input is what the normalisation makes zero
    if not backbone.preprocess.pad and dataset.recipe.fit != "pad-mean":
        preprocess = {k: v for k, v in preprocess.items() if k not in ("mean", "std")}
    key = {
        "format": FORMAT, "dataset": dataset.fingerprint, "recipe": dataset.recipe.to_dict(),
        "preprocess": preprocess,
    }  # fmt: skip
    versions = versions_of(dataset.kinds())  # absent where all are 1
    return {**key, "versions": versions} if versions else key


def kept_frames(
    backbone: Backbone, dataset: Dataset, cache: Path, workers: int = 1,
    seconds: float = SECONDS, progress: bool | Literal["json"] = False,
) -> Frames:  # fmt: skip
    """The frames of a data set for this backbone's input, decoded unless the cache has them.

    They lie in ``<cache>/frames/<dataset>-<digest12>``, which may be deleted at any time. Raises
    :class:`InputError` when no item can be read, :class:`StoreError` for a damaged file.
    """
    with Progress("hashing files", len(dataset), "files", progress) as p:
        dataset.compute_fingerprint(p.update)
    key = key_of(backbone, dataset)
    folder = cache / "frames" / f"{dataset.name}-{digest(key)[:12]}"
    if not (folder / "index.json").is_file():
        _decode(backbone, dataset, folder, max(1, workers), workers > 0, seconds, progress)
    frames = _open(folder)
    if not len(frames.kept):
        first = frames.left_out[0]
        raise InputError(
            f"{dataset.name}: none of the {len(dataset)} items could be read; first: {first.reason}"
        )
    return frames


def _open(folder: Path) -> Frames:
    try:
        index = json.loads((folder / "index.json").read_text())
        count, shape = np.array(index["count"]), np.array(index["shape"]).reshape(-1, 3)
        sizes = count * shape.prod(1)
        pixels: np.ndarray = np.empty(0, dtype=np.uint16)
        if sizes.any():  # an empty file has no map
            pixels = np.memmap(folder / "pixels.u16", dtype=np.uint16, mode="r")
        if len(pixels) != sizes.sum():
            raise ValueError(f"{len(pixels)} values where {sizes.sum()} are expected")
        left_out = [ExcludedItem(*pair) for pair in index["left_out"]]
    except (OSError, ValueError, KeyError, TypeError, OverflowError) as error:
        raise StoreError(
            f"{folder}: damaged frames ({reason(error)}); delete the folder, it is made again"
        ) from error
    return Frames(folder, count, shape, np.cumsum(sizes) - sizes, pixels, left_out)


def _decode(
    backbone: Backbone, dataset: Dataset, folder: Path, workers: int, apart: bool, seconds: float,
    progress: bool | Literal["json"],
) -> None:  # fmt: skip
    plan = plan_frames(dataset, workers, progress)
    counts = np.bincount(plan.item, minlength=len(dataset))
    apart = apart and separable(dataset)
    runner: Runner = Pooled(seconds) if apart else here
    together = items_a_message(dataset) if apart else 1
    temporary = partial_name(folder)
    index: dict[str, list[Any]] = {"count": [], "shape": [], "left_out": []}

    def jobs() -> Iterator[Callable[[], Job]]:
        for item, n in enumerate(counts.tolist()):
            yield partial(job, dataset, item, n)

    try:
        temporary.mkdir(parents=True)
        with (
            open(temporary / "pixels.u16", "wb") as file,
            Progress(f"decoding {dataset.name}", int(counts.sum()), "frames", progress) as shown,
        ):
            for decoded in ahead(jobs(), runner, workers, together=together):
                pixels = _pixels(backbone, decoded)
                index["count"].append(0 if pixels is None else len(pixels))
                index["shape"].append([0, 0, 0] if pixels is None else list(pixels.shape[1:]))
                if pixels is None:
                    index["left_out"].append([str(dataset.ids[decoded.item]), decoded.text])
                else:
                    file.write(pixels.data)
                shown.advance(int(counts[decoded.item]))
            file.flush()
            os.fsync(file.fileno())
        write_text_atomic(temporary / "index.json", json.dumps(index))
        _place(temporary, folder)
    except FeatprobeError:
        raise
    except OSError as error:
        raise InputError(
            f"{folder}: frames cannot be kept ({reason(error)}); make room, or name another --cache"
        ) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _place(made: Path, folder: Path) -> None:
    """Rename a complete folder to its name, unless another process was faster."""
    if not (folder / "index.json").is_file():
        shutil.rmtree(folder, ignore_errors=True)  # what is left of a deleted one
    try:
        made.rename(folder)
    except OSError:
        if not (folder / "index.json").is_file():
            raise


def _pixels(backbone: Backbone, decoded: Decoded) -> np.ndarray | None:
    """(F, C, h, w) uint16 of a decoded item."""
    if decoded.pixels is None:
        return None
    low, high = decoded.levels
    x = backbone.render(decoded.pixels, low, high, decoded.fit)
    if backbone.preprocess.pad:
        h, w = backbone.preprocess.size
        zero = torch.tensor(backbone.preprocess.mean, device=x.device).view(1, 3, 1, 1)
        whole = zero.expand(len(x), 3, h, w).clone()
        whole[..., : x.shape[-2], : x.shape[-1]] = x
        x = whole
    return (x * WHITE).round().to(torch.int32).cpu().numpy().astype(np.uint16, order="C")
