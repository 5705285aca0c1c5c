"""What the catalog says of a data set, and how it is opened."""

from __future__ import annotations

import os
import shutil
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from featprobe import settings
from featprobe.datasets.base import Dataset
from featprobe.errors import InputError, MissingPath, reason
from featprobe.images.picture import FrameRecipe


@dataclass(frozen=True)
class Entry:
    """A named data set.

    ``build(root, recipe, memory)`` reads the official layout below ``root``. ``generate(folder)``
    makes the files instead, once, for data sets that come with featprobe; ``version`` is raised
    when what it makes changes. ``items``: expected number of items, None where it varies.
    ``layout``: the files as downloaded, one a line, for ``featprobe data show``.
    """

    name: str
    title: str
    modality: str
    task: str
    classes: tuple[str, ...]
    build: Callable[[Path, FrameRecipe, Path], Dataset]
    items: int | None = None
    group: str = "none known"
    split: str = "none"
    licence: str = ""
    citation: str = ""
    home: str = ""
    layout: str = ""
    generate: Callable[[Path], None] | None = None
    version: int = 1

    def load(self, root: Path | None, cache: Path, recipe: FrameRecipe) -> Dataset:
        """Open it below ``root``, ``$FEATPROBE_DATA/<name>``, or where it is generated."""
        memory = cache / "digests" / f"{self.name}.json"
        if self.generate is not None:
            folder = cache / "data" / f"{self.name}-v{self.version}"
            if not folder.exists():
                _generate(self.generate, folder)
            return self.build(folder, recipe, memory)
        places = settings.data_root()
        folder_or_none = root or (places / self.name if places else None)
        if folder_or_none is None or not folder_or_none.is_dir():
            where = folder_or_none or f"$FEATPROBE_DATA/{self.name}"
            raise MissingPath(
                f"{self.name}: its files are expected in {where}; download them from {self.home}, "
                "set FEATPROBE_DATA or give --root; the layout is shown by "
                f"'featprobe data show {self.name}'"
            )
        return self.build(folder_or_none, recipe, memory)

    def to_dict(self) -> dict[str, Any]:
        """What is declared, as JSON values."""
        hidden = ("build", "generate")
        d = {k: getattr(self, k) for k in self.__dataclass_fields__ if k not in hidden}
        return {**d, "classes": list(self.classes), "embedded": self.generate is not None}


def _generate(make: Callable[[Path], None], folder: Path) -> None:
    """Generate beside the final place and rename, so that a half-made set is never used."""
    temporary = folder.with_name(f".{folder.name}.{uuid.uuid4().hex[:8]}.partial")
    try:
        temporary.mkdir(parents=True)
        make(temporary)
        os.rename(temporary, folder)
    except OSError as error:
        if not folder.exists():  # otherwise another process was first
            raise InputError(f"{folder}: cannot be generated: {reason(error)}") from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
