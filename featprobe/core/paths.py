"""The two places a user can move: the cache and the data root."""

from __future__ import annotations

import os
from pathlib import Path

from featprobe.core.errors import InputError


def path_text(path: str | os.PathLike[str]) -> str:
    """A path as text. Raises :class:`InputError` for what is none, such as a number or a list."""
    if not isinstance(path, (str, os.PathLike)):
        raise InputError(f"expected a path, got {type(path).__name__} {str(path)[:60]}")
    text = os.fspath(path)
    if not isinstance(text, str) or "\0" in text:
        raise InputError(f"expected a path, got {text!r}, which no file can be called")
    return text


def expanded(path: str | os.PathLike[str]) -> Path:
    """A path with its ``~`` filled in; one of a user who is not known (``~0``) stays as written."""
    return Path(os.path.expanduser(path_text(path)))


def cache_root(cache: str | os.PathLike[str] | None = None) -> Path:
    """Where results, digests and generated data live: the argument, ``$FEATPROBE_CACHE``, or a
    default. Feature stores are there too, unless it is an address: see :func:`feature_root`.

    The default is the folder ``cache/`` of the clone that featprobe runs from, and
    ``~/.cache/featprobe`` for an installed package. It also stands in for an address (``s3://``):
    results are appended line by line, which an object store cannot do.
    """
    for chosen in (cache, os.environ.get("FEATPROBE_CACHE")):
        if chosen and "://" not in path_text(chosen):
            return expanded(chosen)
        if chosen and path_text(chosen).startswith("file://"):
            return Path(path_text(chosen).removeprefix("file://"))
    clone = Path(__file__).parents[2]
    if (clone / "setup.cfg").exists() and (clone / "cache").is_dir():
        return clone / "cache"
    return Path.home() / ".cache" / "featprobe"


def feature_root(cache: str | os.PathLike[str] | None = None) -> Path | str:
    """Where feature stores live: :func:`cache_root`, or an address that fsspec understands."""
    chosen = path_text(cache or os.environ.get("FEATPROBE_CACHE") or "")
    if "://" in chosen and not chosen.startswith("file://"):
        return chosen.rstrip("/")
    return cache_root(cache)


def data_root() -> Path | None:
    """``$FEATPROBE_DATA``: the folder that holds catalog data sets, each under its name."""
    root = os.environ.get("FEATPROBE_DATA")
    return expanded(root) if root else None
