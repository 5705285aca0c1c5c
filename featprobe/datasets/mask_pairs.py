"""Pairing of masks with images, by folders and names."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from featprobe.datasets.derived import IMAGE_FOLDER, MASK_FOLDER, mask_suffix
from featprobe.datasets.groups import stem_of
from featprobe.datasets.masks import MaskFile, Masks

CHANNEL = re.compile(r"_\d{4}$")  # of nnU-Net's images
Key = tuple[tuple[str, ...], str]  # folders, stem


@dataclass
class _Found:
    """Masks by image; ``classes`` where each file is of one class."""

    files: dict[int, list[tuple[Path, str]]] = field(default_factory=dict)
    unpaired: list[Path] = field(default_factory=list)

    @property
    def classes(self) -> list[str]:
        return sorted({c for files in self.files.values() for _, c in files if c})


def paired(
    root: Path, images: Sequence[tuple[Path, ...]], masks: Iterable[tuple[Path, Path]], origin: str
) -> Masks:  # fmt: skip
    """Pair masks with images, by folders and names.

    ``images``: files by item, below ``root``. ``masks``: each file with the folder its path counts
    from. A mask has the folders and the name of its image, but for folders of images and masks
    (``images/``, ``masks/``, ``labelsTr/``), a word behind (``x_mask``, ``x_seg``, a number too:
    several of one image are united), and nnU-Net's channel (``_0000``). A folder more, or a folder
    of one image, tells the class: ``masks/liver/x.png``, ``x/segmentations/liver.nii.gz``; each
    class then has a mask of its own (multi-label). Masks without an image are ``unpaired``, but for
    one mask of one image.
    """
    known = _keys(root, images)
    found = _Found()
    for path, base in masks:
        items, name = _image_of(path.relative_to(base), known)
        if not items:
            found.unpaired.append(path)
        for i in items:
            found.files.setdefault(i, []).append((path, name))
    if len(images) == len(found.unpaired) == 1 and not found.files:  # whatever they are called
        found.files[0], found.unpaired = [(found.unpaired[0], "")], []
    classes = found.classes
    label = {c: k for k, c in enumerate(classes)}
    if classes:
        for i, files in list(found.files.items()):
            found.unpaired += [p for p, c in files if not c]
            found.files[i] = [(p, c) for p, c in files if c]
    rows = tuple(
        tuple(MaskFile(p, label.get(c)) for p, c in found.files.get(i, ()))
        for i in range(len(images))
    )
    return Masks(
        rows, tuple(classes), multilabel=bool(classes), origin=origin,
        unpaired=tuple(found.unpaired),
    )  # fmt: skip


def _keys(root: Path, images: Sequence[tuple[Path, ...]]) -> dict[Key, list[int]]:
    known: dict[Key, list[int]] = {}
    for i, files in enumerate(images):
        inner = files[0].relative_to(root)
        folders = _without(inner.parts[:-1], IMAGE_FOLDER.match)
        stem = stem_of(inner.name)
        names = {stem, CHANNEL.sub("", stem)}
        if len(files) > 1 and folders:  # a series is its folder
            known.setdefault((folders[:-1], folders[-1]), []).append(i)
        for name in names:
            known.setdefault((folders, name), []).append(i)
    return known


def _image_of(inner: Path, known: Mapping[Key, list[int]]) -> tuple[list[int], str]:
    """Items of a mask, and its class where its place tells one."""
    folders = _without(inner.parts[:-1], MASK_FOLDER.match)
    stem = stem_of(inner.name)
    short = mask_suffix(stem)
    names = [stem, *([short] if short else [])]
    for name in names:
        if (folders, name) in known:
            return known[folders, name], ""
    for name in names:
        for k, folder in enumerate(folders):  # a folder more, wherever it stands
            rest = folders[:k] + folders[k + 1 :]
            if (rest, name) in known:
                return known[rest, name], folder
    if folders and (folders[:-1], folders[-1]) in known:
        return known[folders[:-1], folders[-1]], stem
    if short:  # b_seg beside b_t1, b_t2
        begins = (f"{short}_", f"{short}-", f"{short} ")
        several = [
            i for (f, s), items in known.items() if f == folders and s.startswith(begins)
            for i in items
        ]  # fmt: skip
        if several:
            return sorted(set(several)), ""
    alone = {i for (f, _), items in known.items() if f == folders for i in items}
    if len(alone) == 1 and len(folders) < len(inner.parts) - 1:  # x/ct.nii.gz, x/masks/liver.nii.gz
        return sorted(alone), stem
    same = {i for (_, s), items in known.items() if s in names for i in items}
    return (sorted(same), "") if len(same) == 1 else ([], "")


def _without(folders: tuple[str, ...], matches: Callable[[str], Any]) -> tuple[str, ...]:
    """Folders but for the last that matches."""
    for k in reversed(range(len(folders))):
        if matches(folders[k]):
            return folders[:k] + folders[k + 1 :]
    return folders
