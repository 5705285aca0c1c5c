"""Phantom anatomy: chest, axial, limb and head outlines with organs, and sometimes a finding.

Nothing here is a model of a real body. Findings are blurred, of a contrast within that of vessels
and bones, and lie in an organ, so that they are told by shape and place and not by a mean value.
"""

from __future__ import annotations

import numpy as np

from train_tiny.textures import cloud, stretched

BODIES = ("chest", "axial", "limb", "head")
FINDINGS = ("none", "bright", "dark", "diffuse")


class Film:
    """An image (n, n) to add to; coordinates (y, x) run from 0 to 1."""

    def __init__(self, rng: np.random.Generator, n: int) -> None:
        self.rng, self.n = rng, n
        self.yy, self.xx = np.mgrid[0:n, 0:n].astype(np.float32) / n
        self.image = np.zeros((n, n), dtype=np.float32)

    def ball(
        self, at: tuple[float, float], size: tuple[float, float], turn: float = 0.0,
        edge: float = 0.015,
    ) -> np.ndarray:  # fmt: skip
        """A rotated ellipse with a soft edge of this width, 1 inside and 0 outside."""
        dy, dx = self.yy - at[0], self.xx - at[1]
        if turn:
            c, s = np.cos(turn), np.sin(turn)
            dy, dx = c * dy - s * dx, s * dy + c * dx
        inside = 1 - np.hypot(dy / size[0], dx / size[1])
        return np.clip(0.5 + inside * min(size) / (2 * edge), 0, 1)

    def around(self, value: float, share: float = 0.12) -> float:
        """A value, varied by a share of itself."""
        return value * (1 + self.rng.uniform(-share, share))

    def dots(self, mask: np.ndarray, count: int, radius: tuple[float, float], level: float) -> None:
        """Small blobs within a mask: vessels seen end-on, the distractors of nodules."""
        inside = np.argwhere(mask > 0.9)
        for y, x in inside[self.rng.integers(len(inside), size=count)] if len(inside) else ():
            r, up = self.rng.uniform(*radius), level * self.rng.uniform(0.5, 1.2)
            k = int(3 * r * self.n) + 2
            ys, xs = slice(max(0, y - k), y + k + 1), slice(max(0, x - k), x + k + 1)
            d = np.hypot(self.yy[ys, xs] - y / self.n, self.xx[ys, xs] - x / self.n)
            self.image[ys, xs] += up * np.clip(0.5 + (r - d) / (2 * 0.008), 0, 1)

    def tree(self, mask: np.ndarray, root: tuple[float, float], level: float) -> None:
        """Vessels: random walks away from a root that grow thinner and fainter."""
        grown = np.zeros_like(self.image)
        for _ in range(int(self.rng.integers(5, 11))):
            at, way = np.array(root), self.rng.uniform(0, 2 * np.pi)
            steps = 60
            turns = np.cumsum(self.rng.normal(0, 0.13, steps)) + way
            path = at + np.cumsum(np.stack([np.sin(turns), np.cos(turns)], 1), 0) * 0.008
            pixel = np.clip((path * self.n).astype(int), 1, self.n - 2)
            fade = np.linspace(1, 0.2, steps)
            for dy, dx in ((0, 0), (0, 1), (1, 0), (1, 1)):
                thick = steps if (dy, dx) == (0, 0) else steps // 2
                y, x = pixel[:thick, 0] + dy, pixel[:thick, 1] + dx
                grown[y, x] = np.maximum(grown[y, x], fade[:thick])
        self.image += level * grown * mask


def anatomy(index: int, rng: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray]:
    """A body with the finding of its class: values (n, n) in [0, 1], and where the finding is."""
    film = Film(rng, n)
    body, finding = BODIES[index // len(FINDINGS)], FINDINGS[index % len(FINDINGS)]
    organ = {"chest": _chest, "axial": _axial, "limb": _limb, "head": _head}[body](film)
    where = np.zeros_like(film.image)
    inside = np.argwhere(organ > 0.9)
    if finding != "none" and len(inside):
        y, x = inside[rng.integers(len(inside))] / n
        if finding == "diffuse":
            r = rng.uniform(0.1, 0.22)
            where = film.ball((y, x), (r, r * rng.uniform(0.7, 1.3)), rng.uniform(0, 3), edge=0.06)
            where = where * organ * np.clip(0.7 + 0.4 * cloud(rng, n, 1.5), 0, 1)
            film.image += rng.uniform(0.12, 0.3) * where
        else:
            r = rng.uniform(0.035, 0.085)
            turn, edge = rng.uniform(0, 3), rng.uniform(0.01, 0.03)
            where = film.ball((y, x), (r, r * rng.uniform(0.75, 1.25)), turn, edge)
            film.image += (1 if finding == "bright" else -1) * rng.uniform(0.1, 0.26) * where
    image = film.image + rng.uniform(0, 0.035) * rng.normal(size=(n, n))
    image += rng.uniform(0, 0.03) * cloud(rng, n, 1.2)
    image += rng.uniform(-0.1, 0.1) * (film.yy - 0.5) + rng.uniform(-0.1, 0.1) * (film.xx - 0.5)
    return stretched(image), where.astype(np.float32)


def _chest(f: Film) -> np.ndarray:
    u = f.around
    tilt = f.rng.normal(0, 0.01)
    wide, tall = f.rng.uniform(0.12, 0.19), f.rng.uniform(0.24, 0.36)
    body = f.ball((u(0.66), 0.5), (u(0.78), u(0.47)), edge=0.03)
    body = np.maximum(body * (f.yy > 0.1), f.ball((0.1, 0.5 + tilt), (0.25, u(0.11))))  # neck
    top = f.rng.uniform(0.4, 0.5)
    left = f.ball((top, 0.5 - u(0.2)), (tall, wide), 0.1 + tilt, edge=0.02)
    right = f.ball((top, 0.5 + u(0.2)), (tall * u(0.97, 0.05), wide * u(0.95, 0.06)), tilt - 0.1)
    floor = top + tall * u(0.72) + u(0.35) * (np.abs(f.xx - 0.5) - 0.2) ** 2 * 4
    air = np.maximum(left, right) * np.clip((floor - f.yy) / 0.03, 0, 1)
    f.image += u(0.5) * body - u(0.36, 0.25) * air
    f.image += u(0.2, 0.5) * f.ball((top + 0.14, u(0.56, 0.05)), (u(0.15), u(0.13)), -0.5, 0.025)
    f.image += u(0.15, 0.5) * np.exp(-(((f.xx - 0.5 - tilt) / u(0.04)) ** 2)) * body
    ribs, bend = u(10, 0.25), f.rng.uniform(0.6, 2.2)
    phase = ribs * (f.yy - bend * (f.xx - 0.5) ** 2) + f.rng.uniform(0, 1)
    band = np.clip(np.sin(2 * np.pi * phase) * 2 - u(0.6, 0.5), 0, 1)
    f.image += f.rng.uniform(0.01, 0.09) * band * body * (np.abs(f.xx - 0.5) > 0.05)
    rise = u(0.16) + 0.18 * np.abs(f.xx - 0.5)
    f.image += u(0.09, 0.6) * np.exp(-(((f.yy - rise) / 0.018) ** 2)) * body  # clavicles
    for side in (-1, 1):
        f.tree(air, (top + 0.05, 0.5 + side * 0.08), f.rng.uniform(0.03, 0.13))
    f.dots(air, int(f.rng.integers(5, 30)), (0.005, 0.016), f.rng.uniform(0.05, 0.15))
    return air


def _axial(f: Film) -> np.ndarray:
    u = f.around
    outline = (f.rng.uniform(0.3, 0.4), f.rng.uniform(0.4, 0.47))
    body = f.ball((0.5, 0.5), outline, edge=0.008)
    rim = f.rng.uniform(0.03, 0.08)
    muscle = f.ball((0.5, 0.5), (outline[0] - rim, outline[1] - rim), edge=0.01)
    f.image += u(0.3, 0.4) * body + u(0.15, 0.5) * muscle
    side = f.rng.choice([-1, 1])
    at = (u(0.48, 0.08), 0.5 - side * u(0.18))
    liver = f.ball(at, (u(0.2, 0.2), u(0.2, 0.2)), f.rng.uniform(-0.5, 0.5)) * muscle
    f.image += f.rng.uniform(0.08, 0.3) * liver
    f.image += u(0.18, 0.5) * f.ball((u(0.55), 0.5 + side * u(0.22)), (u(0.12), u(0.08)), 0.4)
    for s in (-1, 1):
        if f.rng.random() < 0.6:
            f.image += u(0.16, 0.5) * f.ball((0.66, 0.5 + s * u(0.15)), (0.06, 0.045), s * 0.5)
    f.image += f.rng.uniform(0.25, 0.6) * f.ball((u(0.5 + outline[0] * 0.6), 0.5), (0.06, 0.065))
    if f.rng.random() < 0.5:  # gas
        f.image -= u(0.35, 0.3) * f.ball((u(0.35), u(0.55)), (0.05, u(0.08, 0.4)), 0.3) * muscle
    f.dots(liver, int(f.rng.integers(3, 16)), (0.012, 0.03), f.rng.uniform(0.04, 0.15))
    return liver


def _limb(f: Film) -> np.ndarray:
    u = f.around
    turn = f.rng.normal(0, 0.35)
    soft = f.ball((0.5, 0.5), (1.2, f.rng.uniform(0.2, 0.36)), turn, edge=0.015)
    f.image += u(0.25, 0.4) * soft
    bones = np.zeros_like(f.image)
    several = f.rng.random() < 0.5
    for s in (-1, 1) if several else (0,):
        w, joint = f.rng.uniform(0.05, 0.09), f.rng.uniform(0.25, 0.75)
        at = (0.5 + s * 0.13 * np.sin(turn), 0.5 + s * 0.13 * np.cos(turn))
        shaft = f.ball(at, (0.9, w), turn)
        head = f.ball((joint, at[1] + np.tan(turn) * (joint - 0.5)), (0.13, w * 1.6), turn)
        bone = np.maximum(shaft, head)
        core = np.maximum(f.ball(at, (0.9, w * 0.55), turn), 0.8 * head)
        f.image += u(0.42, 0.3) * bone - u(0.15, 0.6) * core
        bones = np.maximum(bones, bone)
    f.dots(soft, int(f.rng.integers(2, 12)), (0.006, 0.016), f.rng.uniform(0.04, 0.14))
    return bones if f.rng.random() < 0.6 else soft


def _head(f: Film) -> np.ndarray:
    u = f.around
    size, turn = (f.rng.uniform(0.36, 0.44), f.rng.uniform(0.28, 0.38)), f.rng.normal(0, 0.08)
    skull = f.ball((0.5, 0.5), size, turn, edge=0.01)
    t = f.rng.uniform(0.02, 0.05)
    brain = f.ball((0.5, 0.5), (size[0] - t, size[1] - t), turn, edge=0.01)
    f.image += f.rng.uniform(0.1, 0.6) * (skull - brain) + u(0.4, 0.25) * brain
    folds = np.tanh(2 * cloud(f.rng, f.n, 0.9))
    depth = np.clip(1.6 - 2 * f.ball((0.5, 0.5), (0.24, 0.2), turn, edge=0.1), 0, 1)
    f.image += f.rng.uniform(0.01, 0.05) * folds * depth * brain
    level = f.rng.choice([-1, 1]) * u(0.16, 0.4)
    for s in (-1, 1):
        at = (0.5 + f.rng.normal(0, 0.01), 0.5 + s * u(0.055))
        f.image += level * f.ball(at, (u(0.11, 0.25), u(0.028, 0.3)), turn - s * 0.25)
    f.image += 0.6 * level * np.exp(-(((f.xx - 0.5 - turn * (0.5 - f.yy)) / 0.008) ** 2)) * brain
    f.dots(brain, int(f.rng.integers(2, 10)), (0.006, 0.016), f.rng.uniform(0.04, 0.14))
    return brain
