"""No name of a patient or of an item goes into the page."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from featprobe.core.errors import InputError
from featprobe.evaluation import results
from featprobe.evaluation.results import Result

HIDDEN = "[hidden]"
_FEW = 5  # digits: shorter numbers are counts as often as they are names
# sentences that name an item whether or not its scores were kept
_NAMING = (
    (re.compile(r", first (?!item\b)[^:;,()]+"), ", first " + HIDDEN),
    (re.compile(r"\S+: its items have different (\w+) \([^)]*\)"), r"items of a unit differ in \1"),
)


class Hide:
    """Replaces names of patients and items in texts by :data:`HIDDEN`.

    Words of a text are compared whole, without what punctuates them; names of several words are
    looked for as they are. Numbers of fewer than five digits stay: as words of a sentence they are
    counts. Sentences that are known to name an item lose the name in any case.
    """

    def __init__(self, names: Iterable[str]) -> None:
        kept = {n for n in names if n and not (n.isdigit() and len(n) < _FEW)}
        self._words = {n for n in kept if not re.search(r"\s", n)}
        self._longer = sorted(kept - self._words, key=len, reverse=True)

    def __call__(self, text: str) -> str:
        for pattern, instead in _NAMING:
            text = pattern.sub(instead, text)
        for name in self._longer:
            text = text.replace(name, HIDDEN)
        return re.sub(r"\S+", self._word, text) if self._words else text

    def _word(self, match: re.Match[str]) -> str:
        word = match[0]
        if word in self._words:
            return HIDDEN
        bare = word.strip("'\"()[]{}<>,;:.!?")
        return word.replace(bare, HIDDEN) if bare and bare in self._words else word

    def all(self, texts: Iterable[str]) -> list[str]:
        """Each of the texts."""
        return [self(t) for t in texts]


def hiding(cache: Path, found: Sequence[Result]) -> Hide:
    """Of results: the names in the kept scores, one file for each data set, split and labels."""
    names: set[str] = set()
    for r in {(r.dataset, r.split.get("digest"), r.labels): r for r in found}.values():
        try:
            scored = results.scored(cache, r)
        except InputError:
            continue
        names |= {*map(str, scored.ids), *map(str, scored.groups)}
    return Hide(names)
