"""Versions of installed packages, as stores and results record them."""

from __future__ import annotations

from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, version

from featprobe.core._version import __version__


def version_of(package: str) -> str | None:
    """The version of an installed package, None where it is not installed. Imports nothing."""
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def versions_of(packages: Iterable[str]) -> dict[str, str]:
    """featprobe's version, and those of the packages that are installed."""
    found = {name: version_of(name) for name in packages}
    return {"featprobe": __version__, **{n: v for n, v in found.items() if v is not None}}
