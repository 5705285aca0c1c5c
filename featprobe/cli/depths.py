"""Which single blocks of a feature set are probed apart, as of ``--each-block``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from featprobe.features.feature_set import FeatureSet

View = str | Sequence[str] | None


def depths(features: FeatureSet, view: View, blocks: Sequence[str]) -> list[View]:
    """The views of each run: the one that was asked for, or each of its outputs at each block.

    ``blocks``: ``all`` that are stored, or numbers as behind the ``@`` of a view. Raises
    :class:`InputError` for other words.
    """
    if not blocks:
        return [view]
    from featprobe.core.errors import InputError
    from featprobe.features.view_names import single_block

    if not features.store.layout.arrays:  # joined, where a block is said of each part
        raise InputError("--each-block is of one backbone; name blocks in the view: 'a:cls@6 + b'")
    bases = [view or features.default_view] if view is None or isinstance(view, str) else view
    out: list[View] = []
    for base in bases:
        parts = base.split("+")
        stored = min(len_of(features, part) for part in parts)
        if tuple(blocks) == ("all",):
            out += [single_block(base, last) for last in range(stored, 0, -1)]
            continue
        for text in blocks:
            if not text.removeprefix("-").isdecimal() or not int(text):
                raise InputError(f"--each-block {text!r}: all, or numbers as 6 or -3")
            single_block(base, 1)  # refused where it names blocks
            out.append("+".join(f"{part}@{int(text)}" for part in parts))
    return out


def len_of(features: FeatureSet, part: str) -> int:
    """Blocks that are stored of an output; 1 of one that is not, which reading it will say."""
    return int(features.store.layout.arrays.get(part, (1,))[0])
