"""A study as a file: a leaderboard that it is, its published numbers, and what differs here.

    title: Evaluating General Purpose Vision Foundation Models for Medical Image Analysis
    paper: Baharoon et al., 2023, arXiv 2312.02366
    code: MohammedSB/DINOv2ForRadiology
    board: rad
    tables: [{table: ..., metric: auroc, data: ..., probe: ..., columns: [...], rows: {...}}]
    differs: ["Mean and deviation are those of each checkpoint; there ImageNet's"]
    elsewhere: ["Lung masks: 'featprobe segment --preset rad-linear'"]

``board`` is the leaderboard's file, or the name of a ready one: data sets with label set and split,
backbones, preprocessing, probes (whose presets know the view of each kind of backbone), draws,
seeds and metric. ``segment``: see :mod:`featprobe.studies.decoding`. ``tables``: see
:func:`~featprobe.studies.published.numbers_of`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from featprobe.core.errors import InputError, MissingPath, UnknownName, nearest
from featprobe.core.paths import expanded
from featprobe.core.yaml_file import checked, read_yaml
from featprobe.leaderboard.grid import Grid, read
from featprobe.leaderboard.includes import named_file
from featprobe.studies.decoding import Decoding, decodings_of
from featprobe.studies.published import Published, numbers_of

FILES = Path(__file__).parent / "files"
KEYS = {
    "title": str, "paper": str, "code": str, "board": str, "tables": Sequence[Any],
    "segment": Sequence[Any],
    "differs": tuple[str, ...], "elsewhere": tuple[str, ...],
}  # fmt: skip


@dataclass(frozen=True)
class Study:
    """A study. ``differs``: what differs by intention; ``elsewhere``: what other commands run;
    ``decodings``: what is segmented."""

    name: str
    title: str
    board: Path
    published: tuple[Published, ...] = ()
    paper: str = ""
    code: str = ""
    differs: tuple[str, ...] = ()
    elsewhere: tuple[str, ...] = ()
    decodings: tuple[Decoding, ...] = ()

    def grid(self) -> Grid:
        """Its leaderboard, read and checked; nothing is opened."""
        return read(self.board)


def studies() -> list[str]:
    """Names of the studies that come with featprobe."""
    return sorted(p.stem for p in FILES.glob("*.yaml"))


def study(text: str) -> Study:
    """The study of that name, or of a file of one's own.

    Raises :class:`UnknownName` with the nearest name, :class:`MissingPath`, or :class:`InputError`
    with the file and the place in it.
    """
    path = expanded(text)
    if text in studies() and not path.is_file():
        path = FILES / f"{text}.yaml"
    elif not path.exists():
        if path.suffix or "/" in text:
            raise MissingPath(f"{path}: no such file")
        raise UnknownName(
            f"{text!r} is neither a file nor a study.{nearest(text, studies())} There: "
            f"{', '.join(studies())}"
        )
    given = checked(
        read_yaml(path, "a mapping is needed, with 'title' and 'board'"), KEYS, str(path)
    )
    for key in ("title", "board"):
        if key not in given:
            raise InputError(f"{path}: {key!r} is needed")
    found = numbers_of(given.pop("tables", ()), f"{path}: tables")
    board = named_file(given.pop("board"), path.parent)
    decodings = decodings_of(given.pop("segment", ()), path.parent, f"{path}: segment")
    return Study(
        path.stem, board=board, published=tuple(found), decodings=tuple(decodings), **given
    )
