"""Sealed safetensors files, as saved probes and decoders are: read and checked in one place."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from featprobe.core.errors import FeatprobeError, MissingPath, StoreError, reason
from featprobe.core.paths import expanded
from featprobe.probes.saving import seal


def read_sealed(
    path: str | os.PathLike[str], key: str, version: int, what: str
) -> tuple[Path, dict[str, Any], dict[str, np.ndarray]]:
    """Read the file, its JSON header under ``key`` of the metadata, and its arrays by name.

    Raises :class:`MissingPath`, or :class:`StoreError` for a file that is damaged, no saved
    ``what``, or of a format above ``version``; no code in the file is run.
    """
    file = expanded(path)
    if not file.is_file():
        raise MissingPath(f"{file}: no such saved {what}")
    from safetensors import safe_open

    try:
        with safe_open(file, framework="np") as f:
            metadata = f.metadata() or {}
            text = metadata.get(key)
            arrays = {n: f.get_tensor(n) for n in f.keys()} if text else {}  # noqa: SIM118
    except Exception as error:  # safetensors raises classes of its own
        raise StoreError(f"{file}: not a readable saved {what} ({reason(error)})") from error
    if text is None:
        raise StoreError(f"{file}: a safetensors file, but not a {what} saved by featprobe")
    with damage_named(file, what):
        header = json.loads(text)
        found = header["format"]
        if not isinstance(found, int) or found > version:
            raise StoreError(
                f"{file}: saved by featprobe {header.get('featprobe')} in format {found!r}; this "
                f"one reads up to {version}: upgrade featprobe"
            )
        if metadata.get("seal") != seal(text, arrays):
            raise StoreError(f"{file}: a damaged saved {what} (it is not what was written)")
    return file, header, arrays


@contextmanager
def damage_named(file: Path, what: str) -> Iterator[None]:
    """Raise :class:`StoreError` that names the file for whatever its content makes fail."""
    try:
        yield
    except FeatprobeError as error:
        raise StoreError(error if str(file) in str(error) else f"{file}: {error}") from error
    except Exception as error:  # a header that was tampered with fails in any way
        raise StoreError(f"{file}: a damaged saved {what} ({reason(error)})") from error
