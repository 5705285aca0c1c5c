"""What the documentation says: its pages, their blocks of code, and the commands in them."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]
PAGES = sorted(
    [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md", *ROOT.glob("docs/*.md")]
)


class Block(NamedTuple):
    """A fenced block: its page, the line it starts at, its language and its text."""

    page: str
    line: int
    language: str
    text: str

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"


def blocks(page: Path) -> list[Block]:
    """The fenced blocks of a page, in order."""
    found, text = [], page.read_text()
    for match in re.finditer(r"(?ms)^```([^\n`]*)\n(.*?)^```$", text):
        line = text.count("\n", 0, match.start()) + 1
        found.append(Block(page.name, line, match[1].strip(), match[2]))
    return found


def commands(block: Block) -> list[list[str]]:
    """The lines of a shell block as words; continued lines are one, comments are dropped."""
    lines = block.text.replace("\\\n", " ").splitlines()
    words = (shlex.split(line, comments=True) for line in lines)
    return [w for w in words if w]
