"""The two places a user can move: the cache and the data root."""

from __future__ import annotations

import os
from pathlib import Path


def expanded(path: str | os.PathLike[str]) -> Path:
    """A path with its ``~`` filled in; one of a user who is not known (``~0``) stays as written."""
    return Path(os.path.expanduser(path))


def cache_root(cache: str | os.PathLike[str] | None = None) -> Path:
    """Where results, digests and generated data live: the argument, ``$FEATPROBE_CACHE``, or a
    default. Feature stores are there too, unless it is an address: see :func:`feature_root`.

    The default is the folder ``cache/`` of the clone that featprobe runs from, and
    ``~/.cache/featprobe`` for an installed package. It also stands in for an address (``s3://``):
    results are appended line by line, which an object store cannot do.
    """
    for chosen in (cache, os.environ.get("FEATPROBE_CACHE")):
        if chosen and "://" not in os.fspath(chosen):
            return expanded(chosen)
        if chosen and os.fspath(chosen).startswith("file://"):
            return Path(os.fspath(chosen).removeprefix("file://"))
    clone = Path(__file__).parents[2]
    if (clone / "setup.cfg").exists() and (clone / "cache").is_dir():
        return clone / "cache"
    return Path.home() / ".cache" / "featprobe"


def feature_root(cache: str | os.PathLike[str] | None = None) -> Path | str:
    """Where feature stores live: :func:`cache_root`, or an address that fsspec understands."""
    chosen = os.fspath(cache or os.environ.get("FEATPROBE_CACHE") or "")
    if "://" in chosen and not chosen.startswith("file://"):
        return chosen.rstrip("/")
    return cache_root(cache)


def data_root() -> Path | None:
    """``$FEATPROBE_DATA``: the folder that holds catalog data sets, each under its name."""
    root = os.environ.get("FEATPROBE_DATA")
    return expanded(root) if root else None
