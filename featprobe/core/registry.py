"""Names to plug-ins, without importing them.

A kind of plug-in (probes, data sets) lives in one package of featprobe, one module each; listing
the names reads file names only, and a module is imported when its name is asked for. Another
distribution or a script adds its own as :mod:`featprobe.core.plugins` says.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any

from featprobe.core.errors import UnknownName, nearest
from featprobe.core.plugins import added, usable


class Registry:
    """The plug-ins of one kind.

    ``package``: dotted name of the package whose public modules are the plug-ins, each of which
    defines ``attribute``. ``names``, a mapping name -> module, adds names that are not module
    names, several of which may share a module: there ``attribute`` is a mapping name -> plug-in,
    and the module's own name is none. ``exclude``: modules of the package that are no plug-ins.
    ``aliases``: other names of plug-ins, small, which :meth:`named` and :meth:`get` know.
    A name that two have, or a plug-in of others and a built-in one, is an error when it is asked
    for.
    """

    def __init__(
        self,
        kind: str,
        package: str,
        attribute: str,
        names: Mapping[str, str] | None = None,
        exclude: Collection[str] = (),
        aliases: Mapping[str, str] | None = None,
    ) -> None:
        self.kind, self.package, self.attribute = kind, package, attribute
        self._names, self._exclude = names or {}, exclude
        self.aliases = aliases or {}

    def _builtin(self) -> dict[str, Callable[[], Any]]:
        folder = Path(__file__).parents[1].joinpath(*self.package.split(".")[1:])
        modules = {m.name for m in pkgutil.iter_modules([str(folder)])}
        modules -= {*self._names.values(), *self._exclude}
        found = {m: self._loader(m) for m in modules if not m.startswith("_")}
        return found | {n: self._loader(m, n) for n, m in self._names.items()}

    def _loader(self, module: str, member: str | None = None) -> Callable[[], Any]:
        def load() -> Any:
            value = getattr(importlib.import_module(f"{self.package}.{module}"), self.attribute)
            return value if member is None else value[member]

        return load

    def _all(self) -> dict[str, Callable[[], Any]]:
        found = self._builtin()
        return found | added(self.kind, found)

    def names(self) -> list[str]:
        """All names, sorted. Imports no plug-in."""
        return sorted(self._all())

    def __contains__(self, name: str) -> bool:
        return name in self._all()

    def named(self, name: str) -> str:
        """The name that is meant: an alias or a name, in any case and with ``-`` for ``_``.

        What is none of both stays.
        """
        small = name.lower().replace("-", "_")
        return self.aliases.get(small, small if name not in self and small in self else name)

    def all(self) -> dict[str, Any]:
        """Name -> plug-in. One that cannot be used is left out, which is said once."""
        return usable(dict(sorted(self._all().items())))

    def get(self, name: str) -> Any:
        """The plug-in of that name; :class:`UnknownName` with the nearest one otherwise."""
        found = self._all()
        name = self.named(name)
        if name not in found:
            known = ", ".join(sorted(found))
            raise UnknownName(f"unknown {self.kind} {name!r}.{nearest(name, found)} Known: {known}")
        return found[name]()
