"""Items decoded in worker processes by whoever asks for one: a decoder that dies takes none along.

Extraction hands whole items to :mod:`featprobe.extraction.workers`; here are the other places that
decode: planning, a shared intensity range, the audit, pictures.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np

from featprobe.core.errors import FeatprobeError, UnreadableItem, reason
from featprobe.datasets.base import Dataset
from featprobe.datasets.sources import FileSource, Source
from featprobe.extraction.decoding import separable
from featprobe.extraction.workers import pool
from featprobe.images.decoded_image import DecodedImage, FrameRecipe
from featprobe.images.plugins import BUILT_IN

NO_PIXELS = np.zeros((1, 1, 1), np.uint8)


@dataclass
class Call:
    """A function of arguments as a job of a worker; ``name`` is of the item, for messages."""

    function: Callable[..., Any]
    arguments: tuple[Any, ...]
    name: str
    item: int = 0

    def run(self) -> Answer:
        """What it returns, or the error that it raises."""
        try:
            value = self.function(*self.arguments)
            if isinstance(value, DecodedImage):  # pixels go through shared memory
                return Answer(replace(value, pixels=NO_PIXELS), pixels=value.pixels)
            return Answer(value)
        except FeatprobeError as error:
            return Answer(error=error)
        except Exception as error:  # a library's, which another process may not know
            return Answer(error=UnreadableItem(f"{self.name}: {reason(error)}"))


@dataclass
class Answer:
    """What came of a :class:`Call`; ``pixels`` and ``text`` as of Decoded, which a pool returns."""

    value: Any = None
    error: FeatprobeError | None = None
    pixels: np.ndarray | None = None
    text: str = ""


def elsewhere(function: Callable[..., Any], *arguments: Any, name: str) -> Any:
    """A module's function in a worker process.

    Raises what it raises, and :class:`UnreadableItem` where the process dies twice or hangs.
    """
    answer: Any = pool()(Call(function, arguments, name))  # type: ignore[arg-type]
    if answer.text:
        raise UnreadableItem(answer.text)
    if answer.error is not None:
        raise answer.error
    if isinstance(answer.value, DecodedImage):
        return replace(answer.value, pixels=answer.pixels)
    return answer.value


class Elsewhere:
    """A source of files whose items are decoded in worker processes; all else is its own."""

    def __init__(self, source: Source, names: Any, kinds: set[str]) -> None:
        self._source, self._names = source, names
        self._foreign = bool(kinds - set(BUILT_IN))  # whose headers nobody here knows

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._source, name)
        return partial(self._call, name) if name == "header" and self._foreign else found

    def read(self, i: int, recipe: FrameRecipe) -> DecodedImage:
        found: DecodedImage = self._call("read", i, recipe)
        return found

    def frames(self, i: int, recipe: FrameRecipe) -> int:
        if not self._foreign and recipe.frames != "foreground":
            return self._source.frames(i, recipe)
        found: int = self._call("frames", i, recipe)
        return found

    def _call(self, method: str, i: int, recipe: FrameRecipe) -> Any:
        source, at = self._source, i
        if isinstance(source, FileSource):
            source, at = source.only(i), 0
        return elsewhere(_ask, source, method, at, recipe, name=str(self._names[i]))


def _ask(source: Any, method: str, i: int, recipe: FrameRecipe) -> Any:
    return getattr(source, method)(i, recipe)


@contextmanager
def decoded_elsewhere(dataset: Dataset) -> Iterator[Dataset]:
    """Within it the items of the data set are decoded in worker processes, where they are files."""
    source = dataset.source
    if separable(dataset) and not isinstance(source, Elsewhere):
        dataset.source = Elsewhere(source, dataset.ids, dataset.formats())
    try:
        yield dataset
    finally:
        dataset.source = source
