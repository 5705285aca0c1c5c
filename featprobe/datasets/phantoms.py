"""Procedural anatomy: chest-film-like projections and CT-like volumes, with or without a lesion.

Nothing here is real: shapes, positions, contrast and noise are drawn per patient. The lesion is
small and of a contrast within the range of vessels and ribs, so that its presence can be learned
but not read off a mean grey value.
"""

from __future__ import annotations

import numpy as np


def _ellipse(
    yy: np.ndarray, xx: np.ndarray, centre: tuple[float, float], radii: tuple[float, float]
) -> np.ndarray:
    """Smooth-edged ellipse, 1 inside and 0 outside; coordinates in units of the image."""
    distance = ((yy - centre[0]) / radii[0]) ** 2 + ((xx - centre[1]) / radii[1]) ** 2
    return 1 / (1 + np.exp(np.clip(12 * (distance - 1), -50, 50)))


def chest_film(
    rng: np.random.Generator, patient: np.ndarray, lesion: bool, size: int
) -> np.ndarray:
    """A frontal film (size, size) uint16 of 12 bits; ``patient`` (6,) in [0, 1] is the anatomy."""
    yy, xx = np.mgrid[0:size, 0:size] / size
    shift = rng.normal(0, 0.01, 2)
    yy, xx = yy + shift[0], xx + shift[1]
    wide, tall = 0.155 + 0.03 * patient[0], 0.29 + 0.05 * patient[1]
    lungs = [((0.47, 0.30), (tall, wide)), ((0.47, 0.70), (tall * 0.97, wide * 0.95))]
    body = _ellipse(yy, xx, (0.62, 0.5), (0.75, 0.46 + 0.06 * patient[2]))
    air = sum(_ellipse(yy, xx, c, r) for c, r in lungs)
    film = 0.25 + 0.55 * body - 0.38 * np.minimum(air, 1)
    film += 0.22 * _ellipse(yy, xx, (0.62, 0.55), (0.16, 0.10 + 0.05 * patient[3]))  # heart
    film += 0.18 * np.exp(-(((xx - 0.5) / 0.035) ** 2))  # spine
    ribs = np.sin(2 * np.pi * (yy * (8 + 2 * patient[4]) + 1.6 * (xx - 0.5) ** 2 + patient[5]))
    film += 0.06 * np.clip(ribs, 0, 1) * body
    for _ in range(24):  # vessels: blobs of the lesion's contrast, smaller
        (cy, cx), (ry, rx) = lungs[rng.integers(2)]
        at = (cy + ry * rng.uniform(-0.7, 0.7), cx + rx * rng.uniform(-0.7, 0.7))
        radius = rng.uniform(0.006, 0.014)
        film += rng.uniform(0.05, 0.15) * _ellipse(yy, xx, at, (radius, radius))
    if lesion:
        (cy, cx), (ry, rx) = lungs[rng.integers(2)]
        at = (cy + ry * rng.uniform(-0.6, 0.6), cx + rx * rng.uniform(-0.6, 0.6))
        radius = rng.uniform(0.045, 0.075)
        film += rng.uniform(0.12, 0.22) * _ellipse(
            yy, xx, at, (radius, radius * rng.uniform(0.8, 1.2))
        )
    film = film * rng.uniform(0.85, 1.1) + rng.normal(0, 0.02, film.shape)
    return np.clip(film * 3000 + 300, 0, 4095).astype(np.uint16)


def ct_volume(rng: np.random.Generator, lesion: bool, shape: tuple[int, int, int]) -> np.ndarray:
    """A CT-like volume (X, Y, Z) int16 in Hounsfield units: body, liver, spine, vessels, lesion.

    Axes run to the patient's left, back and head.
    """
    grid = np.meshgrid(*(np.linspace(-1, 1, n) for n in shape), indexing="ij")

    def ball(centre: tuple[float, float, float], radii: tuple[float, float, float]) -> np.ndarray:
        distance = sum(((g - c) / r) ** 2 for g, c, r in zip(grid, centre, radii))
        return 1 / (1 + np.exp(np.clip(10 * (distance - 1), -50, 50)))

    j = rng.uniform(-1, 1, 8)
    volume = np.full(shape, -1000.0)
    volume += 960 * ball((0, 0, 0), (0.85 + 0.05 * j[0], 0.7 + 0.05 * j[1], 1.8))  # fat: -40
    liver = ((-0.35 + 0.05 * j[2], 0.05 * j[3], 0.1 * j[4]), (0.38, 0.42 + 0.05 * j[5], 0.75))
    volume += 100 * ball(*liver)
    volume += 90 * ball((0.4, 0.1, 0.1 * j[6]), (0.2, 0.25, 0.5))  # spleen
    volume += 500 * ball((0, 0.5, 0), (0.13, 0.13, 3.0))  # spine
    for _ in range(10):  # vessels in the liver, brighter than it
        at = tuple(c + r * rng.uniform(-0.6, 0.6) for c, r in zip(*liver))
        radius = rng.uniform(0.03, 0.06)
        volume += rng.uniform(30, 60) * ball(at, (radius, radius, 3 * radius))
    if lesion:
        at = tuple(c + r * rng.uniform(-0.5, 0.5) for c, r in zip(*liver))
        radius = rng.uniform(0.14, 0.22)
        volume -= rng.uniform(40, 80) * ball(at, (radius, radius, 1.6 * radius))
    volume += rng.normal(0, 18, shape)
    return np.clip(volume, -1024, 3071).astype(np.int16)
