"""What the parts of a view are called: ``cls``, ``cls:4``, ``cls@-3``, ``mean@6``."""

from __future__ import annotations

import re

from featprobe.core.errors import InputError

PART = r"[a-z]+(?::\d+|@-?\d+)?"  # of a view, as a regular expression
_PART = re.compile(r"^(?P<name>[a-z]+)(?::(?P<blocks>\d+)|@(?P<at>-?\d+))?$")


def view_part(text: str, view: str, depth: int | None = None) -> tuple[str, int]:
    """Output that a part of a view names, and how many last blocks have to be there for it.

    ``cls:4`` is ``("cls", 4)``; ``cls@-3``, the third block from the end alone, ``("cls", 3)``;
    ``cls@6``, the sixth of the network, needs its ``depth``.

    Raises :class:`InputError` that names the ``view`` for what is not understood.
    """
    match = _PART.match(text)
    if match is None:
        raise InputError(
            f"view {view!r} is not understood: write cls, cls:4, mean, cls+mean, cls@-3, cls@6"
        )
    at = int(match["at"] or 0)
    if match["at"] is None or at < 0:
        return match["name"], -at or int(match["blocks"] or 1)
    if depth is None:
        raise InputError(
            f"view {view!r}: how many blocks the network has is not known here; count from the "
            "end, @-1 is the last"
        )
    if not 1 <= at <= depth:
        raise InputError(f"view {view!r}: the network has blocks 1 to {depth}")
    return match["name"], depth - at + 1


def one_block(text: str) -> bool:
    """Whether a part is of a single block."""
    return "@" in text


def is_output(name: str) -> bool:
    """Whether an output may be called so."""
    match = _PART.match(name)
    return match is not None and match["name"] == name


def single_block(view: str, last: int) -> str:
    """The view with each of its outputs at one block: of ``cls+mean`` and 3 ``cls@-3+mean@-3``.

    Raises :class:`InputError` for a view that names blocks itself.
    """
    if not all(is_output(part) for part in view.split("+")):
        raise InputError(f"view {view!r} names blocks already: give outputs alone, as cls or mean")
    return "+".join(f"{part}@-{last}" for part in view.split("+"))
