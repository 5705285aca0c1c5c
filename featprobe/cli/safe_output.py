"""The edge to the terminal: what every verb prints goes through here."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TextIO

# C0 but newline, carriage return and tab, DEL, C1, and the marks that turn the direction of text:
# in a file's or a class's name they could rewrite what stands beside it.
_CONTROLS = [
    *(c for c in range(32) if c not in (9, 10, 13)), *range(127, 160),
    *range(0x202A, 0x202F), *range(0x2066, 0x206A),
]  # fmt: skip
_ESCAPES = {c: f"\\x{c:02x}" if c < 256 else f"\\u{c:04x}" for c in _CONTROLS}
# A surrogate stands for a byte of a file name that is no UTF-8: printing it would fail.
_ESCAPES |= {c: f"\\x{c - 0xDC00:02x}" for c in range(0xDC80, 0xDD00)}


def escaped(text: str) -> str:
    """Text whose control characters are written out: ``\\x1b`` for the escape character."""
    return text.translate(_ESCAPES)


class Edge:
    """A stream of text that escapes what is written to it; all else is the stream's own."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """Write the text escaped; the number of characters that were given."""
        self._stream.write(escaped(text))
        return len(text)

    def writelines(self, lines: Any) -> None:
        """Write each."""
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


@contextmanager
def escaping() -> Iterator[None]:
    """Both streams are edges meanwhile."""
    before = sys.stdout, sys.stderr
    out, err = (Edge(s) for s in before)
    sys.stdout, sys.stderr = out, err
    try:
        yield
    finally:
        # a test or a caller may have put streams of its own there meanwhile
        sys.stdout = before[0] if sys.stdout is out else sys.stdout
        sys.stderr = before[1] if sys.stderr is err else sys.stderr
