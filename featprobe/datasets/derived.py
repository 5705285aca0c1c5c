"""Files that are made from images and are none of a data set: masks beside them, thumbnails."""

from __future__ import annotations

import re
from array import array
from bisect import bisect_left
from collections.abc import Collection, Iterable, Iterator, Sequence

import numpy as np

from featprobe.core.text_columns import PackedTexts, TextColumn
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
# How a stem ends, but for a number, that the pattern may match: the search of it takes long.
_ENDS = (
    "mask", "masks", "seg", "segs", "segm", "segmentation", "segmentations", "label", "labels",
    "labelmap", "gt", "truth", "annotation", "annotations", "annotated", "contour", "contours",
    "roi", "rois", "lesion", "lesions", "overlay", "heatmap", "bbox",
)  # fmt: skip
_THUMBNAILS = {"@eadir", "thumbs", "thumbnails", "thumb", ".thumbnails", "_thumbs"}


def sort_out(names: Iterable[str]) -> dict[str, str]:
    """Name -> what it is made of, for files that are no images of their own.

    ``names``: paths from the folder of the data set, with ``/``. A mask is named like an image of
    its folder with a word behind (``x_mask.png`` beside ``x.png``, ``b_seg.nii.gz`` beside
    ``b_t1.nii.gz``), or lies in ``masks/`` beside ``images/`` or below its image. A folder of masks
    alone is a data set of its own. A thumbnail lies in a folder of thumbnails (``@eaDir``) of
    images that are there, too.
    """
    folders = _Folders(names)
    ways = {above.rpartition("/")[::2] for f in folders.rows for above in _way(f)}
    imaged = {parent for parent, name in ways if IMAGE_FOLDER.match(name)}
    found: dict[str, str] = {}
    for folder in folders.rows:
        if any(p.lower() in _THUMBNAILS for p in folder.split("/")):
            found |= dict.fromkeys(folders.names(folder), THUMBNAIL)
        elif _in_mask_folder(folder, imaged):
            found |= dict.fromkeys(folders.names(folder), MASK)
        else:
            found |= _masks_in(folder, folders)
    return {} if len(found) == len(folders.column) else found


class _Folders:
    """Which names each folder has, of a ``column`` of which few are texts at a time."""

    def __init__(self, names: Iterable[str]) -> None:
        self.column = names if isinstance(names, TextColumn) else PackedTexts(names)
        self.rows: dict[str, array[int]] = {}
        for i, name in enumerate(self.column):
            self.rows.setdefault(name.rpartition("/")[0], array("q")).append(i)

    def names(self, folder: str) -> Iterable[str]:
        return self.column.take(np.array(self.rows.get(folder, ()), np.int64))

    def stems(self, folder: str) -> Iterator[str]:
        return map(stem_of, self.names(folder))


def _masks_in(folder: str, folders: _Folders) -> dict[str, str]:
    """The masks among the files of one folder."""
    found: dict[str, str] = {}
    above = _images_above(folder, folders)
    if not above and not any(map(_named_mask, folders.stems(folder))):
        return found
    stems = list(folders.stems(folder))
    matches = [_named_mask(stem) for stem in stems]
    own = set(stems)
    plain = sorted(s for s, match in zip(stems, matches) if not match)
    words: set[str] = set()
    lone: dict[str, str] = {}
    for name, stem, match in zip(folders.names(folder), stems, matches):
        if above and (len(above) == 1 or bool({stem, mask_suffix(stem)} & above)):
            found[name] = MASK
        elif match:
            word = match["word"].lower()
            if _has_image(match["of"], own, plain):
                found[name] = MASK
                words.add(word)
            else:
                lone[name] = word
    # beside masks of images that are there, a name of the same form is a mask that lost its image
    return found | {n: MASK for n, word in lone.items() if word in words}


def _way(folder: str) -> Iterator[str]:
    """A folder and those above it, "" being the top."""
    while folder:
        yield folder
        folder = folder.rpartition("/")[0]
    yield ""


def _images_above(folder: str, folders: _Folders) -> set[str]:
    """The images above a folder of masks: ``x.png`` and ``masks/x.png``, ``ct.nii.gz`` and
    ``segmentations/liver.nii.gz``."""
    above, _, name = folder.rpartition("/")
    return set(folders.stems(above)) if ONLY_MASKS.match(name) else set()


def mask_suffix(stem: str) -> str:
    """``x`` of ``x_mask`` and ``x_seg_1``; empty for a name without such a word."""
    match = _named_mask(stem)
    return match["of"] if match else ""


def _named_mask(stem: str) -> re.Match[str] | None:
    end = stem.rstrip("0123456789 _.-").lower()
    return _SUFFIX.match(stem) if end.endswith(_ENDS) or not stem.isascii() else None


def _in_mask_folder(folder: str, imaged: Collection[str]) -> bool:
    """Whether a folder on the way is one of masks, with one of images beside it.

    ``imaged``: folders that have one of images in them.
    """
    ways = (way.rpartition("/") for way in _way(folder))
    return any(parent in imaged and MASK_FOLDER.match(name) for parent, _, name in ways)


def _has_image(stem: str, stems: Collection[str], plain: Sequence[str]) -> bool:
    """Whether an image of the stem is there, or others that begin with it and are no masks.

    ``plain``: the stems that are no names of masks, sorted.
    """
    if stem in stems:
        return True
    for begin in (f"{stem}_", f"{stem}-", f"{stem} "):
        at = bisect_left(plain, begin)
        if at < len(plain) and plain[at].startswith(begin):
            return True
    return False
