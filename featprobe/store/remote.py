"""Paths behind an fsspec address such as ``s3://``."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from featprobe.core.errors import InputError, MissingExtra, reason
from featprobe.store.storage_path import Buffer, LocalPath, StoragePath


class RemotePath(StoragePath):
    """A path behind an fsspec address; needs put, get, list and remove alone."""

    def __init__(self, url: str) -> None:
        self._url = url.rstrip("/")

    @property
    def _at(self) -> tuple[Any, str]:
        """The file system and the path in it; fsspec keeps one of each kind for every process."""
        import fsspec

        try:
            fs, path = fsspec.core.url_to_fs(self._url, use_listings_cache=False)
        except ImportError as error:
            kind = self._url.partition(":")[0]
            raise MissingExtra(
                f"{self._url}: the package for {kind} addresses is not installed "
                f"({reason(error)}); pip install 'featprobe[s3]' brings that of s3"
            ) from error
        except ValueError as error:
            raise InputError(f"{self._url}: {reason(error)}") from error
        return fs, path

    def __str__(self) -> str:
        return self._url

    @property
    def name(self) -> str:
        return self._url.rpartition("/")[2]

    @property
    def parent(self) -> StoragePath:
        return RemotePath(self._url.rpartition("/")[0])

    def __truediv__(self, part: str) -> RemotePath:
        return RemotePath(f"{self._url}/{part}")

    def exists(self) -> bool:
        fs, path = self._at
        return bool(fs.exists(path))

    def size(self) -> int:
        fs, path = self._at
        try:
            return int(fs.size(path) or 0)
        except FileNotFoundError:
            return 0

    def read(self, start: int = 0, stop: int | None = None) -> bytes:
        fs, path = self._at
        return bytes(fs.cat_file(path, start=start or None, end=stop))

    def write(self, *data: Buffer, sync: bool = True) -> None:
        fs, path = self._at
        fs.pipe_file(path, b"".join(data))

    def names(self) -> list[str]:
        fs, path = self._at
        fs.invalidate_cache(path)
        try:
            found = fs.ls(path, detail=False)
        except (FileNotFoundError, NotADirectoryError):
            return []
        return sorted({n.rstrip("/").rpartition("/")[2] for n in found} - {""})

    def files(self) -> Iterator[tuple[str, int]]:
        fs, path = self._at
        fs.invalidate_cache(path)
        for name, info in fs.find(path, detail=True).items():
            yield name.rpartition(f"{path.strip('/')}/")[2], int(info.get("size") or 0)

    def adopt(self, folder: Path, last: str) -> None:
        if (self / last).exists():
            raise FileExistsError(f"{self} is there already")
        names = sorted(n for n, _ in LocalPath(folder).files())
        for name in sorted(names, key=lambda n: n == last):
            (self / name.replace(os.sep, "/")).write((folder / name).read_bytes())

    def remove(self) -> None:
        fs, path = self._at
        with contextlib.suppress(FileNotFoundError):
            fs.rm(path, recursive=True)
        fs.invalidate_cache()
