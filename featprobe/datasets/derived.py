"""Files that are made from images and are none of a data set: masks beside them, thumbnails."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from featprobe.datasets.groups import stem_of

MASK = "mask beside its image"
THUMBNAIL = "thumbnail"
_WORDS = (
    r"(masks?|seg|segs|segm|segmentations?|labels?|labelmap|gt|ground[ _-]?truth|annotations?|"
    r"annotated|contours?|rois?|lesions?|overlay|heatmap|bbox)"
)
_SUFFIX = re.compile(rf"^(?P<of>.+?)[ _.-]+{_WORDS}(?P<which>[ _.-]?\d{{0,3}})$", re.IGNORECASE)
_MASK_FOLDER = re.compile(rf"^{_WORDS}(Tr|Ts)?$", re.IGNORECASE)
_IMAGE_FOLDER = re.compile(r"^(images?|imgs?|image(Tr|Ts)|images(Tr|Ts)|scans?|cts?|mris?)$", re.I)
_THUMBNAILS = {"@eadir", "thumbs", "thumbnails", "thumb", ".thumbnails", "_thumbs"}


def sort_out(root: Path, paths: Sequence[Path]) -> dict[Path, str]:
    """Path -> what it is made of, for files that are no images of their own.

    A mask is named like an image of its folder with a word behind (``x_mask.png`` beside ``x.png``,
    ``b_seg.nii.gz`` beside ``b_t1.nii.gz``), or lies in ``masks/`` beside ``images/``. A folder of
    masks alone is a data set of its own. A thumbnail lies in a folder of thumbnails (``@eaDir``)
    of images that are there, too.
    """
    found: dict[Path, str] = {}
    stems: dict[Path, set[str]] = {}
    for path in paths:
        stems.setdefault(path.parent, set()).add(stem_of(path.name))
    folders = set(stems)
    holding = {parent for f in folders for parent in (f, *f.parents) if parent.is_relative_to(root)}
    for path in paths:
        inner = path.parent.relative_to(root).parts
        if any(p.lower() in _THUMBNAILS for p in inner):
            found[path] = THUMBNAIL
            continue
        if _in_mask_folder(root, inner, holding):
            found[path] = MASK
            continue
        match = _SUFFIX.match(stem_of(path.name))
        if match and _has_image(match["of"], stems[path.parent]):
            found[path] = MASK
    return {} if len(found) == len(paths) else found


def _in_mask_folder(root: Path, inner: Sequence[str], holding: set[Path]) -> bool:
    """Whether a folder on the way is one of masks, with one of images beside it."""
    for depth, name in enumerate(inner):
        if not _MASK_FOLDER.match(name):
            continue
        parent = root.joinpath(*inner[:depth])
        beside = {p.name for p in holding if p.parent == parent}
        if any(_IMAGE_FOLDER.match(b) for b in beside):
            return True
    return False


def _has_image(stem: str, stems: set[str]) -> bool:
    """Whether an image of the stem is there, or others that begin with it and are no masks."""
    if stem in stems:
        return True
    begins = (f"{stem}_", f"{stem}-", f"{stem} ")
    return any(s.startswith(begins) and not _SUFFIX.match(s) for s in stems)
