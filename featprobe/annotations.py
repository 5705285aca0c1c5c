"""Whether a value that a user wrote fits the annotation of a parameter."""

from __future__ import annotations

from typing import Any

_WORDS = {
    "float": "a number", "int": "a whole number", "bool": "true or false", "str": "a name",
    "Sequence[float]": "a list of numbers", "Sequence[int]": "a list of whole numbers",
    "Sequence[str]": "a list of names", "tuple[str, ...]": "a list of names", "None": "null",
    "Mapping[str, Any]": "a mapping",
}  # fmt: skip


def allowed(value: Any, kind: str) -> bool:
    """Whether a JSON value fits an annotation, such as ``float | Sequence[float] | None``.

    A list fits a ``Sequence`` where it is not empty, and a ``tuple`` of any length.
    """
    if kind == "Any":
        return True
    if value is None or isinstance(value, (bool, str, dict)):
        name = type(value).__name__
        words = {"NoneType": ("None",), "dict": ("Mapping", "dict")}.get(name, (name,))
        return any(part.strip().startswith(words) for part in kind.split("|"))
    if isinstance(value, list):
        several = "Sequence" in kind or "tuple" in kind
        return several and ("tuple" in kind or bool(value)) and all(_member(v, kind) for v in value)
    return "float" in kind or ("int" in kind and isinstance(value, int))


def _member(value: Any, kind: str) -> bool:
    """Whether a value fits what a list of the annotation holds."""
    return any(
        allowed(value, part.partition("[")[2].strip(" ]").removesuffix(", ..."))
        for part in kind.split("|")
        if part.strip().startswith(("Sequence", "tuple"))
    )


def in_words(kind: str) -> str:
    """An annotation as a user reads it: ``a number or a list of numbers``."""
    return " or ".join(_WORDS.get(part.strip(), part.strip()) for part in kind.split("|"))
