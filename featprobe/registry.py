"""Names to plug-ins, without importing them.

A kind of plug-in (probes, data sets) lives in one package of featprobe, one module each; listing
the names reads file names only, and a module is imported when its name is asked for. Another
distribution adds its own through an entry point group ``featprobe.<kind>``.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import pkgutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from featprobe.errors import FeatprobeError, UnknownName, nearest


class Registry:
    """The plug-ins of one kind.

    ``package``: dotted name of the package whose public modules are the plug-ins, each of which
    defines ``attribute``. Names that differ from module names come from ``names``, a mapping
    name -> module. Entry points of the group ``featprobe.<kind>`` must not reuse a built-in name.
    """

    def __init__(
        self, kind: str, package: str, attribute: str, names: dict[str, str] | None = None
    ) -> None:
        self.kind, self.package, self.attribute = kind, package, attribute
        self._names = names

    def _builtin(self) -> dict[str, Callable[[], Any]]:
        names = self._names
        if names is None:
            folder = Path(__file__).parent.joinpath(*self.package.split(".")[1:])
            found = (m.name for m in pkgutil.iter_modules([str(folder)]))
            names = {n: n for n in found if not n.startswith("_")}
        return {name: self._loader(module) for name, module in names.items()}

    def _loader(self, module: str) -> Callable[[], Any]:
        def load() -> Any:
            return getattr(importlib.import_module(f"{self.package}.{module}"), self.attribute)

        return load

    def _all(self) -> dict[str, Callable[[], Any]]:
        found = self._builtin()
        for point in importlib.metadata.entry_points(group=f"featprobe.{self.kind}"):
            if point.name in found:
                raise FeatprobeError(
                    f"two {self.kind} are named {point.name!r}: {point.value} must use another name"
                )
            found[point.name] = point.load
        return found

    def names(self) -> list[str]:
        """All names, sorted. Imports no plug-in."""
        return sorted(self._all())

    def __contains__(self, name: str) -> bool:
        return name in self._all()

    def get(self, name: str) -> Any:
        """The plug-in of that name; :class:`UnknownName` with the nearest one otherwise."""
        found = self._all()
        if name not in found:
            known = ", ".join(sorted(found))
            raise UnknownName(f"unknown {self.kind} {name!r}.{nearest(name, found)} Known: {known}")
        return found[name]()
