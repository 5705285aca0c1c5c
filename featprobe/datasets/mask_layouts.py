"""Where the masks of a data set lie, and what is said of their classes.

Folders (``images/`` beside ``labels/``), files beside images (``x_mask``), nnU-Net's and the
Decathlon's ``dataset.json``, and what the options name.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from featprobe.core.errors import InputError, MissingPath, reason
from featprobe.core.paths import expanded
from featprobe.datasets.base import Dataset
from featprobe.datasets.derived import IMAGE_FOLDER, MASK_FOLDER, ONLY_MASKS
from featprobe.datasets.groups import stem_of
from featprobe.datasets.mask_classes import read_classes
from featprobe.datasets.mask_pairs import CHANNEL, paired
from featprobe.datasets.masks import MaskFile, Masks
from featprobe.datasets.read_options import ReadOptions
from featprobe.datasets.tree import walk
from featprobe.images import files

_VOID = ("void", "ignore", "unlabelled", "unlabeled")


def folders_of(root: Path) -> tuple[str, str] | None:
    """The folder of images and the folder of masks that stand beside each other, if there are any.

    Of training and test folders (``imagesTr``, ``imagesTs``) those of training.
    """
    names = sorted(p.name for p in root.iterdir() if p.is_dir())
    images = [n for n in names if IMAGE_FOLDER.match(n) and not n.lower().endswith("ts")]
    masks = [n for n in names if MASK_FOLDER.match(n) and not n.lower().endswith("ts")]
    images = [n for n in images if n.lower().endswith("tr")] or images
    sure = [n for n in masks if ONLY_MASKS.match(n)] or masks
    return (images[0], sure[0]) if len(images) == 1 and sure else None


def named_folders(root: Path, texts: Sequence[str]) -> dict[Path, str]:
    """The folders of ``--masks``, each with the class it is of (empty: its values are classes)."""
    out: dict[Path, str] = {}
    for text in texts:
        name, sign, folder = ("", "", text) if Path(text).exists() else text.partition("=")
        options = expanded(folder if sign or not name else text)
        path = next((p for p in (options, root / options) if p.is_dir()), None)
        if path is None:
            raise MissingPath(f"--masks {text}: no folder {options}, neither here nor in {root}")
        out[path] = name if sign else ""
    if len(out) > 1 and not all(out.values()):
        raise InputError("--masks: several folders of masks are written CLASS=FOLDER each")
    return out


def masks_of_folder(
    root: Path, data: Dataset, beside: Sequence[Path], pair: tuple[str, str] | None,
    named: Mapping[Path, str], reading: ReadOptions,
) -> Masks | None:  # fmt: skip
    """The masks of the items of a folder; None where there are none.

    ``beside``: masks found among the images. ``pair``: folders of images and masks. ``named``:
    folders that were named, which come before both.
    """
    images: Sequence[tuple[Path, ...]] = getattr(data.source, "paths", ())
    if any(named.values()):
        if reading.mask_classes:
            raise InputError("--mask-classes: folders of --masks CLASS=FOLDER name the classes")
        parts = [paired(root, images, _below(f, f), f"{c} {f.name}/") for f, c in named.items()]
        rows = tuple(
            tuple(MaskFile(f.source, k) for k, m in enumerate(parts) for f in m.files[i])
            for i in range(len(images))
        )
        return Masks(
            rows, tuple(named.values()), multilabel=True, origin=", ".join(m.origin for m in parts),
            unpaired=tuple(p for m in parts for p in m.unpaired),
        )  # fmt: skip
    if named:
        folder = next(iter(named))
        masks = paired(root, images, _below(folder, folder), f"{folder.name}/")
        return with_classes(masks, reading, root, folder.parent)
    if pair and _images(root / pair[1]):
        masks = paired(root, images, _below(root / pair[1], root), f"{pair[1]}/")
    elif beside:
        masks = paired(root, images, [(p, root) for p in beside], "files beside the images")
    else:
        if pair:
            data.warn("masks", [f"{pair[1]}/ holds no image file, so no masks are read"])
        if reading.mask_classes:
            raise InputError(f"{root}: --mask-classes, but no masks were found; name their folder "
                             "with --masks")  # fmt: skip
        return None
    return with_classes(masks, reading, root)


def _below(folder: Path, base: Path) -> list[tuple[Path, Path]]:
    found = _images(folder)
    if not found:
        raise InputError(f"{folder}: no masks in this folder: none of its files is an image")
    return [(p, base) for p in found]


def _images(folder: Path) -> list[Path]:
    return [p for p in walk(folder) if files.kind_of(p)]


def with_masks_file(data: Dataset, reading: ReadOptions) -> Dataset:
    """A data set of one image with the mask file of ``--masks``."""
    if reading.masks in ((), ("none",)):
        return data
    path = expanded(reading.masks[0])
    if len(reading.masks) > 1 or not path.is_file():
        raise MissingPath(f"--masks {' '.join(reading.masks)}: of one image it is the mask's file")
    data.set_masks(with_classes(Masks.of([path], origin=path.name), reading, path.parent))
    return data


def with_classes(masks: Masks, reading: ReadOptions, *places: Path) -> Masks:
    """The masks with the classes that are said: by the reading, else by the ``dataset.json`` of the
    first of some folders that has one."""
    if reading.mask_classes and masks.multilabel:
        raise InputError(
            f"the masks have a file a class ({', '.join(masks.names[:6])}); --mask-classes "
            "is for masks whose values are classes"
        )
    if masks.multilabel:
        return masks
    if reading.mask_classes:
        masks.names, masks.given = read_classes(reading.mask_classes)
        return masks
    path = next((p for p in places if (p / "dataset.json").is_file()), None)
    if path is not None:
        named = dataset_json(path / "dataset.json")
        if named is not None:
            masks.names, masks.given, masks.multilabel = named
    return masks


def dataset_json(
    path: Path,
) -> tuple[tuple[str, ...], dict[str, tuple[int, ...]], bool] | None:
    """Classes, their values and whether they overlap, of a ``dataset.json``; None without labels.

    The Decathlon's labels are ``{"0": "background", "1": "liver"}``, nnU-Net's ``{"background": 0,
    "liver": 1}``, where a list of values is a region, which overlaps others, and ``ignore`` is
    void. Raises :class:`InputError` for what is neither.
    """
    try:
        content: Any = json.loads(path.read_text(encoding="utf-8-sig"))
        labels = content.get("labels") if isinstance(content, Mapping) else None
        if not isinstance(labels, Mapping) or not labels:
            return None
        if all(str(k).lstrip("-").isdigit() for k in labels):
            options: dict[str, tuple[int, ...]] = {str(v): (int(k),) for k, v in labels.items()}
        else:
            options = {
                str(k): tuple(int(x) for x in (v if isinstance(v, list) else [v]))
                for k, v in labels.items()
            }
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise InputError(f"{path}: its labels cannot be read: {reason(error)}") from None
    used = [v for values in options.values() for v in values]
    options = {n: v for n, v in options.items() if n.lower() not in _VOID}
    if len(used) > len(set(used)) or any(len(v) > 1 for v in options.values()):
        regions = {n: v for n, v in options.items() if v != (0,)}
        return tuple(regions), regions, True
    names = tuple(sorted(options, key=lambda n: options[n]))
    if [options[n] for n in names] == [(k,) for k in range(len(names))]:
        return names, {}, False  # 0, 1, ...: two may also be written 0 and 255
    return names, options, False


def of_channel(paths: Sequence[tuple[str, ...]], channel: int) -> Sequence[int]:
    """Of nnU-Net's images, all named ``case_0000``, the items of one channel; all of others."""
    ends: list[str] = []
    for item in paths:
        match = CHANNEL.search(stem_of(item[0]))
        if match is None:
            return range(len(paths))
        ends.append(match[0])
    if len(set(ends)) < 2:
        return range(len(paths))
    return [i for i, end in enumerate(ends) if int(end[1:]) == channel]
