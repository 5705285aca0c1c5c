"""Plain JPEG files decoded on a CUDA device, by torchvision through nvJPEG.

Its inverse transform and its enlarging of colours round otherwise than libjpeg's, which Pillow
uses: pixels differ by some grey levels. What decodes is therefore a part of the recipe of frames.
"""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import numpy as np
from PIL import ImageFile, JpegImagePlugin

from featprobe.core.errors import InputError, UnreadableItem, reason

PLAIN_SAMPLING = {(1, 1), (2, 1), (1, 2), (2, 2)}  # of brightness; colours have (1, 1)
END = b"\xff\xd9"

_device = "cuda"  # of this process
_here = threading.local()  # .stream: of this thread, so that nobody waits for the network


def needed() -> None:
    """Raise :class:`InputError` where nothing can be decoded on a device."""
    import torch

    if not torch.cuda.is_available():
        raise InputError(
            f"--decode device: torch {torch.__version__} sees no CUDA device here; leave it out: "
            "the pixels differ a little, and features are stored apart"
        )
    try:
        from torchvision.io import decode_jpeg  # noqa: F401
    except (ImportError, RuntimeError) as error:
        raise InputError(
            "--decode device needs torchvision beside this torch (pip install 'featprobe[jpeg]'): "
            f"{reason(error)}"
        ) from error


def prefer(device: str) -> None:
    """Decode on this device in this process."""
    global _device
    _device = device


def plain(image: ImageFile.ImageFile) -> bool:
    """Whether a file is a JPEG that all decoders read alike, but for rounding.

    Sequential, 8 bits, grey or YCbCr of the usual sampling, one picture. That it is not turned by
    EXIF, the caller knows.
    """
    if image.format != "JPEG" or not isinstance(image, JpegImagePlugin.JpegImageFile):
        return False
    if image.bits != 8 or image.info.get("progressive") or image.mode not in ("L", "RGB"):
        return False
    if image.mode == "L":
        return image.layers == 1
    (_, *first, _), *others = image.layer
    ycc = image.info.get("adobe_transform", 1) == 1
    named = [part[0] for part in image.layer] in ([0, 1, 2], [1, 2, 3])
    sampling = tuple(first) in PLAIN_SAMPLING and all(part[1:3] == (1, 1) for part in others)
    return ycc and named and sampling


def decode(path: Path, image: ImageFile.ImageFile) -> np.ndarray | None:
    """Pixels (H, W) or (H, W, 3) uint8 of a :func:`plain` file; None for what is no whole one.

    Pillow then reads or names it. Raises :class:`UnreadableItem` for what the device refuses.
    """
    if not plain(image) or image.fp is None:
        return None
    image.fp.seek(0)
    data = image.fp.read()
    if not data.rstrip(b"\0").endswith(END):
        return None
    try:
        pixels = _on_device(np.frombuffer(data, np.uint8).copy())
    except RuntimeError as error:
        raise UnreadableItem(
            f"{path}: not decoded on {_device}: {reason(error)}; '--decode host' may read it"
        ) from error
    found = pixels[..., 0] if pixels.shape[2] == 1 else pixels
    if found.shape[:2] != (image.height, image.width):
        raise UnreadableItem(
            f"{path}: {_device} makes {found.shape[1]} x {found.shape[0]} pixels of it, its header "
            f"says {image.width} x {image.height}"
        )
    return found


def _on_device(data: np.ndarray) -> np.ndarray:
    """The bytes of a file to (H, W, C) on the host."""
    import torch
    from torchvision.io import decode_jpeg

    with torch.cuda.device(_device):
        stream: Any = getattr(_here, "stream", None)
        if stream is None:
            stream = _here.stream = torch.cuda.Stream()
        with torch.cuda.stream(stream):
            pixels = decode_jpeg(torch.from_numpy(data), device=_device)
            return pixels.permute(1, 2, 0).cpu().contiguous().numpy()
