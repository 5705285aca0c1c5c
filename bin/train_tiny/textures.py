"""Textures: noise of many spectra, gratings, Voronoi cells and reaction-diffusion-like patterns.

A painter takes the index of a class, which fixes its prototype, and the generator of one image,
which draws what varies within the class. It returns values (n, n) in [0, 1].
"""

from __future__ import annotations

import numpy as np
from scipy.spatial import cKDTree

SALT = 0x7E87


def prototype(family: int, index: int) -> np.random.Generator:
    """The generator that draws what all images of one class share, whatever the seed of a run."""
    return np.random.default_rng([SALT, family, index])


def stretched(x: np.ndarray) -> np.ndarray:
    """To [0, 1] between the 0.5th and 99.5th percentile; a constant image becomes 0."""
    low, high = np.partition(x.ravel(), [x.size // 200, -x.size // 200])[
        [x.size // 200, -x.size // 200]
    ]
    return np.clip((x - low) / max(high - low, 1e-6), 0, 1)


def radii(n: int, angle: float = 0.0, stretch: float = 1.0) -> np.ndarray:
    """Frequencies (n, n // 2 + 1) of a real FFT in cycles an image, one axis stretched."""
    fy, fx = np.fft.fftfreq(n)[:, None] * n, np.fft.rfftfreq(n)[None] * n
    along = np.cos(angle) * fx + np.sin(angle) * fy
    across = np.cos(angle) * fy - np.sin(angle) * fx
    return np.hypot(along * stretch, across)


def filtered(x: np.ndarray, gain: np.ndarray) -> np.ndarray:
    """An image (n, n) through a gain for every frequency of its real FFT."""
    return np.fft.irfft2(np.fft.rfft2(x) * gain, s=x.shape)


def cloud(rng: np.random.Generator, n: int, slope: float) -> np.ndarray:
    """Noise (n, n) whose amplitude falls as frequency ** -slope; mean 0, deviation 1."""
    gain = np.maximum(radii(n), 1.0) ** -slope
    gain[0, 0] = 0
    x = filtered(rng.normal(size=(n, n)), gain)
    return x / max(x.std(), 1e-6)


def noise(index: int, rng: np.random.Generator, n: int) -> np.ndarray:
    """Power-law or band-passed noise, isotropic or stretched."""
    proto = prototype(0, index)
    slope, centre = proto.uniform(0.2, 2.2), 2 ** proto.uniform(2, 5)
    stretch, banded = 2 ** (proto.uniform(1, 2.5) * (proto.random() < 0.5)), proto.random() < 0.4
    r = radii(n, rng.uniform(0, np.pi), stretch * rng.uniform(0.9, 1.1))
    if banded:
        gain = np.exp(-((np.log(np.maximum(r, 0.3) / (centre * rng.uniform(0.9, 1.1)))) ** 2) * 4)
    else:
        gain = np.maximum(r, 1.0) ** -(slope + rng.uniform(-0.1, 0.1))
    gain[0, 0] = 0
    return stretched(filtered(rng.normal(size=(n, n)), gain))


def grating(index: int, rng: np.random.Generator, n: int) -> np.ndarray:
    """Waves, bars, plaids, rings, checks, spokes and spirals, slightly warped."""
    proto = prototype(1, index)
    cycles = 2 ** proto.uniform(1.3, 4.2) * rng.uniform(0.85, 1.15)
    arms = 2 * int(proto.integers(2, 9))
    sharp = proto.choice([1.0, 8.0])
    yy, xx = np.mgrid[0:n, 0:n] / n - 0.5
    warp = 0.02 * rng.uniform(0, 1)
    yy, xx = yy + warp * cloud(rng, n, 2.0), xx + warp * cloud(rng, n, 2.0)
    angle = rng.uniform(0, np.pi)
    u = np.cos(angle) * xx + np.sin(angle) * yy
    v = np.cos(angle) * yy - np.sin(angle) * xx
    centre = rng.uniform(-0.25, 0.25, 2)
    rho = np.hypot(xx - centre[0], yy - centre[1])
    phi = np.arctan2(yy - centre[1], xx - centre[0])
    turn = 2 * np.pi * cycles
    phase = rng.uniform(0, 2 * np.pi)
    wave = [
        lambda: np.sin(turn * u + phase),
        lambda: np.sin(turn * u + phase) + np.sin(turn * v),
        lambda: np.sin(turn * u + phase) * np.sin(turn * v),
        lambda: np.sin(turn * rho + phase),
        lambda: np.sin(arms * phi + phase),
        lambda: np.sin(arms * phi + turn * rho + phase),
        lambda: np.sin(turn * u * (1 + u) + phase),
        lambda: np.maximum(np.sin(turn * u + phase), np.sin(turn * v)),
    ][index % 8]()
    return stretched(np.tanh(sharp * wave))


def voronoi(index: int, rng: np.random.Generator, n: int) -> np.ndarray:
    """Cells filled with grey levels, walls between them, distance to centres, or bumps."""
    proto = prototype(2, index)
    count = int(2 ** proto.uniform(3.3, 7) * rng.uniform(0.85, 1.15))
    thick = proto.uniform(0.05, 0.25)
    seeds = rng.uniform(-0.1, 1.1, (count, 2))
    if proto.random() < 0.5:  # closer to a lattice
        side = int(np.ceil(count**0.5))
        lattice = np.moveaxis(np.mgrid[0:side, 0:side], 0, -1).reshape(-1, 2) / (side - 1)
        seeds = lattice + rng.normal(0, 0.2 / side, lattice.shape)
    grid = np.moveaxis(np.mgrid[0:n, 0:n], 0, -1).reshape(-1, 2) / n
    distance, nearest = cKDTree(seeds).query(grid, k=2)
    scale = len(seeds) ** -0.5
    near, gap = distance[:, 0] / scale, (distance[:, 1] - distance[:, 0]) / scale
    level = rng.uniform(0, 1, len(seeds))[nearest[:, 0]]
    value = [level, np.minimum(gap / thick, 1), near, level * np.minimum(gap / thick, 1)][index % 4]
    return stretched(value.reshape(n, n))


def turing(index: int, rng: np.random.Generator, n: int) -> np.ndarray:
    """Spots and labyrinths: noise that is band-passed and squashed a few times over."""
    proto = prototype(3, index)
    cycles, bias = 2 ** proto.uniform(2.3, 4.6), (-0.5, 0.0, 0.5)[index % 3]
    stretch = 2 ** (proto.uniform(0.3, 1) * (proto.random() < 0.4))
    r = radii(n, rng.uniform(0, np.pi), stretch) / (cycles * rng.uniform(0.9, 1.1))
    gain = np.exp(-8 * (r - 1) ** 2)
    x = rng.normal(size=(n, n))
    for _ in range(5):
        x = filtered(x, gain)
        x = np.tanh(3 * (x / max(x.std(), 1e-6) + bias))
    return stretched(x + 0.1 * filtered(rng.normal(size=(n, n)), gain > 0.1))
