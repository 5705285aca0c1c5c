"""Which pixel value is black and which is white.

Every rule comes down to a pair (low, high) for one item; the device then computes
``clip((x - low) / (high - low), 0, 1)``, and 0 everywhere for a constant item.

Rules, as text:

``auto``            A file that says how to be shown (DICOM: window, VOI LUT, sigmoid): that.
                    Bytes: 0 to 255; a volume of bytes up to 15 (labels): 0 to the highest. Colour
                    of other values: 0 to the next of 1 (floating point), 255, 1023, 4095, 16383,
                    65535; a data set settles one for all its items
                    (:func:`featprobe.datasets.shared_intensity.settle`).
                    Otherwise ``percentile=0.5,99.5`` of a volume, ``minmax`` of a single image.
``dataset``         one range for all items: the same percentiles of the whole data set, settled
                    as ``range=A,B`` before anything is read.
``file``            how the file asks to be shown; an item without it is unreadable.
``minmax``          lowest to highest value of the item.
``percentile=A,B``  those percentiles of the item's values.
``cut=A,B``         as that, but what lies at or below the A-th percentile becomes 0 and the rest
                    keeps its value: black is the lowest value then, 0 of positive images.
``clamp=A,B``       lowest to highest value of the item between A and B (-inf, inf: no bound).
``zscore``          the item's mean minus to plus 3 standard deviations; ``zscore=K`` for another
                    number of them.
``none``            the values as stored: 0 to 255 (uint8), 0 to 65535 (uint16), 0 to 1 (floating
                    point); an item of other values is unreadable.
``range=A,B``       fixed values, for example Hounsfield units ``range=-1024,600``.
``window=C,W``      the same by centre and width.
``lung``            and the other names of ``PRESETS``: CT windows in Hounsfield units.
``A+B+C``           three rules, one for each colour channel of grey frames:
                    ``lung+mediastinum+bone``.

Padding takes no part in a rule and is black.
"""

from __future__ import annotations

import numpy as np

from featprobe.core.errors import InputError, UnreadableItem
from featprobe.images.decoded_image import DecodedImage
from featprobe.images.rules import parts

_ENDS = (1.0, 255.0, 1023.0, 4095.0, 16383.0, 65535.0)
_LABELS = 16  # a volume of bytes below it holds labels, not grey values
WHITE = 65535
_NATURAL = {"uint8": 255.0, "uint16": 65535.0, "float32": 1.0}
Levels = tuple[float, float] | tuple[np.ndarray, np.ndarray]


def value_range(image: DecodedImage, rule: str = "auto") -> Levels:
    """(low, high) of one item under a rule: two numbers, or two arrays (3,) for ``A+B+C``.

    Equal for a constant item, never NaN. What the reader settled (``levels``) stands. Looks at the
    whole stack where frames were chosen from one. Where the file's own display is no window and
    the rule asks for it, two arrays of the pixels' shape; :func:`shown` has the pixels instead.
    """
    if image.levels is not None:
        return image.levels
    if _by_curve(image, rule):
        black = image.pixels - _brightness(image)
        return black, black + 1
    pairs = [_range(image, name, numbers) for name, numbers in parts(rule)]
    if len(pairs) == 1:
        return pairs[0]
    if image.pixels.ndim == 4:
        raise UnreadableItem(
            f"intensity rule {rule!r} makes colour channels of grey frames; these have channels"
        )
    low, high = np.array(pairs).T
    return low, high


def apply_rule(image: DecodedImage, rule: str = "auto") -> tuple[np.ndarray, Levels]:
    """Pixels and (low, high) between which they go from black to white under a rule.

    The pixels are those of the image, but for a display that is no window (brightness as uint16)
    and for padding that would not be black (at ``low`` then).
    """
    if image.levels is None and _by_curve(image, rule):
        bright = np.rint(_brightness(image) * WHITE).astype(np.uint16)
        if image.padding is not None:
            bright[image.pixels <= image.padding] = 0
        return bright, (0.0, float(WHITE))
    if image.levels is None and rule.startswith("cut="):
        return _cut(image, rule)
    levels = value_range(image, rule)
    pixels, black = image.pixels, float(np.min(levels[0]))
    if image.padding is not None and image.padding > black:
        outside = pixels <= image.padding
        if outside.any():
            wide = np.int32 if pixels.dtype.kind in "iu" else np.float32
            pixels = np.where(outside, np.floor(black), pixels).astype(wide)
    return pixels, levels


def _cut(image: DecodedImage, rule: str) -> tuple[np.ndarray, Levels]:
    """Pixels of which those at or below a percentile are 0, with padding, and what is shown."""
    ((_, numbers),) = parts(rule)
    levels = _range(image, "cut", numbers)
    outside = image.pixels <= np.percentile(_inside(image), numbers[0] if numbers else 0)
    if image.padding is not None:
        outside |= image.pixels <= image.padding
    return np.where(outside, 0, image.pixels).astype(image.pixels.dtype), levels


def rule_of(image: DecodedImage, rule: str = "auto") -> str:
    """What a rule comes down to for one item, in words: ``auto`` is another for each kind."""
    if image.levels is not None or rule not in ("auto", "file"):
        return rule
    if image.display is not None:
        table = image.display.table is not None
        return "VOI LUT of the file" if table else "sigmoid of the file"
    if image.window is not None:
        return "window of the file"
    name, numbers = _automatic(image)
    return name if numbers is None else f"{name} {numbers[0]:g} to {numbers[1]:g}"


def _by_curve(image: DecodedImage, rule: str) -> bool:
    return rule in ("auto", "file") and image.display is not None


def _brightness(image: DecodedImage) -> np.ndarray:
    """What the curve of the file makes of the pixels, from the darkest of the item to its
    brightest: tables often use a part of the range that they declare."""
    assert image.display is not None
    ends = image.display(_inside(image))
    low, high = float(ends.min()), float(ends.max())
    bright = image.display(image.pixels)
    return np.clip((bright - low) / (high - low), 0, 1) if high > low else np.zeros_like(bright)


def _automatic(image: DecodedImage) -> tuple[str, tuple[float, float] | None]:
    """The rule of ``auto`` for an item whose file does not say how to be shown."""
    pixels = image.pixels if image.whole is None else image.whole
    if pixels.dtype == np.uint8:
        labels = image.affine is not None and pixels.ndim == 3 and pixels.max() < _LABELS
        return ("minmax", None) if labels and pixels.max() else ("range", (0.0, 255.0))
    if pixels.ndim == 4:
        white = natural_white(float(max(-pixels.min(), pixels.max())), pixels.dtype.kind == "f")
        return "range", (-white if pixels.min() < 0 else 0.0, white)
    return ("percentile", (0.5, 99.5)) if len(pixels) > 1 else ("minmax", None)


def natural_white(highest: float, floating: bool) -> float:
    """The white of colours up to ``highest``: the next end of a usual range."""
    ends = _ENDS if floating else _ENDS[1:]
    return next((e for e in ends if highest <= e * (1 + 1e-6)), highest)


def _inside(image: DecodedImage) -> np.ndarray:
    """The values that rules look at: the whole stack, without padding."""
    pixels = image.pixels if image.whole is None else image.whole
    if image.padding is None:
        return pixels
    inside = pixels[pixels > image.padding]
    return inside if inside.size else pixels


def _range(
    image: DecodedImage, name: str, numbers: tuple[float, float] | None
) -> tuple[float, float]:
    if name == "auto":
        if image.window is not None:
            return image.window
        name, numbers = _automatic(image)
    if name == "file":
        if image.window is None:
            raise UnreadableItem("the file carries no display window; use another --intensity")
        return image.window
    if name == "dataset":
        raise InputError("intensity 'dataset' is settled for a data set, not for one item")
    if name == "range":
        assert numbers is not None
        return numbers
    pixels = _inside(image)
    if name == "none":
        return _natural(pixels)
    if name == "zscore":
        assert numbers is not None
        mean, deviation = float(pixels.mean(dtype=float)), float(pixels.std(dtype=float))
        return mean - numbers[0] * deviation, mean + numbers[1] * deviation
    if name == "clamp":
        assert numbers is not None
        low, high = np.clip([pixels.min(), pixels.max()], *numbers)
        return float(low), float(high)
    if name == "cut":
        assert numbers is not None
        low, high = np.percentile(pixels, numbers)
        kept = pixels[pixels > low]
        black = min(0.0, float(kept.min())) if kept.size else 0.0
        return black, max(black, float(high))
    if name == "percentile":
        assert numbers is not None
        low, high = np.percentile(pixels, numbers)
        if low < high:
            return float(low), float(high)
    return float(pixels.min()), float(pixels.max())


def _natural(pixels: np.ndarray) -> tuple[float, float]:
    """Black and white of a dtype, for ``none``."""
    white = _NATURAL.get(pixels.dtype.name)
    if white is None or pixels.min() < 0 or pixels.max() > white:
        raise UnreadableItem(
            f"intensity 'none' takes uint8, uint16 or values from 0 to 1; these are "
            f"{pixels.dtype} from {pixels.min():g} to {pixels.max():g}; use range=A,B"
        )
    return 0.0, white
