"""What the catalog says of a data set, and how it is opened."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from featprobe.core import paths as settings
from featprobe.core.atomic import written_aside
from featprobe.core.errors import InputError, MissingPath, UnknownName, nearest, reason
from featprobe.datasets.base import Dataset
from featprobe.datasets.read_files import tables_in
from featprobe.images.decoded_image import FrameRecipe


@dataclass(frozen=True)
class DatasetEntry:
    """A named data set.

    ``build(root, recipe, memory, **options)`` reads the official layout below ``root``.
    ``generate(folder)`` makes the files instead, once, for data sets that come with featprobe;
    ``version`` is raised when what it makes changes.

    ``task``: one of the tasks of a Dataset, or ``segmentation``; ``classes``: then those of the
    masks. ``items`` and ``split_items``: published numbers of items, in all and by split, None and
    empty where they vary or are not known for sure; a data set that differs is opened with a note.
    ``options``: name -> permitted values, the first the default. ``layout``: the files as
    downloaded, one a line, for ``featprobe data show``. ``folder``: its folder below
    ``$FEATPROBE_DATA``, where it is not the name.
    """

    name: str
    title: str
    modality: str
    task: str
    classes: tuple[str, ...]
    build: Callable[..., Dataset]
    items: int | None = None
    split_items: Mapping[str, int] = field(default_factory=dict)
    group: str = "none known"
    split: str = "none"
    options: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    licence: str = ""
    citation: str = ""
    home: str = ""
    layout: str = ""
    folder: str = ""
    generate: Callable[[Path], None] | None = None
    version: int = 1

    def load(
        self,
        root: Path | None,
        cache: Path,
        recipe: FrameRecipe,
        options: Mapping[str, str] | None = None,
        also: Sequence[str] = (),
    ) -> Dataset:
        """Open it below ``root``, ``$FEATPROBE_DATA/<folder>``, or where it is generated.

        ``also``: other names of its folder, in any spelling of case, ``-`` and ``_``.

        Raises :class:`MissingPath` and :class:`InputError` naming the file that is absent or not
        as published, and :class:`UnknownName` for an unknown option.
        """
        chosen = self.choose(options or {})
        memory = cache / "digests" / f"{self.name}.index"
        if self.generate is not None:
            folder = cache / "data" / f"{self.name}-v{self.version}"
            if not folder.exists():
                _generate(self.generate, folder)
            return self.build(folder, recipe, memory, **chosen)
        hint = f"the layout is shown by 'featprobe data show {self.name}'"
        places = settings.data_root()
        place = root or (self._below(places, also) if places else None)
        if place is None or not place.is_dir():
            where = place or f"$FEATPROBE_DATA/{self.folder or self.name}"
            raise MissingPath(
                f"{self.name}: its files are expected in {where}; download them from {self.home}, "
                f"set FEATPROBE_DATA or give --root; {hint}"
            )
        try:
            data = self.build(place, recipe, memory, **chosen)
        except (MissingPath, InputError) as error:
            source = f"; it is part of {self.home}" if isinstance(error, MissingPath) else ""
            raise type(error)(f"{self.name}: {error}{source}; {hint}") from error
        if (data.groups != data.ids).any():
            data.group_origin = self.group
        if (data.split != "").any():
            study = self.named_split(chosen.get("split"))
            data.split_origin = f"as of the study {study}" if study else f"official: {self.split}"
        data.tables = tables_in(place)
        self._check(data, chosen)
        return data

    def _below(self, places: Path, also: Sequence[str]) -> Path:
        """Its folder below that of all data sets; the usual one where there is none."""
        usual = places / (self.folder or self.name)
        if usual.is_dir() or not places.is_dir():
            return usual
        names = {_spelt(n) for n in (usual.name, *also)}
        found = sorted(p for p in places.iterdir() if _spelt(p.name) in names and p.is_dir())
        return found[0] if found else usual

    @property
    def study_splits(self) -> tuple[str, ...]:
        """Names of the splits of studies that it knows; the first of the option is its own."""
        return tuple(self.options.get("split", ())[1:])

    def named_split(self, text: Any) -> str:
        """The split of a study that a text names, empty where it is none of this data set."""
        return text if isinstance(text, str) and text in self.study_splits else ""

    def take_own(self, options: dict[str, Any]) -> dict[str, Any]:
        """Take out of options what this entry reads in its own way: what uncertain findings become,
        and the name of a label set."""
        own = {}
        uncertain = options.pop("uncertain", None)
        if uncertain is not None:
            own["uncertain"] = uncertain
        labels: Any = options.get("labels") or ()
        name = labels if isinstance(labels, str) else labels[0] if len(labels) == 1 else ""
        if name in self.options.get("labels", ()):
            own["labels"] = name
            del options["labels"]
        return own

    def choose(self, options: Mapping[str, str]) -> dict[str, str]:
        """A value for each option of its own; errors as of :meth:`load`."""
        chosen = {name: values[0] for name, values in self.options.items()}
        for name, value in options.items():
            if name not in chosen:
                have = ", ".join(chosen) or "none"
                raise UnknownName(
                    f"{self.name} has no option {name!r}.{nearest(str(name), chosen)} "
                    f"It has: {have}"
                )
            if isinstance(value, bool) or str(value) not in self.options[name]:
                raise InputError(
                    f"{self.name}: {name} is one of {', '.join(self.options[name])}, not {value!r}"
                )
            chosen[name] = str(value)
        return chosen

    def _check(self, data: Dataset, chosen: Mapping[str, str]) -> None:
        """Note what differs from the published data set, and patients whom its split divides."""
        plain = chosen == {name: values[0] for name, values in self.options.items()}
        expected = {"": self.items, **self.split_items} if plain else {}
        for split, n in expected.items():
            found = int((data.split == split).sum()) if split else len(data)
            if n is not None and found != n:
                what = f"{split} items" if split else "items"
                data.notes.append(f"{found} {what}, {n} published")
        study = self.named_split(chosen.get("split"))
        pairs = np.unique(np.stack([data.groups, data.split], 1), axis=0)
        crossing = int((np.unique(pairs[:, 0], return_counts=True)[1] > 1).sum())
        if crossing:
            data.notes.append(
                f"{crossing} groups ({self.group}) occur in several parts of the "
                f"{'split of the study' if study else 'official split'}"
            )

    def to_dict(self) -> dict[str, Any]:
        """What is declared, as JSON values."""
        hidden = ("build", "generate")
        d = {k: getattr(self, k) for k in self.__dataclass_fields__ if k not in hidden}
        return {
            **d,
            "classes": list(self.classes),
            "split_items": dict(self.split_items),
            "options": {k: list(v) for k, v in self.options.items()},
            "embedded": self.generate is not None,
        }


def _spelt(name: str) -> str:
    return name.lower().replace("-", "_")


def _generate(make: Callable[[Path], None], folder: Path) -> None:
    """Generate beside the final place and rename, so that a half-made set is never used."""
    try:
        with written_aside(folder) as aside:
            aside.mkdir(parents=True)
            make(aside)
    except OSError as error:
        if not folder.exists():  # otherwise another process was first
            raise InputError(f"{folder}: cannot be generated: {reason(error)}") from error
