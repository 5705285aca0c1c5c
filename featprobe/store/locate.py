"""From a path or an address to the place that it names."""

from __future__ import annotations

import os
from pathlib import Path

from featprobe.store.place import LocalPlace, Place, Where
from featprobe.store.remote import RemotePlace


def place(where: Where | Place) -> Place:
    """The place of a path or an address; ``file://`` addresses are paths."""
    if isinstance(where, Place):
        return where
    text = os.fspath(where)
    if text.startswith("file://"):
        text = text.removeprefix("file://")
    elif "://" in text:
        return RemotePlace(text)
    return LocalPlace(Path(text).expanduser())  # in the one spelling that pathlib gives
