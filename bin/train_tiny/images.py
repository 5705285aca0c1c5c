"""The generated training images: families, their classes, and a pool of them.

A class is a family and an index; an image is drawn from ``default_rng([seed, position])``, so a
pool does not depend on how many processes make it. No image of a real thing is used.
"""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from train_tiny.anatomy import BODIES, FINDINGS, anatomy
from train_tiny.drawings import fractal, glyph, shapes
from train_tiny.textures import cloud, grating, noise, stretched, turing, voronoi

MARK = 32  # side of the maps kept with every image
CHUNK = 200


class Family(NamedTuple):
    """A painter, how many classes it has and which share of the images."""

    name: str
    paint: Callable[[int, np.random.Generator, int], Any]
    classes: int
    share: float


FAMILIES = (
    Family("noise", noise, 16, 0.06),
    Family("grating", grating, 24, 0.06),
    Family("voronoi", voronoi, 12, 0.05),
    Family("turing", turing, 12, 0.05),
    Family("shapes", shapes, 16, 0.09),
    Family("glyph", glyph, 200, 0.25),
    Family("fractal", fractal, 80, 0.12),
    Family("anatomy", anatomy, len(BODIES) * len(FINDINGS), 0.32),
)
TEXTURES, DRAWINGS, ANATOMY = range(4), range(4, 7), 7
START = np.cumsum([0, *(f.classes for f in FAMILIES)])  # first class of each family, and the end
CLASSES = int(START[-1])


def class_name(label: int) -> str:
    """``glyph-017``, ``chest-bright``."""
    family = int(np.searchsorted(START, label, side="right")) - 1
    index = label - int(START[family])
    if family == ANATOMY:
        return f"{BODIES[index // len(FINDINGS)]}-{FINDINGS[index % len(FINDINGS)]}"
    return f"{FAMILIES[family].name}-{index:03d}"


@dataclass
class Pool:
    """``images`` (N, n, n) uint8; ``label`` (N,) the class, ``family`` (N,); ``count`` (N,) objects
    drawn, 0 where nothing is counted; ``marks`` (N, 2, 32, 32) uint8, the share of each cell that
    is covered by a drawing, and by a finding.
    """

    images: np.ndarray
    label: np.ndarray
    family: np.ndarray
    count: np.ndarray
    marks: np.ndarray


def paint(
    family: int, index: int, rng: np.random.Generator, n: int
) -> tuple[np.ndarray, int, np.ndarray]:
    """One image: values (n, n) in [0, 1], the number of objects, the two maps (2, n, n)."""
    marks = np.zeros((2, n, n), dtype=np.float32)
    painted = FAMILIES[family].paint(index, rng, n)
    if family in TEXTURES:
        return painted, 0, marks
    if family == ANATOMY:
        image, marks[1] = painted
        return image, 0, marks
    marks[0], count = painted
    ground = rng.uniform(0, 0.3)
    ink: float | np.ndarray = rng.uniform(0.6, 1)
    back = np.full((n, n), ground)
    if rng.random() < 0.35:  # on paper that is not even
        back = back + rng.uniform(0.02, 0.12) * cloud(rng, n, rng.uniform(0.3, 2))
    if rng.random() < 0.1:
        ink = ink * (0.5 + 0.5 * stretched(cloud(rng, n, rng.uniform(0.5, 1.5))))
    image = back * (1 - marks[0]) + ink * marks[0] + rng.uniform(0, 0.04) * rng.normal(size=(n, n))
    return np.clip(image, 0, 1), count, marks


def _chunk(seed: int, start: int, stop: int, n: int) -> Pool:
    """The images of positions start to stop."""
    shares = np.array([f.share for f in FAMILIES])
    size = stop - start
    pool = Pool(
        np.empty((size, n, n), np.uint8), np.empty(size, np.int64), np.empty(size, np.int64),
        np.empty(size, np.int64), np.empty((size, 2, MARK, MARK), np.uint8),
    )  # fmt: skip
    for i in range(size):
        rng = np.random.default_rng([seed, start + i])
        family = int(rng.choice(len(FAMILIES), p=shares / shares.sum()))
        index = int(rng.integers(FAMILIES[family].classes))
        image, pool.count[i], marks = paint(family, index, rng, n)
        pool.images[i] = np.round(image * 255)
        pool.marks[i] = np.round(_cells(marks) * 255)
        pool.label[i], pool.family[i] = START[family] + index, family
    return pool


def _cells(maps: np.ndarray) -> np.ndarray:
    """Mean of (2, n, n) in 32 x 32 cells; n is a multiple of 32."""
    step = maps.shape[-1] // MARK
    return maps.reshape(2, MARK, step, MARK, step).mean((2, 4))


def make_pool(
    count: int, n: int, seed: int, processes: int = 1, tell: Callable[[int], None] | None = None
) -> Pool:
    """``count`` images of n x n pixels; ``tell`` hears how many are done."""
    edges = [(s, min(s + CHUNK, count)) for s in range(0, count, CHUNK)]
    jobs = [(seed, a, b, n) for a, b in edges]
    parts: list[Pool] = []
    if processes > 1:
        context = multiprocessing.get_context("spawn")  # a fork of a threaded parent may hang
        with ProcessPoolExecutor(processes, mp_context=context) as workers:
            for part in workers.map(_chunk, *zip(*jobs)):
                parts.append(part)
                if tell:
                    tell(sum(len(p.label) for p in parts))
    else:
        for job in jobs:
            parts.append(_chunk(*job))
            if tell:
                tell(sum(len(p.label) for p in parts))
    names = ("images", "label", "family", "count", "marks")
    return Pool(*(np.concatenate([getattr(p, name) for p in parts]) for name in names))
