"""Between the voxels of an item and the grid that a network sees: frames, pixels, patch tokens.

Every step from a file to the network's input is a line along each axis: resampling, flips, the
choice of frames, resize, crop and padding. They are kept as lines, so that masks follow them
without images and predictions come back without loss of place.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from featprobe.core.errors import InputError
from featprobe.images.decoded_image import FrameRecipe, ImageHeader
from featprobe.images.frames import picks
from featprobe.images.volume import choose_plane, orientation, resampled_grid

VOID = 255  # of a mask: not known, takes no part in losses and scores


@dataclass(frozen=True)
class Line:
    """Positions of one grid in another along an axis: ``start + step * index``.

    Whole numbers are centres of pixels in both, so a grid of n covers -0.5 to n - 0.5.
    """

    start: float
    step: float

    def __call__(self, index: np.ndarray | int) -> np.ndarray:
        return self.start + self.step * np.asarray(index, dtype=float)

    def inverse(self, position: np.ndarray) -> np.ndarray:
        """The index, not rounded, that lies at a position."""
        return (np.asarray(position, dtype=float) - self.start) / self.step


@dataclass(frozen=True)
class View:
    """What a network sees of a frame: its input ``size`` (h, w), and where the rows and columns of
    the input lie in the frame."""

    size: tuple[int, int]
    rows: Line
    columns: Line


@dataclass(frozen=True)
class Axis:
    """One direction of the frames: the array ``axis`` of the voxels it runs along, its ``n`` pixels
    (before resize and crop), and their places among the voxels."""

    axis: int
    n: int
    line: Line


@dataclass(frozen=True)
class Cut:
    """The frames of one plane: their axes, which of the stack were taken, and what is seen of each.

    ``sparse``: frames that were not taken show nothing (``frames="foreground"``).
    """

    frames: Axis
    rows: Axis
    columns: Axis
    taken: np.ndarray
    view: View
    sparse: bool

    def cells(self, size: tuple[int, int] | None = None) -> tuple[np.ndarray, np.ndarray]:
        """Positions of the centres of a grid of ``size`` (h, w) over the network's input, along the
        rows and the columns of the frame."""
        out = []
        for line, n, cells in zip(
            (self.view.rows, self.view.columns), self.view.size, size or self.view.size
        ):
            out.append(line((np.arange(cells) + 0.5) * n / cells - 0.5))
        return out[0], out[1]

    def places(self, size: tuple[int, int], shape: Sequence[int]) -> list[np.ndarray]:
        """For every voxel along rows and columns its place in a grid of ``size`` (h, w) over the
        network's input, not rounded; NaN for what the network does not see."""
        out = []
        for axis, line, n, cells in zip(
            (self.rows, self.columns), (self.view.rows, self.view.columns), self.view.size, size
        ):
            seen = line.inverse(axis.line.inverse(np.arange(shape[axis.axis])))
            seen[(seen < -0.5) | (seen >= n - 0.5)] = np.nan
            out.append((seen + 0.5) * cells / n - 0.5)
        return out


class FrameGrid:
    """How the frames of one item, and the network's input, lie in its voxels.

    ``shape``: of the item's array: (X, Y, Z) of a volume, (F, H, W) of a stack without geometry,
    (1, H, W) of an image. ``frames``: number of frames. ``cuts``: one of each plane.
    """

    def __init__(self, shape: tuple[int, int, int], cuts: Sequence[Cut]) -> None:
        self.shape, self.cuts = shape, tuple(cuts)

    @classmethod
    def of(
        cls, header: ImageHeader, recipe: FrameRecipe, view: Callable[[int, int], View],
        index: Sequence[np.ndarray] | None = None,
    ) -> FrameGrid:  # fmt: skip
        """The grid of an item with this header under a recipe.

        ``view``: what the network sees of a frame of (height, width). ``index``: the frames of each
        plane that were taken, which ``frames="foreground"`` needs. Raises
        :class:`InputError` for late fusion, whose frames share no grid.
        """
        if recipe.parts > 1:
            raise InputError("masks follow one grid of frames; late fusion has one a modality")
        if header.affine is None:
            shape = header.shape[::-1]
            axes = [Axis(k, shape[k], Line(0.0, 1.0)) for k in range(3)]
            return cls(shape, [_cut(axes, shape[1:], recipe, view, index[0] if index else None)])
        shape, affine = header.shape, header.affine
        sampled, lines = shape, [Line(0.0, 1.0)] * 3
        if recipe.spacing is not None:
            sampled, new = resampled_grid(shape, affine, recipe.spacing)
            move = np.linalg.solve(affine, new)
            lines = [Line(float(move[k, 3]), float(move[k, k])) for k in range(3)]
            affine = new
        every = ("axial", "coronal", "sagittal")
        planes = every if recipe.plane == "all" else (choose_plane(affine, recipe.plane),)
        stacks = []
        for plane in planes:
            axes = []
            for k, sign in zip(*orientation(affine, plane)):
                line, n = lines[k], sampled[k]
                turned = line if sign > 0 else Line(float(line(n - 1)), -line.step)
                axes.append(Axis(k, n, turned))
            stacks.append(axes[::-1])
        # frames of several planes are padded at the right and at the bottom to one size
        size = (max(a[1].n for a in stacks), max(a[2].n for a in stacks))
        own: Sequence[np.ndarray | None] = index or len(stacks) * (None,)
        return cls(shape, [_cut(a, size, recipe, view, i) for a, i in zip(stacks, own)])

    @property
    def frames(self) -> int:
        return sum(len(c.taken) for c in self.cuts)

    @property
    def size(self) -> tuple[int, int]:
        """(h, w) of the network's input."""
        return self.cuts[0].view.size

    def to_frames(self, values: np.ndarray, size: tuple[int, int] | None = None) -> np.ndarray:
        """Labels of the voxels (shape) or (K, shape) as frames (F, h, w) or (F, K, h, w).

        By nearest neighbour at the centres of a grid of ``size`` over the network's input (its
        pixels by default). What lies beyond the image (padding) is 0.
        """
        if values.ndim == 4:
            return np.stack([self.to_frames(v, size) for v in values], axis=1)
        self._check(values.shape)
        out = []
        for cut in self.cuts:
            stack = values.transpose(cut.frames.axis, cut.rows.axis, cut.columns.axis)
            at = cut.frames.line(cut.taken)
            frames = stack[nearest(at, len(stack))]
            inside = []
            for k, (axis, places) in enumerate(zip((cut.rows, cut.columns), cut.cells(size)), 1):
                seen = (places >= -0.5) & (places < axis.n - 0.5)
                frames = np.take(frames, nearest(axis.line(places), stack.shape[k]), axis=k)
                inside.append(seen)
            out.append(frames * (inside[0][:, None] & inside[1]))
        return np.concatenate(out)

    def to_voxels(self, frames: np.ndarray, multilabel: bool = False) -> np.ndarray:
        """What was said of the frames on any grid over the network's input, as voxels.

        Labels (F, h, w) of integers: (shape), each voxel the label of the nearest cell of the
        nearest frame. Probabilities (F, C, h, w): (C, shape) float32, bilinear in the plane and
        linear between frames. What the network did not see is background: label 0, probability 1
        of channel 0, or with ``multilabel`` 0 of all. Of several planes it is the mean, and the
        label that most of them give.
        """
        if len(frames) != self.frames:
            raise InputError(f"{len(frames)} frames for an item of {self.frames}")
        parts = np.split(frames, np.cumsum([len(c.taken) for c in self.cuts])[:-1])
        if frames.ndim == 4:
            out = np.zeros((frames.shape[1], *self.shape), np.float32)
            for cut, part in zip(self.cuts, parts):
                out += _interpolated(cut, part.astype(np.float32), self.shape, multilabel)
            return out / np.float32(len(self.cuts)) if len(self.cuts) > 1 else out
        found = [_labels(cut, part, self.shape) for cut, part in zip(self.cuts, parts)]
        if len(found) == 1:
            return found[0]
        a, b, c = found
        return np.where((b == c) & (a != b), b, a)

    def _check(self, shape: tuple[int, ...]) -> None:
        if tuple(shape) != tuple(self.shape):
            raise InputError(f"a mask of shape {tuple(shape)} on an image of shape {self.shape}")


def _cut(
    axes: Sequence[Axis], size: tuple[int, ...], recipe: FrameRecipe,
    view: Callable[[int, int], View], index: np.ndarray | None,
) -> Cut:  # fmt: skip
    sparse = recipe.frames == "foreground"
    if sparse and index is None:
        raise InputError("which frames are foreground is known only after decoding the item")
    taken = index if index is not None else picks(axes[0].n, recipe.frames)
    return Cut(axes[0], axes[1], axes[2], taken, view(int(size[0]), int(size[1])), sparse)


def nearest(places: np.ndarray, n: int) -> np.ndarray:
    """Whole places, the outermost for what lies beyond."""
    return np.clip(np.floor(places + 0.5), 0, n - 1).astype(np.int64)


def among(cut: Cut, n: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """For each of n voxel slices the taken frames before and after it (places in ``taken``, -1 for
    a frame that shows nothing), and the weight of the one after."""
    at = np.clip(cut.frames.line.inverse(np.arange(n)), 0, cut.frames.n - 1)
    if cut.sparse:
        where = np.full(cut.frames.n, -1)
        where[cut.taken] = np.arange(len(cut.taken))
        low = np.floor(at).astype(np.int64)
        high = np.minimum(low + 1, cut.frames.n - 1)
        return where[low], where[high], at - low
    place = np.interp(at, cut.taken, np.arange(len(cut.taken)))
    low = np.floor(place).astype(np.int64)
    return low, np.minimum(low + 1, len(cut.taken) - 1), place - low


def _labels(cut: Cut, frames: np.ndarray, shape: tuple[int, int, int]) -> np.ndarray:
    low, high, weight = among(cut, shape[cut.frames.axis])
    frame = np.where(weight < 0.5, low, high)
    rows, columns = cut.places((frames.shape[1], frames.shape[2]), shape)
    out = frames[np.maximum(frame, 0)]
    seen = [frame >= 0]
    for k, places in enumerate((rows, columns), 1):
        known = ~np.isnan(places)
        seen.append(known)
        out = np.take(out, nearest(np.where(known, places, 0), frames.shape[k]), axis=k)
    out = out * (seen[0][:, None, None] & seen[1][:, None] & seen[2])
    return _in_order(out, cut)


def _interpolated(
    cut: Cut, frames: np.ndarray, shape: tuple[int, int, int], multilabel: bool
) -> np.ndarray:
    """(C, shape) of frames (F, C, h, w)."""
    low, high, weight = among(cut, shape[cut.frames.axis])
    rows, columns = (
        _weights(places, n)
        for places, n in zip(
            cut.places((frames.shape[2], frames.shape[3]), shape), frames.shape[2:]
        )
    )
    nothing = np.zeros((frames.shape[1], 1, 1), np.float32)
    if not multilabel:
        nothing[0] = 1
    unseen = 1 - rows.sum(1)[:, None] * columns.sum(1)
    out = np.empty((frames.shape[1], len(low), len(rows), len(columns)), np.float32)
    for z, (a, b, w) in enumerate(zip(low, high, weight.astype(np.float32))):
        first = frames[a] if a >= 0 else np.broadcast_to(nothing, frames.shape[1:])
        second = frames[b] if b >= 0 else np.broadcast_to(nothing, frames.shape[1:])
        mixed = first if w == 0 else (1 - w) * first + w * second
        out[:, z] = rows @ mixed @ columns.T + nothing * unseen
    return _in_order(out, cut)


def _weights(places: np.ndarray, n: int) -> np.ndarray:
    """(voxels, n) of linear interpolation; zero for what is not seen, the outermost cell beyond."""
    known = ~np.isnan(places)
    at = np.clip(np.where(known, places, 0), 0, n - 1)
    low = np.floor(at).astype(np.int64)
    out = np.zeros((len(places), n), np.float32)
    every = np.arange(len(places))
    out[every, low] += (1 - (at - low)).astype(np.float32)
    out[every, np.minimum(low + 1, n - 1)] += (at - low).astype(np.float32)
    return out * known[:, None]


def _in_order(stack: np.ndarray, cut: Cut) -> np.ndarray:
    """Axes (frames, rows, columns) at the end of an array back in the order of the voxels."""
    lead = stack.ndim - 3
    axes = [cut.frames.axis, cut.rows.axis, cut.columns.axis]
    order = [*range(lead), *(lead + axes.index(k) for k in range(3))]
    return np.ascontiguousarray(stack.transpose(order))
