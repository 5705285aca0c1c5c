"""The exceptions that featprobe raises on purpose.

Every one derives from :class:`FeatprobeError` and from the builtin a caller would already catch.
The message is one line that says what is wrong, in which file, and what to do next; the command
line prints it and exits with 2.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from typing import TypeVar

_T = TypeVar("_T")


class FeatprobeError(Exception):
    """Base class: a mistake in the input or the surroundings, not in featprobe."""

    def __str__(self) -> str:  # KeyError would print the message in quotes
        return " ".join(str(a) for a in self.args)


class InputError(FeatprobeError, ValueError):
    """A value, file or combination of options that cannot be used."""


class UnknownName(FeatprobeError, KeyError):
    """A name that no registry, view or file has; the message offers the nearest spelling."""


class MissingPath(FeatprobeError, FileNotFoundError):
    """A file or folder that is not there."""


class UnreadableItem(FeatprobeError, OSError):
    """The pixels of one item cannot be read. Extraction quarantines the item and goes on."""


class StoreError(FeatprobeError, RuntimeError):
    """A feature store that cannot be used: incomplete, damaged, or of another key."""


class PluginWarning(UserWarning):
    """Something of another package cannot be used; the rest goes on without it."""


class MissingExtra(FeatprobeError, ImportError):
    """An optional package is not installed; the message names the extra that brings it."""


class Unfinished(FeatprobeError):
    """Only a part of the work is done, as asked for or because of a signal; ``code`` is the exit
    status that says which. What is committed stays."""

    def __init__(self, message: str, code: int) -> None:
        super().__init__(message)
        self.code = code


def nearest(name: str, known: Iterable[str]) -> str:
    """``" Did you mean 'x'?"`` for the closest known spelling, or an empty string."""
    close = difflib.get_close_matches(name, list(known), n=1, cutoff=0.5)
    return f" Did you mean {close[0]!r}?" if close else ""


def look_up(kind: str, name: str, known: Mapping[str, _T]) -> _T:
    """``known[name]``; :class:`UnknownName` with the nearest name and all that are known."""
    if name not in known:
        text = ", ".join(known)
        raise UnknownName(f"unknown {kind} {name!r}.{nearest(name, known)} Known: {text}")
    return known[name]


def reason(error: BaseException) -> str:
    """One line of text for any exception, ours or a library's."""
    if isinstance(error, FeatprobeError):
        return str(error)
    text = " ".join(str(error).split())
    if isinstance(error, OSError) and error.strerror and error.filename:
        return f"{error.filename}: {error.strerror}"
    name = type(error).__name__
    return f"{name}: {text}" if text else name
