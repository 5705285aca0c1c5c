"""How an object shows itself: one line in a terminal, a table in a notebook.

Names come from files and folders: whatever is shown stays on its line, and is text in HTML.
"""

from __future__ import annotations

import html
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields
from typing import Any

LONGEST = 60  # characters of a value
_PLAIN = re.compile(r"[\w:+./%\[\], -]+")


def bytes_text(n: float) -> str:
    """Bytes in decimal units: ``1.2 GB``."""
    for unit, scale in (("TB", 1e12), ("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if n >= scale:
            return f"{n / scale:.1f} {unit}"
    return f"{n:.0f} B"


class Displayable:
    """An object that is shown by its names and a few facts."""

    def facts(self) -> tuple[Sequence[str], Mapping[str, Any]]:
        """What it is called, and what is worth knowing of it; nothing is read or computed here."""
        raise NotImplementedError

    def __repr__(self) -> str:
        names, facts = self.facts()
        parts = [repr(n) for n in names] + [f"{k}={short(v)}" for k, v in facts.items()]
        return f"{type(self).__name__}({', '.join(parts)})"

    def _repr_html_(self) -> str:
        names, facts = self.facts()
        title = " ".join((type(self).__name__, *names))
        return html_table(title, (), [(k, short(v)) for k, v in facts.items()])


def changed(thing: Any, values: Mapping[str, Any], usual: Mapping[str, Any]) -> str:
    """``Kind(name=value)`` with the values that are not the usual ones alone."""
    parts = [f"{n}={short(v)}" for n, v in values.items() if not _same(v, usual.get(n, fields))]
    return f"{type(thing).__name__}({', '.join(parts)})"


def changed_fields(thing: Any) -> str:
    """:func:`changed` of a dataclass, whose defaults are the usual values."""
    known = fields(thing)
    values = {f.name: getattr(thing, f.name) for f in known}
    return changed(thing, values, {f.name: f.default for f in known})


def short(value: Any) -> str:
    """A value on one line of at most :data:`LONGEST` characters; plain words without quotes."""
    if isinstance(value, float):
        return f"{value:.6g}"
    text = value if isinstance(value, str) and _PLAIN.fullmatch(value) else repr(value)
    text = on_one_line(text)
    return text if len(text) <= LONGEST else text[: LONGEST - 3] + "..."


def on_one_line(text: str) -> str:
    """Text whose line breaks and control characters are written out, blanks joined."""
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in " ".join(text.split(" ")))


def ends(ci: tuple[float, float], form: str = ".3f") -> str:
    """`` [0.770, 0.851]``, nothing where there is no interval."""
    low, high = ci
    return "" if math.isnan(low) else f" [{low:{form}}, {high:{form}}]"


def text_table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Rows under their heads in columns of one width."""
    lines = [[on_one_line(cell) for cell in row] for row in (heads, *rows)]
    wide = [max(len(line[j]) for line in lines) for j in range(len(heads))]
    return "\n".join("  ".join(c.ljust(w) for c, w in zip(line, wide)).rstrip() for line in lines)


def html_table(title: str, heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """The same for a notebook; every text is escaped."""
    lines = ["<table>"]
    if title:
        lines.append(f"<caption>{_escaped(title)}</caption>")
    if heads:
        lines.append("<tr>" + "".join(f"<th>{_escaped(h)}</th>" for h in heads) + "</tr>")
    lines += ["<tr>" + "".join(f"<td>{_escaped(c)}</td>" for c in row) + "</tr>" for row in rows]
    return "\n".join([*lines, "</table>"])


def _escaped(text: str) -> str:
    return html.escape(on_one_line(text))


def _same(a: Any, b: Any) -> bool:
    try:
        return type(a) is type(b) and bool(a == b)
    except ValueError:  # arrays
        return False
