"""Views of several backbones side by side: ``dinov2_vits14:cls + resnet50:mean``.

    VIEW   = PART " + " PART ...          spaces may be left out where every part says its view
    PART   = SOURCE [":" OUTPUTS] | "unit(" PART ")"
    SOURCE = a backbone, or a store, as in the cache
    OUTPUTS = a view of that backbone, as ``cls``, ``cls:4``, ``cls+mean``

``unit``: each row of the part has length 1. Nothing is learnt for it, so it is the same for items
that come later, no training item tells of a test item, and the cosine of two joined rows is the
mean of the cosines of their parts, however many features each has and however large they are.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from featprobe.backbones.spec import LIBRARIES, OUTPUTS
from featprobe.core.errors import InputError
from featprobe.features.view_names import PART

JOIN = " + "  # of the names of what is joined
_VIEW = rf"{PART}(?:\+{PART})*"
# the source is as short as it can be: of a:cls:4 it is a, of timm:resnet50:cls timm:resnet50
_OF_SOURCE = re.compile(rf"^(?P<source>.+?):(?P<view>{_VIEW})$")
_WHOLE = re.compile(rf"^(?:unit\(.+\)|.+?:{_VIEW})$")
_BEGINS = re.compile(rf"^(?:unit\(.*|.+?:{_VIEW})$")
_UNIT = re.compile(r"^unit\((?P<inner>.+)\)$")


@dataclass(frozen=True)
class JoinedPart:
    """``view`` of a ``source``, empty for its default view; ``unit``: rows of length 1."""

    source: str
    view: str = ""
    unit: bool = False

    def __str__(self) -> str:
        text = f"{self.source}:{self.view}" if self.view else self.source
        return f"unit({text})" if self.unit else text


def joined_parts(text: str) -> tuple[JoinedPart, ...]:
    """The parts of a joined view; none of a view of one backbone, which names no source.

    Raises :class:`InputError` for what is begun as one and is not understood, or names a part
    twice.
    """
    pieces = _pieces(text)
    if not pieces:
        return ()
    parts = tuple(_part(piece, text) for piece in pieces)
    if len(parts) == 1 and not (parts[0].view or parts[0].unit):
        return ()  # a name with a colon in it
    plain = [(p.source, p.view) for p in parts]
    for at, part in enumerate(parts):
        if plain[at] in plain[:at]:
            raise InputError(
                f"{text!r}: {part.source}{part.view and ':'}{part.view} is there twice, which "
                "would count its features double; leave one out"
            )
    return parts


def written(parts: Sequence[JoinedPart]) -> str:
    """The view of some parts, the inverse of :func:`joined_parts`."""
    return JOIN.join(map(str, parts))


def _pieces(text: str) -> list[str]:
    """What lies between the ``+`` that join backbones."""
    if re.search(r"\s\+|\+\s", text):
        pieces = [p.strip() for p in re.split(r"\s+\+\s*|\s*\+\s+", text)]
        outputs = all(re.fullmatch(PART, p) and re.split("[:@]", p)[0] in OUTPUTS for p in pieces)
        if outputs:
            raise InputError(f"view {text!r} has spaces: write {'+'.join(pieces)!r}")
        return pieces
    text = text.strip()
    tokens = text.split("+")
    if not any(_BEGINS.match(token) for token in tokens):
        return []
    pieces = []
    for token in tokens:
        if pieces and not (_BEGINS.match(token) and _WHOLE.match(pieces[-1])):
            pieces[-1] += f"+{token}"  # another output of the backbone, or the rest of its name
        else:
            pieces.append(token)
    return pieces


def _part(piece: str, text: str) -> JoinedPart:
    unit = _UNIT.match(piece)
    inner = unit["inner"].strip() if unit else piece
    found = _OF_SOURCE.match(inner)
    if found and found["source"] in LIBRARIES:  # torchvision:alexnet has no view
        found = None
    source, view = (found["source"], found["view"]) if found else (inner, "")
    if not source or re.search(r"[()]|^:|:$", source):
        raise InputError(
            f"view {text!r}: {piece!r} is not understood; write BACKBONE:VIEW + BACKBONE:VIEW, "
            "such as 'dinov2_vits14:cls + unit(resnet50:mean)'"
        )
    return JoinedPart(source, view, unit is not None)
