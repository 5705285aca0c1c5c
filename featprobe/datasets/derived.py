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
_SUFFIX = re.compile(
    rf"^(?P<of>.+?)[ _.-]+(?P<word>{_WORDS})(?P<which>[ _.-]?\d{{0,3}})$", re.IGNORECASE
)
ONLY_MASKS = re.compile(r"^(masks?|segmentations?|labels(Tr)?|ground[ _-]?truth)$", re.I)
MASK_FOLDER = re.compile(rf"^{_WORDS}(Tr|Ts)?$", re.IGNORECASE)
IMAGE_FOLDER = re.compile(r"^(images?|imgs?|image(Tr|Ts)|images(Tr|Ts)|scans?|cts?|mris?)$", re.I)
_THUMBNAILS = {"@eadir", "thumbs", "thumbnails", "thumb", ".thumbnails", "_thumbs"}


def sort_out(root: Path, paths: Sequence[Path]) -> dict[Path, str]:
    """Path -> what it is made of, for files that are no images of their own.

    A mask is named like an image of its folder with a word behind (``x_mask.png`` beside ``x.png``,
    ``b_seg.nii.gz`` beside ``b_t1.nii.gz``), or lies in ``masks/`` beside ``images/`` or below its
    image. A folder of masks alone is a data set of its own. A thumbnail lies in a folder of
    thumbnails (``@eaDir``) of images that are there, too.
    """
    found: dict[Path, str] = {}
    stems: dict[Path, set[str]] = {}
    for path in paths:
        stems.setdefault(path.parent, set()).add(stem_of(path.name))
    folders = set(stems)
    holding = {parent for f in folders for parent in (f, *f.parents) if parent.is_relative_to(root)}
    words: dict[Path, set[str]] = {}
    lone: dict[Path, str] = {}
    for path in paths:
        inner = path.parent.relative_to(root).parts
        if any(p.lower() in _THUMBNAILS for p in inner):
            found[path] = THUMBNAIL
            continue
        if _in_mask_folder(root, inner, holding) or _below_images(path, stems):
            found[path] = MASK
            continue
        match = _SUFFIX.match(stem_of(path.name))
        if match:
            word = match["word"].lower()
            if _has_image(match["of"], stems[path.parent]):
                found[path] = MASK
                words.setdefault(path.parent, set()).add(word)
            else:
                lone[path] = word
    # beside masks of images that are there, a name of the same form is a mask that lost its image
    found |= {p: MASK for p, word in lone.items() if word in words.get(p.parent, ())}
    return {} if len(found) == len(paths) else found


def _below_images(path: Path, stems: dict[Path, set[str]]) -> bool:
    """Whether a file lies in a folder of masks below its image: ``x.png`` and ``masks/x.png``,
    ``ct.nii.gz`` and ``segmentations/liver.nii.gz``."""
    above = stems.get(path.parent.parent)
    if above is None or not ONLY_MASKS.match(path.parent.name):
        return False
    stem = stem_of(path.name)
    return len(above) == 1 or bool({stem, mask_suffix(stem)} & above)


def mask_suffix(stem: str) -> str:
    """``x`` of ``x_mask`` and ``x_seg_1``; empty for a name without such a word."""
    match = _SUFFIX.match(stem)
    return match["of"] if match else ""


def _in_mask_folder(root: Path, inner: Sequence[str], holding: set[Path]) -> bool:
    """Whether a folder on the way is one of masks, with one of images beside it."""
    for depth, name in enumerate(inner):
        if not MASK_FOLDER.match(name):
            continue
        parent = root.joinpath(*inner[:depth])
        beside = {p.name for p in holding if p.parent == parent}
        if any(IMAGE_FOLDER.match(b) for b in beside):
            return True
    return False


def _has_image(stem: str, stems: set[str]) -> bool:
    """Whether an image of the stem is there, or others that begin with it and are no masks."""
    if stem in stems:
        return True
    begins = (f"{stem}_", f"{stem}-", f"{stem} ")
    return any(s.startswith(begins) and not _SUFFIX.match(s) for s in stems)
