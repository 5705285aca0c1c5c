"""PNG files of plain grey or colour, several times as fast as through Pillow."""

from __future__ import annotations

from collections.abc import Callable
from typing import IO, Any

import numpy as np

SIGNATURE = b"\x89PNG\r\n\x1a\n"
HEADER = b"\0\0\0\rIHDR"  # what the first chunk begins with
TEXT = {b"tEXt", b"zTXt", b"iTXt"}
TURNS = (b"Raw profile type exif", b"XML:com.adobe.xmp")  # keywords of text that may turn an image
EXIF = b"eXIf"
# What changes no value: neither transparency nor a palette, an orientation or an animation.
PLAIN = {
    b"IHDR", b"IDAT", b"IEND", b"pHYs", b"gAMA", b"cHRM", b"sRGB", b"iCCP", b"tIME", b"sBIT",
    b"bKGD", b"hIST", *TEXT,
}  # fmt: skip


def chunks(f: IO[bytes]) -> set[bytes]:
    """The types of a file's chunks, :data:`EXIF` for all that may turn it; no pixels are read.

    Empty for what is no whole PNG. The position in the file is kept.
    """
    before, found = f.tell(), set()
    try:
        f.seek(0)
        if f.read(len(SIGNATURE)) != SIGNATURE:
            return set()
        while b"IEND" not in found:
            head = f.read(8)
            if len(head) < 8:
                return set()
            size, kind = int.from_bytes(head[:4], "big"), head[4:]
            start = f.tell()
            turns = kind in TEXT and f.read(32).startswith(TURNS)
            found.add(EXIF if turns else kind)
            f.seek(start + size + 4)
        return found
    finally:
        f.seek(before)


def decode(f: IO[bytes], size: tuple[int, int]) -> np.ndarray | None:
    """Pixels (H, W) or (H, W, 3) as they are stored, uint8 or, grey, uint16.

    ``size``: the width and height that the caller has allowed. None for a file that claims others,
    for every other kind of PNG and for what is damaged, for Pillow to read or to name. The position
    in the file is kept. The checksum of each chunk is verified, that of the stream inside is not.
    """
    from kornia_rs import io

    kinds: dict[bytes, tuple[Callable[..., Any], str]] = {  # by depth and type of colour
        b"\x08\x00": (io.decode_image_png_u8, "mono"),
        b"\x08\x02": (io.decode_image_png_u8, "rgb"),
        b"\x10\x00": (io.decode_image_png_u16, "mono"),
    }
    found = chunks(f)
    if not found or not found <= PLAIN:
        return None
    before = f.tell()
    f.seek(0)
    data = f.read()
    f.seek(before)
    claimed = tuple(int.from_bytes(data[a : a + 4], "big") for a in (16, 20))
    if data[8:16] != HEADER or claimed != size or data[24:26] not in kinds:
        return None
    read, mode = kinds[data[24:26]]
    try:
        array: np.ndarray = np.asarray(read(data, size[::-1], mode))
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException:  # a panic in Rust is no Exception
        return None
    return array[..., 0] if mode == "mono" else array
