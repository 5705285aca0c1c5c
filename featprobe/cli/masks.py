"""What verbs say of the masks of a data set."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from featprobe.datasets.mask_audit import MaskAudit
    from featprobe.datasets.masks import Masks


def describe_masks(masks: Masks) -> str:
    """Where masks were found, of how many items, and their classes where they are known."""
    n = sum(masks.has(i) for i in range(len(masks)))
    classes = f": {', '.join(masks.classes)}" if masks.settled or masks.multilabel else ""
    kind = "multi-label, " if masks.multilabel else ""
    unpaired = f"; {len(masks.unpaired)} without an image" if masks.unpaired else ""
    return f"{masks.origin}, {kind}{n} of {len(masks)} items{classes}{unpaired}"


def print_masks(found: MaskAudit) -> None:
    """Voxels and items of each class."""
    kind = "multi-label, " if found.multilabel else ""
    print(f"  masks     {found.origin}, {kind}{found.masks} masks")
    if not found.items:
        return
    parts = sorted({p for c in found.parts.values() for p in c if p})
    head = "".join(f"{p:>12}" for p in parts)
    print("\n  {:24}{:>14}{:>9}".format("class of masks", "voxels", "items") + head)
    for name, voxels in found.voxels.items():
        inside = "".join(f"{found.parts[name].get(p, 0):>12}" for p in parts)
        print(f"  {name:24}{voxels:>14}{found.items[name]:>9}{inside}")
