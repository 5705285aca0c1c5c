"""The two places a user can move: the cache and the data root."""

from __future__ import annotations

import os
from pathlib import Path


def cache_root(cache: str | os.PathLike[str] | None = None) -> Path:
    """Where stores and results live: the argument, ``$FEATPROBE_CACHE``, or a default.

    The default is the folder ``cache/`` of the clone that featprobe runs from, and
    ``~/.cache/featprobe`` for an installed package.
    """
    if cache is not None:
        return Path(cache).expanduser()
    if os.environ.get("FEATPROBE_CACHE"):
        return Path(os.environ["FEATPROBE_CACHE"]).expanduser()
    clone = Path(__file__).parent.parent
    if (clone / "setup.cfg").exists() and (clone / "cache").is_dir():
        return clone / "cache"
    return Path.home() / ".cache" / "featprobe"


def data_root() -> Path | None:
    """``$FEATPROBE_DATA``: the folder that holds catalog data sets, each under its name."""
    root = os.environ.get("FEATPROBE_DATA")
    return Path(root).expanduser() if root else None
