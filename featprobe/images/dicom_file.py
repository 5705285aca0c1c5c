"""Opening DICOM files, whole or broken, without letting header text out."""

from __future__ import annotations

import gzip
import io
import logging
import re
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from featprobe.core.errors import FeatprobeError, UnreadableItem
from featprobe.core.opening import reading
from featprobe.images.limits import DEFLATE_RATIO, Clamped, max_pixels

SUFFIXES = (".dcm", ".dicom", ".ima", ".dcm.gz")
# From the first quote that opens (no apostrophe; b'...' is one) to the last quote or the end.
_QUOTED = re.compile(r"(?:(?<!\w)|(?<=\bb))(?:['\"].*['\"]|['\"].*$)")
_GZIP = b"\x1f\x8b"
_DEFLATED = "1.2.840.10008.1.2.1.99"
_ENCODINGS = {  # (implicit VR, little endian) -> transfer syntax of a file that names none
    (True, True): "1.2.840.10008.1.2",
    (False, True): "1.2.840.10008.1.2.1",
    (False, False): "1.2.840.10008.1.2.2",
}


def is_dicom(path: Path) -> bool:
    """True for a DICOM suffix or the ``DICM`` mark after the preamble, also inside gzip."""
    if path.name.lower().endswith(SUFFIXES):
        return True
    try:
        with reading(path) as f:
            start = f.read(132)
            if start[:2] == _GZIP:
                f.seek(0)
                with gzip.open(f) as unpacked:
                    start = unpacked.read(132)
    except (OSError, EOFError, zlib.error):
        return False
    return start[128:] == b"DICM"


@contextmanager
def named(path: Path) -> Iterator[None]:
    """Turn what a parser raises into :class:`UnreadableItem` with the path.

    Quoted parts of a parser's message are header values, which may be a patient's: left out.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except (FeatprobeError, FileNotFoundError, PermissionError):
        raise
    except Exception as error:
        text = _QUOTED.sub("...", " ".join(str(error).split()))
        raise UnreadableItem(
            f"{path}: damaged or unusual DICOM file: {type(error).__name__}: {text[:300]}"
        ) from error


def dataset(path: Path, **options: Any) -> Any:
    """A pydicom Dataset; ``options`` go to ``dcmread``.

    A file without preamble and meta header is accepted when it holds an image or names its SOP
    class; its encoding is told from its first element. Call inside :func:`named`.
    """
    import pydicom
    from pydicom.errors import InvalidDicomError

    # What pydicom warns of and logs quotes header values, which may be a patient's.
    pydicom.config.settings.reading_validation_mode = pydicom.config.IGNORE
    logging.getLogger("pydicom").setLevel(logging.CRITICAL)
    with _open(path) as f:
        try:
            ds = pydicom.dcmread(f, **options)
        except InvalidDicomError:
            f.seek(0)
            ds = pydicom.dcmread(f, force=True, **options)
            if "Rows" not in ds and "SOPClassUID" not in ds:
                raise UnreadableItem(f"{path}: not a DICOM file") from None
    if not getattr(ds, "file_meta", None):
        ds.file_meta = pydicom.dataset.FileMetaDataset()
    if "TransferSyntaxUID" not in ds.file_meta:
        implicit, little = ds.original_encoding
        syntax = _ENCODINGS[bool(implicit), bool(little)]
        ds.file_meta.TransferSyntaxUID = pydicom.uid.UID(syntax)
    return ds


def _open(path: Path) -> BinaryIO:
    """The file, unpacked where it is gzip; a bomb, also a deflated data set, is refused."""
    most = max_pixels() * 4
    size = path.stat().st_size
    f = Clamped(path)
    start = f.read(4096)
    f.seek(0)
    if start[:2] == _GZIP:
        with f, gzip.open(f) as unpacked:
            data = unpacked.read(most + 1)
        if len(data) > most:
            raise _bomb(path, most)
        return io.BytesIO(data)
    if size * DEFLATE_RATIO > most and _DEFLATED.encode() in start:
        with f:
            _check_deflated(path, most)
        return Clamped(path)
    return f


def _check_deflated(path: Path, most: int) -> None:
    from pydicom.filereader import read_file_meta_info, read_preamble

    with reading(path) as f:
        read_preamble(f, force=False)
        length = int(read_file_meta_info(path).FileMetaInformationGroupLength) + 12
        f.seek(132 + length)
        unpack, total = zlib.decompressobj(-zlib.MAX_WBITS), 0
        block = f.read(1 << 16)
        while block and not unpack.eof:
            total += len(unpack.decompress(block, 1 << 22))
            block = unpack.unconsumed_tail or f.read(1 << 16)
            if total > most:
                raise _bomb(path, most)


def _bomb(path: Path, most: int) -> UnreadableItem:
    return UnreadableItem(
        f"{path}: unpacks to more than {most} bytes; set FEATPROBE_MAX_PIXELS to allow it"
    )


def numbers(ds: Any, name: str, count: int) -> tuple[float, ...] | None:
    """The finite values of an element, or None when it is absent, damaged or of another length."""
    try:
        values = tuple(float(v) for v in ds.get(name) or ())
    except Exception:  # a damaged value is an absent one
        return None
    return values if len(values) == count and np.isfinite(values).all() else None


def whole_number(ds: Any, name: str, default: int) -> int:
    """An element's whole number; its leading digits where it is like ``1A``, else ``default``."""
    try:
        found = re.match(r"\s*-?\d{1,12}", str(ds.get(name)))
    except Exception:  # a damaged value is an absent one
        found = None
    return int(found.group()) if found else default


def group(ds: Any, frame: int, name: str) -> Any:
    """A functional group macro of a frame, per-frame before shared (PS3.3 C.7.6.16), or None."""
    for sequence, i in (("PerFrameFunctionalGroupsSequence", frame),
                        ("SharedFunctionalGroupsSequence", 0)):  # fmt: skip
        items = ds.get(sequence)
        if items and i < len(items) and items[i].get(name):
            return items[i].get(name)[0]
    return None
