"""What every reader returns, and how an item becomes frames."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from featprobe.core.errors import InputError, UnreadableItem, nearest
from featprobe.core.options import annotations_of, checked
from featprobe.images.display import Curve
from featprobe.images.rules import parts

PLANES = ("auto", "axial", "coronal", "sagittal", "all")
FRAMES = ("all", "foreground", "n=COUNT", "stride=STEP")
CHANNELS = ("grey", "neighbours")
FITS = ("stretch", "pad", "pad-mean")
FUSIONS = ("rgb", "late")
DECODERS = ("host", "device")


@dataclass(frozen=True)
class ImageHeader:
    """The size of an item as its header tells it.

    ``shape``: (X, Y, Z) of a volume whose ``affine`` (4, 4) maps array indices to RAS millimetres;
    (W, H, F) of frames without geometry, ``affine`` None.
    """

    shape: tuple[int, int, int]
    affine: np.ndarray | None = None


@dataclass(frozen=True)
class Volume:
    """The decoded pixels of a volume that is not cut yet: (X, Y, Z) or (X, Y, Z, 3), always finite.

    All else as in :class:`ImageHeader` and :class:`DecodedImage`.
    """

    pixels: np.ndarray
    affine: np.ndarray
    window: tuple[float, float] | None = None
    notes: tuple[str, ...] = field(default=())
    display: Curve | None = None
    padding: float | None = None
    facts: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class DecodedImage:
    """The decoded pixels of one item.

    ``pixels``: (F, H, W) grey or (F, H, W, 3) RGB, in the smallest dtype that holds the values
    (uint8, uint16, int16, int32, float32); always finite; bright is bright (MONOCHROME1 is
    inverted). ``window``: the (low, high) values the file asks to be shown as black and white, or
    None. ``affine``: (4, 4), maps (column, row, index[frame], 1) to RAS millimetres, or None where
    the frames have no common geometry. ``notes``: what a reader of the result should know, one
    line each. ``index`` (F,): the place of each frame in the stack it was chosen from, None where
    all are there. ``whole``: that stack, where the frames differ from it: intensity rules look at
    it, so that the choice of frames does not change grey values. ``levels``: black and white that
    the reader has settled already, for which no rule is asked any more. ``display``: the curve of
    brightness the file asks for where it is no window, which then is its linear stand-in.
    ``padding``: values at it or below are no anatomy, None without padding. ``facts``: what is
    known of the source (scanner), which may go with the class. ``sizes`` (F, 2): height and width
    of each frame, which lies at the top left of the largest, None where all are of one size.
    """

    pixels: np.ndarray
    window: tuple[float, float] | None = None
    affine: np.ndarray | None = None
    notes: tuple[str, ...] = field(default=())
    index: np.ndarray | None = None
    whole: np.ndarray | None = None
    levels: tuple[float, float] | None = None
    display: Curve | None = None
    padding: float | None = None
    facts: dict[str, str] = field(default_factory=dict)
    sizes: np.ndarray | None = None

    def __post_init__(self) -> None:
        p = self.pixels
        if p.ndim not in (3, 4) or (p.ndim == 4 and p.shape[3] != 3) or 0 in p.shape:
            raise UnreadableItem(
                f"pixels of shape {p.shape} are neither (F, H, W) nor (F, H, W, 3)"
            )


@dataclass(frozen=True)
class FrameRecipe:
    """How the pixels of an item become the frames shown to a backbone; part of the FeatureKey.

    ``plane``: the cutting plane of volumes with geometry; ``auto`` is the plane of acquisition
    (across the axis whose spacing is at least 1.5 times the others'), axial where there is none;
    ``all`` is axial, coronal and sagittal frames in turn, padded to one size.
    ``intensity``: the rule of :mod:`featprobe.images.intensity` that picks black and white.
    ``frames``: ``all``; ``n=16``, that many evenly spaced (of each plane); ``stride=2``, every
    second; ``foreground``, see :func:`featprobe.images.frames.foreground`, the only rule that
    decodes pixels at planning.
    ``channels``: ``grey``, one frame in three equal channels; ``neighbours``, each frame with the
    one before and the one after it as RGB.
    ``fit``: ``stretch`` resizes every frame to the backbone's input; ``pad`` never enlarges: a
    frame is shrunk to fit where it must be and surrounded by black; ``pad-mean``: by the mean
    colour of the backbone, which its normalisation makes 0.
    ``spacing``: millimetres to resample volumes to, one number or (left-right, back-front,
    foot-head), 0 to leave an axis as it is; None resamples nothing. Kept as three.
    ``channel``: which volume of a file with four axes, from 0. ``key``: which array of an npz,
    HDF5 or MATLAB file.
    ``modalities``: names of co-registered images that make up a study, from columns of a manifest;
    ``fusion``: ``rgb``, at most three as colours; ``late``, their frames are pooled apart and the
    features joined.
    ``decode``: ``device`` decodes plain JPEG files on a CUDA device, whose pixels differ a little
    (:mod:`featprobe.images.device_jpeg`); ``host`` is the readers of all other files.
    """

    plane: str = "auto"
    intensity: str = "auto"
    frames: str = "all"
    channels: str = "grey"
    fit: str = "stretch"
    spacing: tuple[float, float, float] | None = None
    channel: int | None = None
    key: str | None = None
    modalities: tuple[str, ...] = ()
    fusion: str = "rgb"
    decode: str = "host"

    def __post_init__(self) -> None:
        for name, kind in annotations_of(FrameRecipe).items():
            if name != "spacing":
                object.__setattr__(self, name, checked(name, getattr(self, name), kind, "frames"))
        _one_of("plane", self.plane, PLANES)
        _one_of("channels", self.channels, CHANNELS)
        _one_of("fit", self.fit, FITS)
        windows = parts(self.intensity)
        if self.channels == "neighbours" and len(windows) > 1:
            raise InputError(
                f"channels 'neighbours' and intensity {self.intensity!r} both fill the three "
                "channels; choose one of them"
            )
        frame_rule(self.frames)
        _one_of("fusion", self.fusion, FUSIONS)
        _one_of("decode", self.decode, DECODERS)
        if self.modalities and (self.channels != "grey" or len(windows) > 1):
            raise InputError(
                "modalities are grey frames with one intensity rule: channels 'neighbours' and "
                "rules for three colours do not go with them"
            )
        if len(self.modalities) > 3 and self.fusion == "rgb":
            raise InputError(
                f"{len(self.modalities)} modalities do not fit three colours; use fusion 'late'"
            )
        object.__setattr__(self, "spacing", _spacing(self.spacing))
        if self.channel is not None and self.channel < 0:
            raise InputError(f"channel {self.channel} must be at least 0, the first volume")
        if self.key == "" or "" in self.modalities:
            raise InputError("key and modalities are names, not empty texts")

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values, the inverse of ``FrameRecipe(**d)``; ``decode`` only where it is not
        ``host``, which the first keys do not have."""
        d = asdict(self)
        if self.decode == "host":
            del d["decode"]
        spacing = None if d["spacing"] is None else list(d["spacing"])
        return {**d, "spacing": spacing, "modalities": list(self.modalities)}

    @property
    def parts(self) -> int:
        """Equal runs of frames of an item that are pooled apart: the modalities of late fusion."""
        return max(1, len(self.modalities)) if self.fusion == "late" else 1


def frame_rule(rule: str) -> tuple[str, int]:
    """Split ``all``, ``foreground``, ``n=16`` or ``stride=2`` into its name and number (0: none).

    Raises :class:`InputError` for anything else.
    """
    name, _, number = rule.partition("=")
    if rule in ("all", "foreground"):
        return name, 0
    if name in ("n", "stride"):
        if not number.isdecimal() or int(number) < 1:
            raise InputError(
                f"frames {rule!r} needs a whole number above 0, for example '{name}=8'"
            )
        return name, int(number)
    raise InputError(f"unknown frames {rule!r}.{nearest(rule, FRAMES)} Use {', '.join(FRAMES)}")


def _one_of(what: str, value: str, known: Sequence[str]) -> None:
    if value not in known:
        raise InputError(
            f"unknown {what} {value!r}.{nearest(str(value), known)} Use one of {', '.join(known)}"
        )


def _spacing(value: Sequence[float] | float | None) -> tuple[float, float, float] | None:
    if value is None:
        return None
    try:
        given = [*value] if isinstance(value, (list, tuple)) else [value]
        numbers = [checked("spacing", v, float, "frames") for v in given]
    except (TypeError, InputError):
        numbers = []
    if len(numbers) == 1:
        numbers *= 3
    if len(numbers) != 3 or not all(0 <= v < np.inf for v in numbers) or not any(numbers):
        raise InputError(
            f"spacing {value!r} must be one or three millimetre values, 0 to leave an axis as it is"
        )
    return numbers[0], numbers[1], numbers[2]


def finite(array: np.ndarray, what: str) -> tuple[np.ndarray, tuple[str, ...]]:
    """Replace NaN and infinities by the lowest finite value, and say so.

    Returns the array (untouched where all is finite) and the notes. Raises
    :class:`UnreadableItem` when nothing is finite.
    """
    if array.dtype.kind != "f":
        return array, ()
    bad = ~np.isfinite(array)
    n = int(bad.sum())
    if not n:
        return array, ()
    if n == array.size:
        raise UnreadableItem(f"{what}: every value is NaN or infinite")
    low = array[~bad].min()
    return (
        np.where(bad, low, array),
        (f"{what}: {n} of {array.size} values are NaN or infinite, read as the lowest finite one",),
    )


def smallest(array: np.ndarray) -> np.ndarray:
    """The smallest of uint8, int16, uint16, int32 that holds the values exactly, else float32.

    uint8 stays; truth values become 0 and 255. Values beyond float32 become infinite, for
    :func:`finite` to name. Raises :class:`UnreadableItem` for what is no number.
    """
    if array.dtype == np.uint8:
        return array
    if array.dtype == bool:
        return array.astype(np.uint8) * np.uint8(255)
    if array.dtype.kind not in "iuf" or not array.size:
        raise UnreadableItem(f"an array of {array.size} {array.dtype} values is no image")
    if array.dtype.kind == "f" and not (
        np.isfinite(array).all() and (array == array.round()).all()
    ):
        with np.errstate(over="ignore"):
            return array.astype(np.float32)
    low, high = array.min(), array.max()
    for dtype in (np.int16, np.uint16, np.int32):
        if np.iinfo(dtype).min <= low and high <= np.iinfo(dtype).max:
            if isinstance(array, np.memmap):  # a file may change or go
                return array.astype(dtype)
            same = array.dtype == np.uint16 and dtype == np.int16  # bits, below 32768
            return array.view(np.int16) if same else array.astype(dtype, copy=False)
    return array.astype(np.float32)
