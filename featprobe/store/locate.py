"""From a path or an address to its StoragePath."""

from __future__ import annotations

import os

from featprobe.core.paths import expanded
from featprobe.store.remote import RemotePath
from featprobe.store.storage_path import LocalPath, StoragePath, Where


def storage_path(where: Where | StoragePath) -> StoragePath:
    """The StoragePath of a path or an address; ``file://`` addresses are paths."""
    if isinstance(where, StoragePath):
        return where
    text = os.fspath(where)
    if text.startswith("file://"):
        text = text.removeprefix("file://")
    elif "://" in text:
        return RemotePath(text)
    return LocalPath(expanded(text))  # in the one spelling that pathlib gives
