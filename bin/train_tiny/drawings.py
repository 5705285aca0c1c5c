"""Drawings: shapes, glyph-like strokes and fractals, light on dark.

Painters return the coverage (n, n) in [0, 1] of what is drawn, and how many objects that is.
"""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw

from train_tiny.textures import prototype

FINE = 2  # drawn this much larger, then averaged down


def _canvas(n: int) -> tuple[Image.Image, ImageDraw.ImageDraw]:
    image = Image.new("L", (n * FINE, n * FINE))
    return image, ImageDraw.Draw(image)


def _coverage(image: Image.Image, n: int) -> np.ndarray:
    return np.asarray(image.resize((n, n), Image.Resampling.BOX), dtype=np.float32) / 255


def _outline(kind: int, rng: np.random.Generator) -> np.ndarray:
    """Corners (k, 2) of one shape within a circle of radius 1."""
    if kind == 0:  # ellipse
        t = np.linspace(0, 2 * np.pi, 32, endpoint=False)
        return np.stack([np.cos(t), np.sin(t) * rng.uniform(0.45, 1)], 1)
    if kind == 1:  # bar
        w = rng.uniform(0.12, 0.3)
        return np.array([[-1, -w], [1, -w], [1, w], [-1, w]])
    if kind in (2, 3, 4):  # triangle, quadrilateral, hexagon
        k = (3, 4, 6)[kind - 2]
        t = 2 * np.pi * (np.arange(k) + rng.uniform(-0.12, 0.12, k)) / k
        return np.stack([np.cos(t), np.sin(t)], 1)
    if kind == 5:  # star
        t = np.linspace(0, 2 * np.pi, 10, endpoint=False)
        r = np.where(np.arange(10) % 2, rng.uniform(0.35, 0.5), 1)
        return np.stack([r * np.cos(t), r * np.sin(t)], 1)
    if kind == 6:  # cross
        w = rng.uniform(0.18, 0.35)
        a = [(w, 1), (w, w), (1, w), (1, -w), (w, -w), (w, -1)]
        return np.array([*a, *((-x, -y) for x, y in a)])
    t = np.linspace(0.6, 2 * np.pi - 0.6, 28)  # a C: an open ring
    w = rng.uniform(0.45, 0.65)
    ring = np.stack([np.cos(t), np.sin(t)], 1)
    return np.r_[ring, w * ring[::-1]]


def shapes(index: int, rng: np.random.Generator, n: int) -> tuple[np.ndarray, int]:
    """One to twelve shapes of one kind; classes are 8 kinds, filled or as outlines."""
    image, draw = _canvas(n)
    count = int(2 ** rng.uniform(0, 3.6))
    radius = rng.uniform(0.25, 0.42) / count**0.5
    for _ in range(count):
        size, turn = n * FINE * radius * rng.uniform(0.75, 1.25), rng.uniform(0, 2 * np.pi)
        rotation = np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
        at = rng.uniform(0.05 + radius * 0.8, 0.95 - radius * 0.8, 2) * n * FINE
        points = [tuple(p) for p in (_outline(index % 8, rng) @ rotation * size + at).tolist()]
        level = int(rng.uniform(110, 255))
        if index // 8 % 2:
            width = max(2, int(size * rng.uniform(0.08, 0.2)))
            draw.line([*points, *points[:2]], fill=level, width=width, joint="curve")
        else:
            draw.polygon(points, fill=level)
    return _coverage(image, n), count


def glyph(index: int, rng: np.random.Generator, n: int) -> tuple[np.ndarray, int]:
    """A made-up character of one to four strokes, written with a pen of some width."""
    proto = prototype(5, index)
    strokes: list[np.ndarray] = []
    for k in range(int(proto.integers(1, 5))):
        points = proto.uniform(0, 1, (int(proto.choice([2, 3, 4, 5])), 2))
        if k and proto.random() < 0.6:  # starts on the stroke before
            points[0] = strokes[-1][int(proto.integers(len(strokes[-1])))]
        if len(points) > 3 and proto.random() < 0.35:  # closed
            points[-1] = points[0]
        strokes.append(points)
    curved = proto.random(len(strokes)) < 0.7
    # within a class: shaken points, a slight affine map, a warp, another pen
    strokes = [p + rng.normal(0, 0.025, p.shape) for p in strokes]
    strokes = [_curve(p) if c else p for p, c in zip(strokes, curved)]
    corners = np.concatenate(strokes)
    low, high = corners.min(0), corners.max(0)
    affine = (np.eye(2) + rng.normal(0, 0.1, (2, 2))) / max((high - low).max(), 0.2)
    warp = rng.normal(0, 3, (2, 2))
    size, width = rng.uniform(0.5, 0.86), rng.uniform(0.035, 0.19)
    shift = rng.uniform(-0.03, 0.03, 2)
    image, draw = _canvas(n)
    for points in strokes:
        p = (points - (low + high) / 2) @ affine
        p = ((p + 0.03 * np.sin(p @ warp)) * size + 0.5 + shift) * n * FINE
        pen = max(2, int(width * size * n * FINE))
        draw.line([tuple(q) for q in p.tolist()], fill=255, width=pen, joint="curve")
        for x, y in (p[0], p[-1]):
            draw.ellipse([x - pen / 2, y - pen / 2, x + pen / 2, y + pen / 2], fill=255)
    return _coverage(image, n), len(strokes)


def _curve(points: np.ndarray) -> np.ndarray:
    """A smooth curve (k, 2) through or near the points: Catmull-Rom."""
    padded = np.r_[points[:1], points, points[-1:]]
    t = np.linspace(0, 1, 9)[:, None]
    parts = []
    for a, b, c, d in zip(padded, padded[1:], padded[2:], padded[3:]):
        curve = 2 * b + (c - a) * t + (2 * a - 5 * b + 4 * c - d) * t**2
        parts.append((curve + (3 * b - a - 3 * c + d) * t**3) / 2)
    return np.concatenate(parts)


def fractal(index: int, rng: np.random.Generator, n: int) -> tuple[np.ndarray, int]:
    """The attractor of an iterated function system of two to five affine maps."""
    proto = prototype(6, index)
    k = int(proto.integers(2, 6))
    # singular values drawn below 1 keep every map a contraction
    turns = proto.uniform(0, 2 * np.pi, (2, k))
    values = proto.uniform(0.25, 0.88, (k, 2))
    flips = proto.choice([-1.0, 1.0], k)
    shift = proto.uniform(-1, 1, (k, 2))
    values = np.clip(values + rng.normal(0, 0.015, values.shape), 0.1, 0.92)
    turns, shift = turns + rng.normal(0, 0.04, turns.shape), shift + rng.normal(0, 0.03, (k, 2))
    left, right = (
        np.stack([np.cos(t), -np.sin(t), np.sin(t), np.cos(t)], -1).reshape(k, 2, 2) for t in turns
    )
    scale = values * np.stack([np.ones(k), flips], 1)
    maps = left @ (scale[:, :, None] * right)
    area = np.abs(np.linalg.det(maps)) + 0.03
    chosen = rng.choice(k, size=(50, 500), p=area / area.sum())
    x = rng.uniform(-1, 1, (500, 2))
    seen = np.empty((50, 500, 2))
    for i, c in enumerate(chosen):
        x = np.einsum("nij,nj->ni", maps[c], x) + shift[c]
        seen[i] = x
    points = seen[8:].reshape(-1, 2)
    low, high = np.quantile(points, [0.005, 0.995], axis=0)
    points = (points - (low + high) / 2) / max((high - low).max(), 1e-3) * 0.86 + 0.5
    at = np.clip((points * n).astype(int), 0, n - 1)
    hits = np.bincount(at[:, 0] * n + at[:, 1], minlength=n * n).reshape(n, n)
    return np.minimum(np.log1p(hits) / np.log(6), 1).astype(np.float32), 1
