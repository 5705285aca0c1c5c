"""Values that users write, against the annotations of what takes them."""

from __future__ import annotations

import inspect
import math
import os
import sys
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import fields
from functools import lru_cache, wraps
from types import NoneType, UnionType
from typing import (
    Any,
    ClassVar,
    Literal,
    TypeVar,
    Union,
    cast,
    get_args,
    get_origin,
    get_type_hints,
)

from featprobe.core.errors import InputError, UnknownName, nearest

F = TypeVar("F", bound=Callable[..., Any])
WORDS = {
    int: "a whole number", float: "a number", bool: "true or false", str: "a name",
    NoneType: "null",
}  # fmt: skip
Needs = Mapping[str, tuple[str, Collection[Any]]]  # option -> another, the values it needs of that
MOST = 2**63  # what torch, numpy and files take for a whole number is smaller
PLURAL = {int: "whole numbers", float: "numbers", str: "names"}


def checked(name: str, value: Any, kind: Any, owner: str) -> Any:
    """The value as an annotation has it: a float of a whole number, a tuple of a list or a name.

    ``name`` is of the option, ``owner`` what has it. Known are int, float, bool, str, None,
    ``Literal``, sequences of any length of one of these (a tuple of one name may be the name),
    mappings, classes and unions; other annotations allow everything. Numbers and arrays of numpy
    are what they hold. A whole number is one of 64 bits. Raises :class:`InputError`, or
    :class:`UnknownName` for a word that a ``Literal`` lacks.
    """
    try:
        return _fit(value, kind)
    except ValueError:
        pass
    if get_origin(kind) is Literal:
        words = [str(word) for word in get_args(kind)]
        raise UnknownName(
            f"{owner}: unknown {name} {value!r}.{nearest(str(value), words)} "
            f"Known: {', '.join(words)}"
        )
    raise InputError(f"{owner}: {name} must be {_in_words(kind)}, not {value!r}")


def _fit(value: Any, kind: Any) -> Any:
    parts = get_args(kind)
    if np := sys.modules.get("numpy"):  # no value is numpy's before it has been imported
        if isinstance(value, np.ndarray) and np.ndarray in (kind, *parts):
            return value
        if isinstance(value, (np.generic, np.ndarray)):
            value = value.tolist()
    if get_origin(kind) in (Union, UnionType):
        for part in parts:
            try:
                return _fit(value, part)
            except ValueError:
                continue
    elif get_origin(kind) is Literal:
        if value in parts:
            return value
    elif get_origin(kind) is tuple:
        values = [value] if isinstance(value, str) else value
        if isinstance(values, (list, tuple)):
            kinds = [parts[0]] * len(values) if parts[-1] is Ellipsis else parts
            return tuple(_fit(v, k) for v, k in zip(values, kinds, strict=True))
    elif get_origin(kind) is Sequence:
        if isinstance(value, (list, tuple, range)) and value:
            return [_fit(v, parts[0]) for v in value]
    elif kind in (Mapping, dict) or get_origin(kind) in (Mapping, dict):
        if isinstance(value, Mapping):
            return value
    elif kind is float:
        if type(value) in (int, float) and math.isfinite(value):
            return float(value)
    elif kind in WORDS:
        if type(value) is kind and not (kind is int and abs(value) >= MOST):
            return value
    elif isinstance(get_origin(kind), type):
        if isinstance(value, get_origin(kind)):
            return value
    elif kind is Any or not isinstance(kind, type) or isinstance(value, kind):
        return value
    raise ValueError


def _in_words(kind: Any) -> str:
    parts = get_args(kind)
    if kind in (Mapping, dict) or get_origin(kind) in (Mapping, dict):
        return "a mapping"
    if get_origin(kind) in (tuple, Sequence):
        number = "" if parts[-1] is Ellipsis or len(parts) == 1 else f"{len(parts)} "
        return f"a list of {number}{PLURAL.get(parts[0]) or _in_words(parts[0])}"
    if kind is Callable or get_origin(kind) is Callable:
        return "a function"
    if get_origin(kind) is os.PathLike:
        return "a path"
    if get_origin(kind) is Literal:
        return ", ".join(map(str, parts))
    if parts:
        return " or ".join(map(_in_words, parts))
    return WORDS.get(kind, "") or f"a {getattr(kind, '__name__', kind)}"


class Checked:
    """Base of frozen dataclasses whose fields are options: every one made has been checked.

    A value is brought to the annotation of its field by :func:`checked`; then the ``check`` of
    every class that has one is called, from this one to the last subclass. A subclass adds checks
    and takes none away: it cannot have an ``__init__`` or ``__post_init__`` of its own, and its
    ``check`` is called beside those of its bases. The class attribute ``needs`` says which option
    is idle without which value of another, see :func:`idle`.
    """

    needs: ClassVar[Needs] = {}

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        for name in ("__init__", "__post_init__"):
            if name in vars(cls):
                raise TypeError(f"{cls.__name__} must not define {name}: define check() instead")

    def __post_init__(self) -> None:
        kind: Any = type(self)
        kinds = annotations_of(kind)
        for field in fields(self):  # type: ignore[arg-type]
            value = getattr(self, field.name)
            if value is field.default:  # it stays as it is written, also in digests
                continue
            value = checked(field.name, value, kinds[field.name], self.owner())
            if _same_number(value, field.default):  # 20.0 is no other setting than 20
                value = field.default
            object.__setattr__(self, field.name, value)
        run_checks(self)

    def owner(self) -> str:
        """What has these options, for messages."""
        return type(self).__name__

    def check(self) -> None:
        """Raise :class:`InputError` for values of the right type that make no sense."""

    def idle(self) -> list[str]:
        """Options that were changed and have no effect, one line each."""
        values = {f.name: getattr(self, f.name) for f in fields(self)}  # type: ignore[arg-type]
        defaults = {f.name: f.default for f in fields(self)}  # type: ignore[arg-type]
        return list(idle(values, defaults, self.needs))


def _same_number(one: Any, other: Any) -> bool:
    numbers = type(one) in (int, float) and type(other) in (int, float)
    return numbers and one == other


@lru_cache(maxsize=256)
def annotations_of(of: Any) -> dict[str, Any]:
    """Annotations of a class or a function, as types."""
    return get_type_hints(of)


def taking_its_kinds(function: F) -> F:
    """A function whose arguments are brought to their annotations by :func:`checked`.

    One that is its default (an empty list, where that is none) or among ``**options`` stays as it
    is.
    """
    signature = inspect.signature(function)
    defaults = {n: p.default for n, p in signature.parameters.items()}

    @wraps(function)
    def call(*args: Any, **options: Any) -> Any:
        bound = signature.bind(*args, **options)
        kinds = annotations_of(function)
        for name, value in bound.arguments.items():
            kind = signature.parameters[name].kind
            default = defaults[name]
            none = default == () and isinstance(value, (list, tuple)) and not value
            if value is default or none or kind is inspect.Parameter.VAR_KEYWORD:
                continue
            bound.arguments[name] = checked(name, value, kinds[name], function.__name__)
        return function(*bound.args, **bound.kwargs)

    return cast(F, call)


def run_checks(of: Any) -> None:
    """Call the ``check`` of every class of an object that has one, bases first."""
    for kind in reversed(type(of).__mro__):
        if "check" in vars(kind):
            vars(kind)["check"](of)


def idle(values: Mapping[str, Any], defaults: Mapping[str, Any], needs: Needs) -> Iterator[str]:
    """What to say of options that have no effect beside the others.

    ``needs``: option -> (another option, the values of that one with which it has an effect). An
    option that has its default is not spoken of.
    """
    for name, (other, those) in needs.items():
        if values[name] != defaults[name] and values[other] not in those:
            yield f"{name}={values[name]} has no effect with {other}={values[other]}"
