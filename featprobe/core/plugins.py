"""What other packages and scripts add: one decorator, and one rule for entry points.

A script says ``@featprobe.register("metric", "gmean")`` above a function or class. A package says
the same in its code, and in its metadata, where every process that featprobe starts finds it: an
entry point of the group ``featprobe.<kind>s``, such as ``featprobe.metrics``, under the name of
the plug-in. Names are listed without importing anything.

Each kind has a home, a module with a function ``plugin(name, value, of, **facts)`` that makes of
what was registered what featprobe uses, or says in one line what was expected and what came.
"""

from __future__ import annotations

import importlib
import re
import sys
import warnings
from collections.abc import Callable, Collection, Mapping
from functools import cache, partial
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from featprobe.core.entry_points import may_be_declared
from featprobe.core.errors import FeatprobeError, InputError, PluginWarning, nearest, reason

if TYPE_CHECKING:
    import importlib.metadata

T = TypeVar("T")

HOMES = {
    "backbone": "featprobe.backbones.plugins",
    "dataset": "featprobe.datasets.plugins",
    "reader": "featprobe.images.plugins",
    "probe": "featprobe.probes.plugins",
    "metric": "featprobe.metrics.plugins",
    "recipe": "featprobe.finetuning.recipes.named",
    "decoder": "featprobe.segmentation.decoders.named",
    "importer": "featprobe.features.exchange.plugins",
}


class Registered(NamedTuple):
    """What :func:`register` was given: the object, what it was made into, and whose it is."""

    value: Any
    made: Any
    of: str


_here: dict[str, dict[str, Registered]] = {kind: {} for kind in HOMES}
_changes = 0  # of _here, by which what was made of it is known to be old
_loaded: dict[str, tuple[int, Any, dict[str, Any]]] = {}
_warned: set[str] = set()


def register(kind: str, name: str, /, **facts: Any) -> Callable[[T], T]:
    """Add a class or function to what featprobe knows, in this process, under a name.

    ``kind``: ``backbone``, ``dataset``, ``reader``, ``probe``, ``metric``, ``recipe``,
    ``decoder`` or ``importer``; what each has to be, and which ``facts`` are told of it, is in
    ``docs/extending.md`` and in the ``plugin`` of its module (:data:`HOMES`). What is decorated
    stays as it is.

    Raises :class:`InputError` for another kind, name, fact or object than is expected, and where
    the name is taken. The same definition, run again as in a notebook, replaces the first.
    """
    if not isinstance(kind, str) or kind not in HOMES:
        raise InputError(
            f"no plug-ins of kind {kind!r}.{nearest(str(kind), HOMES)} There are: "
            f"{', '.join(HOMES)}"
        )
    if not isinstance(name, str) or not re.fullmatch(r"\w[\w.-]*", name):
        raise InputError(
            f"a {kind} is registered under a name of letters, digits, '.', '_' and '-', not "
            f"{name!r}"
        )

    def add(value: T) -> T:
        global _changes
        here = Registered(value, make(kind, name, value, _definition(value), facts), "")
        there = _here[kind].get(name)
        if there is not None and _definition(there.value) != _definition(value):
            raise InputError(
                f"two {kind}s are named {name!r}: {_definition(there.value)} and "
                f"{_definition(value)}; one must use another name"
            )
        _here[kind][name] = here._replace(of=_definition(value))
        _changes += 1
        return value

    return add


def make(kind: str, name: str, value: Any, of: str, facts: Mapping[str, Any]) -> Any:
    """What a kind makes of an object and its facts; :class:`InputError` where it cannot."""
    return importlib.import_module(HOMES[kind]).plugin(name, value, of, **facts)


def forget(kind: str, name: str) -> None:
    """Take back what :func:`register` added in this process (for tests and notebooks)."""
    global _changes
    _here[kind].pop(name, None)
    _changes += 1


def registered(kind: str) -> dict[str, Any]:
    """What is in this process alone: a process that it starts does not have it."""
    packages = {p.name: _package(p.value) for p in _points(kind)}
    return {n: r.made for n, r in _here[kind].items() if packages.get(n) != _package(r.of)}


def added(kind: str, taken: Collection[str] = ()) -> dict[str, Callable[[], Any]]:
    """Name -> a function that gives the plug-in, of those that are not featprobe's own.

    Where two have one name, or that of a built-in one (``taken``), and where a package is broken,
    that function raises :class:`InputError` that names the packages; the others are not touched.
    """
    found: dict[str, Callable[[], Any]] = {}
    owner: dict[str, str] = dict.fromkeys(taken, "featprobe")
    for point in _points(kind):
        if point.name in owner:
            found[point.name] = partial(_clash, kind, point.name, owner[point.name], _of(point))
        else:
            found[point.name] = partial(_load, kind, point)
        owner.setdefault(point.name, _of(point))
    packages = {p.name: _package(p.value) for p in _points(kind)}
    for name, here in _here[kind].items():
        if name not in owner:
            found[name] = partial(_made, here)
        elif packages.get(name) != _package(here.of):  # else an entry point imported it
            found[name] = partial(_clash, kind, name, owner[name], here.of)
    return found


def loaded(kind: str, taken: Collection[str] = ()) -> dict[str, Any]:
    """All plug-ins of a kind. One that cannot be used is left out, which is said once."""
    groups = _groups(tuple(sys.path))
    before = _loaded.get(kind)  # looked at for every file: it has to be quick
    if before is not None and before[0] == _changes and before[1] is groups:
        return before[2]
    found = usable(added(kind, taken))
    _loaded[kind] = _changes, groups, found  # loading has registered what it imported
    return found


def usable(plugins: Mapping[str, Callable[[], Any]]) -> dict[str, Any]:
    """What the functions give, without those that raise, which is said once."""
    found = {}
    for name, load in plugins.items():
        try:
            found[name] = load()
        except FeatprobeError as error:
            warn_once(str(error))
    return found


def warn_once(text: str) -> None:
    """Warn, once, of a plug-in without which the rest goes on."""
    if text not in _warned:
        _warned.add(text)
        warnings.warn(f"{text}; the rest goes on without it", PluginWarning, stacklevel=3)


def _made(here: Registered) -> Any:
    return here.made


def _clash(kind: str, name: str, one: str, other: str) -> Any:
    raise InputError(
        f"two {kind}s are named {name!r}, of {one} and of {other}: the latter must use another name"
    )


def _load(kind: str, point: importlib.metadata.EntryPoint) -> Any:
    whose = f"{kind} {point.name!r} of {_of(point)}"
    try:
        value = point.load()
    except Exception as error:
        raise InputError(
            f"{whose} cannot be loaded: {reason(error)}; mend or uninstall that package"
        ) from error
    here = _here[kind].get(point.name)
    if here is not None and here.value is value:
        return here.made
    try:
        return make(kind, point.name, value, _of(point), {})
    except InputError as error:
        raise InputError(f"{whose} cannot be used: {error}") from error


def _points(kind: str) -> tuple[importlib.metadata.EntryPoint, ...]:
    """Entry points of the group of a kind; of its singular too, as groups were called before."""
    groups = _groups(tuple(sys.path))
    found: dict[tuple[str, str], importlib.metadata.EntryPoint] = {}
    for group in (f"featprobe.{kind}s", f"featprobe.{kind}"):
        found |= {(p.name, p.value): p for p in groups.get(group, ())}
    return tuple(found.values())


@cache
def _groups(path: tuple[str, ...]) -> dict[str, tuple[importlib.metadata.EntryPoint, ...]]:
    if not may_be_declared(path):
        return {}
    import importlib.metadata

    points = importlib.metadata.entry_points()
    ours = [group for group in points.groups if group.startswith("featprobe.")]
    return {group: tuple(points.select(group=group)) for group in ours}


def _of(point: importlib.metadata.EntryPoint) -> str:
    dist = getattr(point, "dist", None)
    return f"{dist.name} {dist.version} ({point.value})" if dist else point.value


def _package(of: str) -> str:
    """The outermost package of ``package.module:name`` or ``package.module.name``."""
    return of.partition(":")[0].partition(".")[0]


def _definition(value: Any) -> str:
    named = value if hasattr(value, "__qualname__") else type(value)
    return f"{named.__module__}.{named.__qualname__}"


def came(value: Any) -> str:
    """What was given, for a message that has said what was expected."""
    if isinstance(value, type):
        return f"the class {value.__name__}"
    return f"{type(value).__name__} {str(value)[:40]!r}"


def function_of(kind: str, name: str, value: Any) -> Callable[..., Any]:
    """The value, which must be a function; :class:`InputError` otherwise."""
    if not callable(value) or isinstance(value, type):
        raise InputError(f"{kind} {name}: expected a function, got {came(value)}")
    function: Callable[..., Any] = value
    return function


def entry_facts(
    kind: str, name: str, value: Any, facts: Mapping[str, Any], entry: type, known: Collection[str],
    returns: str,
) -> dict[str, Any] | None:  # fmt: skip
    """The ``facts`` of a function that ``returns`` a Backbone or Dataset, checked by the fields of
    ``entry``; None for an instance of that, which says all by itself.

    Raises :class:`InputError` for anything else, and for facts that are not ``known``.
    """
    if isinstance(value, entry):
        known_facts(kind, name, facts, ())
        return None
    if not callable(value) or isinstance(value, type):
        raise InputError(
            f"{kind} {name}: expected a {entry.__name__} or a function that returns a {returns}, "
            f"got {came(value)}"
        )
    known_facts(kind, name, facts, known)
    from featprobe.core.options import annotations_of, checked  # imports numpy

    kinds = annotations_of(entry)
    return {f: checked(f, v, kinds[f], f"{kind} {name}") for f, v in facts.items()}


def subclass_of(kind: str, name: str, value: Any, base: type, facts: Mapping[str, Any]) -> Any:
    """The value, which must be a subclass of ``base``, of which nothing else is told."""
    if not isinstance(value, type) or not issubclass(value, base) or value is base:
        raise InputError(
            f"{kind} {name}: expected a subclass of {base.__module__}.{base.__qualname__}, got "
            f"{came(value)}"
        )
    known_facts(kind, name, facts, ())
    own = vars(value).get("name", name)
    if own != name:
        raise InputError(f"{kind} {name}: the class is called {own!r} itself; use one name")
    value.name = name  # type: ignore[attr-defined]
    return value


def known_facts(kind: str, name: str, facts: Mapping[str, Any], known: Collection[str]) -> None:
    """Raise :class:`InputError` for a fact that a kind does not have."""
    for fact in facts:
        if fact not in known:
            has = ", ".join(known) or "none"
            raise InputError(
                f"{kind} {name}: no fact {fact!r}.{nearest(fact, known)} There are: {has}"
            )
