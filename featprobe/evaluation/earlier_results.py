"""Lines of results that earlier versions wrote, in today's names."""

from __future__ import annotations

import re
from typing import Any

from featprobe.evaluation.protocols import EARLIER_WORDS

FIELDS = {"asked": "request"}


def renamed(line: dict[str, Any]) -> dict[str, Any]:
    """A line with the fields, and the words in its settings, that are written today."""
    out = {FIELDS.get(k, k): v for k, v in line.items()}
    by = out["settings"].get("by")
    return out | {"settings": out["settings"] | ({"by": EARLIER_WORDS.get(by, by)} if by else {})}


def described(begin: str) -> str:
    """What a cut line was of, as far as its beginning shows it: `` (data / backbone / ...)``."""
    parts = [
        found[1]
        for name in ("dataset", "backbone", "probe", "protocol")
        if (found := re.search(rf'"{name}": "([^"]+)"', begin))
    ]
    return f" ({' / '.join(parts)})" if parts else ""
