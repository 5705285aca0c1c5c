"""What other packages and scripts add: one decorator, and one rule for entry points.

A script says ``@featprobe.register("metric", "youden")`` above a function or class. A package says
the same in its metadata, where processes that featprobe starts find it too: an entry point of the
group ``featprobe.<kind>s``, such as ``featprobe.metrics``, under the name of the plug-in. Names are
listed without importing anything.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import math
import sys
import warnings
from collections.abc import Callable, Collection, Mapping
from functools import cache
from typing import Any, TypeVar

from featprobe.core.errors import FeatprobeError, InputError, nearest, reason

T = TypeVar("T")

# Kind -> the class that a plug-in is (a subclass or an instance of it); None: a function.
KINDS: dict[str, tuple[str, str] | None] = {
    "backbone": ("featprobe.backbones.spec", "ModelSpec"),
    "dataset": ("featprobe.datasets.entry", "Entry"),
    "reader": None,
    "probe": ("featprobe.probes.base", "Probe"),
    "metric": None,
    "recipe": ("featprobe.finetuning.recipes.base", "Recipe"),
    "importer": None,
}
REQUIRED = object()
# What is said of a function when it is registered: option -> (types, default)
FACTS: dict[str, dict[str, tuple[Any, Any]]] = {
    "reader": {
        "suffixes": ((tuple, list), REQUIRED), "version": (int, 1),
        "header": ((Callable, type(None)), None),
    },
    "metric": {
        "tasks": ((tuple, list), ("multiclass",)), "label": (str, ""), "higher": (bool, True),
        "low": ((int, float), -math.inf), "high": ((int, float), math.inf),
    },
    "importer": {"suffixes": ((tuple, list), ())},
}  # fmt: skip
_MARK = "__featprobe__"
_here: dict[str, dict[str, Any]] = {kind: {} for kind in KINDS}
_said: set[str] = set()


def register(kind: str, name: str, /, **facts: Any) -> Callable[[T], T]:
    """Add a class or function to what featprobe knows, in this process, under a name.

    ``kind``: ``backbone`` (a :class:`~featprobe.backbones.spec.ModelSpec`, or a function
    ``(init, seed) -> Backbone``), ``dataset`` (an :class:`~featprobe.datasets.entry.Entry`, or a
    function ``(root) -> Dataset``), ``reader``, ``probe``, ``metric``, ``recipe`` or ``importer``;
    ``facts``: what is to be known of a function, see :data:`FACTS`. Returns what it is given.

    Raises :class:`InputError` for another kind, name, fact or object than is expected. A second one
    of the same name replaces the first only if it is the same definition, run again.
    """
    if kind not in KINDS:
        raise InputError(f"no plug-ins of kind {kind!r}.{nearest(str(kind), KINDS)} {_known()}")
    if not isinstance(name, str) or not name or name != name.strip():
        raise InputError(f"a {kind} is registered under a name, a text, not {name!r}")
    known = FACTS.get(kind, {})
    for fact, value in facts.items():
        if fact not in known:
            has = ", ".join(known) or "none"
            raise InputError(f"a {kind} has no {fact!r}.{nearest(fact, known)} It has: {has}")
        if not isinstance(value, known[fact][0]):
            raise InputError(f"{kind} {name}: {fact}={value!r} is not {_words(known[fact][0])}")
    for fact, (_, default) in known.items():
        if default is REQUIRED and fact not in facts:
            raise InputError(f"{kind} {name}: {fact}=... is missing")

    def add(plugin: T) -> T:
        check(kind, name, plugin)
        there = _here[kind].get(name)
        if there is not None and _definition(there) != _definition(plugin):
            raise InputError(
                f"two {kind}s are named {name!r}: {'.'.join(_definition(there))} and "
                f"{'.'.join(_definition(plugin))}; one must use another name"
            )
        if known:
            setattr(plugin, _MARK, facts_of(kind, None) | facts)
        _here[kind][name] = plugin
        return plugin

    return add


def check(kind: str, name: str, plugin: Any) -> None:
    """Raise :class:`InputError` where a plug-in is not what its kind has to be."""
    base = KINDS[kind]
    if base is None or (kind in ("backbone", "dataset") and _function(plugin)):
        if not callable(plugin):
            raise InputError(f"{kind} {name}: expected a function, got {_came(plugin)}")
        return
    wanted = getattr(importlib.import_module(base[0]), base[1])
    right = (
        isinstance(plugin, wanted)
        if kind in ("backbone", "dataset")
        else isinstance(plugin, type) and issubclass(plugin, wanted)
    )
    if not right:
        form = "an instance" if kind in ("backbone", "dataset") else "a subclass"
        raise InputError(f"{kind} {name}: expected {form} of {'.'.join(base)}, got {_came(plugin)}")


def facts_of(kind: str, plugin: Any) -> dict[str, Any]:
    """What was said of a function when it was registered, defaults where nothing was."""
    return {f: default for f, (_, default) in FACTS.get(kind, {}).items()} | getattr(
        plugin, _MARK, {}
    )


def added(kind: str, taken: Collection[str] = ()) -> dict[str, Callable[[], Any]]:
    """Name -> a function that loads the plug-in, of those that are not featprobe's own.

    Raises :class:`FeatprobeError` where two have one name, or that of a built-in one (``taken``).
    """
    found: dict[str, Callable[[], Any]] = {}
    for point in _points(kind):
        if point.name in taken or point.name in found:
            raise FeatprobeError(
                f"two {kind}s are named {point.name!r}: {_of(point)} must use another name"
            )
        found[point.name] = lambda point=point: _load(kind, point)
    for name, plugin in _here[kind].items():
        if name in taken:
            raise FeatprobeError(f"two {kind}s are named {name!r}: register yours by another name")
        found[name] = lambda plugin=plugin: plugin  # that of a package was registered by its import
    return found


def loaded(kind: str, taken: Collection[str] = ()) -> dict[str, Any]:
    """All plug-ins of a kind, loaded. One that cannot be is left out, which is said once."""
    found = {}
    for name, load in added(kind, taken).items():
        try:
            found[name] = load()
        except FeatprobeError as error:
            if str(error) not in _said:
                _said.add(str(error))
                warnings.warn(f"{error}; the rest goes on without it", stacklevel=2)
    return found


def forget(kind: str, name: str) -> None:
    """Take back what :func:`register` added in this process (for tests and notebooks)."""
    _here[kind].pop(name, None)


def _load(kind: str, point: importlib.metadata.EntryPoint) -> Any:
    try:
        plugin = point.load()
    except Exception as error:
        raise InputError(
            f"{kind} {point.name!r} of {_of(point)} cannot be loaded: {reason(error)}; mend or "
            "uninstall that package"
        ) from error
    check(kind, f"{point.name!r} of {_of(point)}", plugin)
    if missing := [f for f, v in facts_of(kind, plugin).items() if v is REQUIRED]:
        raise InputError(
            f"{kind} {point.name!r} of {_of(point)} says no {missing[0]}: it must be decorated by "
            f"featprobe.register({kind!r}, {point.name!r}, {missing[0]}=...)"
        )
    return plugin


def _points(kind: str) -> tuple[importlib.metadata.EntryPoint, ...]:
    return _points_on(kind, tuple(sys.path))


@cache  # reading the metadata of all distributions takes some 20 ms
def _points_on(kind: str, path: tuple[str, ...]) -> tuple[importlib.metadata.EntryPoint, ...]:
    """Entry points of the group of a kind; of its singular too, as groups were called before."""
    groups = (f"featprobe.{kind}s", f"featprobe.{kind}")
    found = {(p.name, p.value): p for g in groups for p in importlib.metadata.entry_points(group=g)}
    return tuple(found.values())


def _of(point: importlib.metadata.EntryPoint) -> str:
    return f"{point.dist.name} ({point.value})" if point.dist else point.value


def _function(plugin: Any) -> bool:
    return callable(plugin) and not isinstance(plugin, type)


def _definition(plugin: Any) -> tuple[str, str]:
    named = plugin if hasattr(plugin, "__qualname__") else type(plugin)
    return named.__module__, named.__qualname__


def _came(plugin: Any) -> str:
    if isinstance(plugin, type):
        return f"the class {plugin.__name__}"
    return f"{type(plugin).__name__} {str(plugin)[:40]!r}"


def _words(kinds: Any) -> str:
    several = kinds if isinstance(kinds, tuple) else (kinds,)
    return " or ".join("None" if k is type(None) else k.__name__ for k in several)


def _known() -> str:
    return f"There are: {', '.join(KINDS)}"


def table() -> Mapping[str, list[str]]:
    """Kind -> names of the plug-ins that other packages and this process add."""
    return {kind: sorted(added(kind)) for kind in KINDS}
