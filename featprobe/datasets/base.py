"""The Dataset: items with pixels, labels, groups and splits."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from featprobe.core.display import Displayable
from featprobe.core.errors import InputError, nearest
from featprobe.core.fingerprint import digest_pairs
from featprobe.core.text_columns import as_texts, each_text
from featprobe.datasets.encode import (
    GIVEN,
    SPLITS,
    TASKS,
    encode,
    no_id_twice,
    split_column,
    text_column,
)
from featprobe.datasets.file_paths import FilePaths
from featprobe.datasets.masks import Masks
from featprobe.datasets.sources import (
    ArraySource,
    FileSource,
    Progress,
    Source,
    names_of,
    paths_of,
    rows_of,
)
from featprobe.images.decoded_image import PLANES, DecodedImage, FrameRecipe, ImageHeader
from featprobe.images.files import kind_of_name
from featprobe.images.grids import FrameGrid, View
from featprobe.images.raster import orientation


@dataclass(repr=False)
class Dataset(Displayable):
    """Items with pixels, targets, groups and split.

    ``ids`` (N,) unique text. ``targets``: None; int (N,) for multiclass and ordinal, -1 where
    unknown; float (N, C) of 0, 1 and NaN (unknown) for multilabel; float (N,) for regression.
    ``classes``: names of the C classes or labels. ``groups`` (N,): patient of each item, never
    split. ``split`` (N,): ``train``, ``val``, ``test`` of an official split, or "" everywhere.
    ``group_origin`` and ``split_origin`` say in words where the two come from. ``skipped`` counts
    files left aside by kind (DICOM objects without pixels, other files). ``notes``: what a reader
    of results should know, one line each (counts that differ from the published ones, patients whom
    the official split itself divides). ``warnings``: what was guessed, or found and not used, by
    kind (``labels``, ``patients``, ``split``, ``files``): findings of ``featprobe data check``.
    ``label_origin`` says in words where the labels come from. ``tables``: files of labels, patients
    and split.

    ``masks``: the :class:`~featprobe.datasets.masks.Masks` of the items, None where there are none.

    Ids and groups of a folder are :class:`~featprobe.core.text_columns.TextColumn`, to be used as
    arrays and set as a whole.
    """

    name: str
    ids: np.ndarray
    source: Source
    targets: np.ndarray | None = None
    task: str | None = None
    classes: tuple[str, ...] = ()
    groups: np.ndarray = field(default_factory=lambda: np.empty(0, dtype=str))
    split: np.ndarray = field(default_factory=lambda: np.empty(0, dtype=str))
    group_origin: str = "none known: each item is its own group"
    split_origin: str = "none"
    recipe: FrameRecipe = field(default_factory=FrameRecipe)
    skipped: dict[str, int] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    masks: Masks | None = None
    warnings: dict[str, list[str]] = field(default_factory=dict)
    label_origin: str = ""
    tables: tuple[Path, ...] = ()

    def __post_init__(self) -> None:
        self.ids = as_texts(self.ids)
        n = len(self.ids)
        if n == 0:
            raise InputError(f"{self.name}: the data set has no items")
        no_id_twice(self.ids, self.name)
        if not len(self.groups):
            self.groups = self.ids.copy()
        if not len(self.split):
            self.split = np.full(n, "", dtype=np.str_)
        self.groups, self.split = as_texts(self.groups), as_texts(self.split)
        if self.targets is not None:
            self.targets = np.asarray(self.targets)
        for what in ("groups", "split", "targets"):
            values = getattr(self, what)
            if values is not None and len(values) != n:
                raise InputError(f"{self.name}: {len(values)} {what} for {n} items")
        if self.targets is not None and self.task not in TASKS:
            raise InputError(f"{self.name}: task {self.task!r} is none of {', '.join(TASKS)}")
        self.set_masks(self.masks)
        if odd := sorted({*each_text(self.split)} - {"", *SPLITS}):
            raise InputError(f"{self.name}: split {odd[0]!r} is none of {', '.join(SPLITS)}")

    @classmethod
    def from_arrays(
        cls, images: Any, y: Any = None, *, groups: Any = None, split: Any = None, ids: Any = None,
        classes: Sequence[str] = (), task: str | None = None, volumes: bool = False,
        name: str = "arrays", recipe: FrameRecipe | None = None, masks: Any = None,
    ) -> Dataset:  # fmt: skip
        """Make a data set of arrays in memory.

        ``images``: (N, H, W) grey, (N, H, W, 3) colour, or with ``volumes`` (N, F, H, W) stacks of
        F frames; or a list of N such arrays of different sizes. ``y``: see
        :func:`~featprobe.datasets.encode.encode`. ``groups`` (N,): the patient of each item;
        ``split`` (N,): train, val, test or "" everywhere; ``ids`` (N,): unique, by default the
        place of each. ``masks``: N arrays of labels, of the shapes of the images. Raises
        :class:`InputError` that says what was expected and what came.
        """
        arrays = rows_of(images, volumes)
        made = cls._of(ArraySource(arrays), sum(map(len, arrays)), y, groups, split, ids, classes,
                       task, name, recipe)  # fmt: skip
        made.set_masks(None if masks is None else Masks.of_arrays(masks))
        return made

    @classmethod
    def from_files(
        cls, paths: Any, y: Any = None, *, groups: Any = None, split: Any = None, ids: Any = None,
        classes: Sequence[str] = (), task: str | None = None, name: str = "files",
        recipe: FrameRecipe | None = None,
    ) -> Dataset:  # fmt: skip
        """Make a data set of files: a path each, or the ordered paths of the slices of a series.

        ``ids`` are by default the paths below the folder that all have in common; the rest is as of
        :meth:`from_arrays`. Raises :class:`~featprobe.core.errors.MissingPath` for a file that is
        not there.
        """
        found = paths_of(paths)
        ids = names_of(found) if ids is None else ids
        return cls._of(FileSource(found), len(found), y, groups, split, ids, classes, task, name,
                       recipe)  # fmt: skip

    @classmethod
    def from_frame(
        cls, frame: Any, path: str = "path", label: str | Sequence[str] | None = "label", *,
        group: str | None = None, split: str | None = None, id: str | None = None,
        root: str | PathLike[str] = "", **more: Any,
    ) -> Dataset:  # fmt: skip
        """Make a data set of the rows of a pandas DataFrame.

        ``path``, ``label`` (several columns make labels, None no targets), ``group`` (the patient),
        ``split`` and ``id`` name columns; relative paths are below ``root``. ``more``: ``task``,
        ``classes``, ``name``, ``recipe`` as of :meth:`from_files`.
        """
        if not hasattr(frame, "columns"):
            raise InputError(f"frame: expected a pandas DataFrame, got {type(frame).__name__}")
        columns = {"path": path, "group": group, "split": split, "id": id}
        labels = [label] if isinstance(label, str) else list(label or ())
        for column in [*columns.values(), *labels]:
            if column is not None and column not in frame.columns:
                raise InputError(
                    f"the frame has no column {column!r}.{nearest(column, map(str, frame.columns))}"
                    f" It has: {', '.join(map(str, frame.columns))}"
                )
        part = {n: None if c is None else frame[c].tolist() for n, c in columns.items()}
        y = None if not labels else frame[labels[0]] if len(labels) == 1 else frame[labels]
        if frame[path].isna().any():
            row = frame.index[frame[path].isna()][0]
            raise InputError(f"frame: column {path!r} is blank in row {row!r}")
        files = [Path(root, str(p)) for p in frame[path].tolist()]
        return cls.from_files(
            files, y, groups=part["group"], split=part["split"], ids=part["id"], **more
        )

    @classmethod
    def _of(
        cls, source: Source, n: int, y: Any, groups: Any, split: Any, ids: Any,
        classes: Sequence[str], task: str | None, name: str, recipe: FrameRecipe | None,
    ) -> Dataset:  # fmt: skip
        if y is None and (task or len(classes)):
            raise InputError("task and classes are of targets: give y too")
        made = cls(
            name, text_column(range(n) if ids is None else ids, n, "ids"), source,
            recipe=recipe or FrameRecipe(),
        )  # fmt: skip
        if y is not None:
            found = encode(y, n, task, classes)
            made.targets, made.task, made.classes = found.values, found.task, found.classes
        if groups is not None:
            made.groups, made.group_origin = text_column(groups, n, "groups"), GIVEN
            if (made.groups == "").any():
                first = int(np.flatnonzero(made.groups == "")[0])
                raise InputError(f"groups: item {first} has none; give every item a patient")
        if split is not None:
            made.split, made.split_origin = split_column(split, n), GIVEN
        return made

    def __len__(self) -> int:
        return len(self.ids)

    def facts(self) -> tuple[Sequence[str], dict[str, Any]]:
        out = {"items": len(self), "task": self.task, "classes": len(self.classes),
               "groups": len(np.unique(self.groups))}  # fmt: skip
        return (self.name,), out if self.masks is None else {**out, "masks": self.masks.count}

    def warn(self, kind: str, texts: Sequence[str]) -> None:
        """Add texts to :attr:`warnings`."""
        if texts:
            self.warnings.setdefault(kind, []).extend(texts)

    def set_masks(self, masks: Masks | None) -> None:
        """Attach segmentation masks; they are read on the grids of the images."""
        if masks is not None:
            if len(masks) != len(self.ids):
                raise InputError(f"{self.name}: {len(masks)} masks for {len(self.ids)} items")
            masks.header, masks.turn = self.header, self._turn
        self.masks = masks

    def _turn(self, i: int) -> int:
        """EXIF's orientation of the picture of item i."""
        paths = getattr(self.source, "paths", None)
        if paths is None or len(paths[i]) != 1 or kind_of_name(paths[i][0].name) != "raster":
            return 1
        return orientation(paths[i][0])

    def header(self, i: int) -> ImageHeader:
        """Size and geometry of item i before it is cut into frames: from its file's header, or from
        its pixels where the source has no header."""
        if hasattr(self.source, "header"):
            return self.source.header(i, self.recipe)
        whole = self.source.read(i, replace(self.recipe, frames="all"))
        frames, height, width = whole.pixels.shape[:3]
        return ImageHeader((width, height, frames))

    def grid(self, i: int, view: Callable[[int, int], View]) -> FrameGrid:
        """How the frames of item i, seen as ``view`` says of a (height, width), lie in its voxels.

        Headers tell, but for ``frames="foreground"``, which decodes the item.
        """
        return FrameGrid.of(self.header(i), self.recipe, view, self._taken(i))

    def _taken(self, i: int) -> list[np.ndarray] | None:
        if self.recipe.frames != "foreground":
            return None
        planes = PLANES[1:4] if self.recipe.plane == "all" else (self.recipe.plane,)
        cuts = [self.source.read(i, replace(self.recipe, plane=p)) for p in planes]
        return [np.arange(len(c.pixels)) if c.index is None else c.index for c in cuts]

    def frames(self, i: int) -> int:
        """Number of frames of item i, from the file's header."""
        return self.source.frames(i, self.recipe)

    def open(self, i: int) -> DecodedImage:
        """Decoded pixels of item i with window, geometry and notes."""
        return self.source.read(i, self.recipe)

    def read(self, i: int) -> np.ndarray:
        """Decoded pixels of item i: (F, H, W) or (F, H, W, 3), native dtype.

        Raises :class:`~featprobe.core.errors.UnreadableItem` naming the file.
        """
        return self.open(i).pixels

    def files_per_item(self) -> list[int]:
        """Number of files of each item; an item inside a container counts as one."""
        paths = getattr(self.source, "paths", None)
        return [1] * len(self) if paths is None else list(FilePaths.of(paths).sizes())

    def kinds(self) -> set[str]:
        """Which readers the items have; none where a source of one's own does not say."""
        return set(self.source.kinds()) if hasattr(self.source, "kinds") else set()

    def formats(self) -> set[str]:
        """As :meth:`kinds`, of files by their names alone: deep colours are not told."""
        return set(self.source.formats()) if hasattr(self.source, "formats") else self.kinds()

    def former_kinds(self) -> set[str]:
        """What :meth:`kinds` said before, where features under either are the same; else none."""
        return set(self.source.former_kinds()) if hasattr(self.source, "former_kinds") else set()

    @cached_property
    def fingerprint(self) -> str:
        """sha256 over ids and contents of all items: what the features depend on.

        Labels, groups and splits are left out: they can change without a new extraction.
        """
        return self.compute_fingerprint()

    def compute_fingerprint(self, progress: Progress | None = None) -> str:
        """As :attr:`fingerprint`, telling ``progress`` how many files are hashed."""
        value = digest_pairs(zip(each_text(self.ids), self.source.contents(progress), strict=True))
        self.__dict__["fingerprint"] = value
        return value
