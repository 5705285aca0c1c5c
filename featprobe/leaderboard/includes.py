"""Files of leaderboards that include others, and the ready ones that come with featprobe.

    include: [models.yaml, ../common/probes.yaml, rad]

A path is relative to the file that says it; a name is that of a ready file. Included files come
first, in their order. Then lists of entries (:data:`~featprobe.leaderboard.grid.LISTS`) add up,
what is there twice counting once; ``extract`` is joined key by key; of every other key the last
file that has it counts, so that a file has the last word over what it includes. Paths and places
in messages are those of the file that an entry stands in.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from featprobe.core.errors import InputError, MissingPath, UnknownName, nearest
from featprobe.core.paths import expanded
from featprobe.core.yaml_file import checked, read_yaml
from featprobe.leaderboard.yaml_schema import listed

NEEDS = "a mapping is needed, with keys such as 'data' and 'models'"
READY = Path(__file__).parent / "ready"


@dataclass(frozen=True)
class Part:
    """What one file says: its keys, checked."""

    file: Path
    top: Mapping[str, Any]


def ready() -> list[str]:
    """Names of the files that come with featprobe."""
    return sorted(p.stem for p in READY.glob("*.yaml"))


def named_file(text: str, folder: Path = Path()) -> Path:
    """The file of a path (relative to the folder) or of the name of a ready one.

    Raises :class:`MissingPath`, :class:`UnknownName` for a name that there is not.
    """
    path = folder / expanded(text)
    if path.exists():
        return path
    if text in ready():
        return READY / f"{text}.yaml"
    if path.suffix or "/" in text:
        raise MissingPath(f"{path}: no such file")
    raise UnknownName(
        f"{text!r} is neither a file nor a ready leaderboard.{nearest(text, ready())} Ready: "
        f"{', '.join(ready())}"
    )


def gathered(file: Path, kinds: Mapping[str, Any]) -> list[Part]:
    """The files that a file includes, each once, then the file itself.

    Raises as :func:`~featprobe.core.yaml_file.read_yaml`, and :class:`InputError` for a file that
    includes itself, over others too.
    """
    found: dict[Path, Part] = {}
    _gather(file, kinds, found, ())
    return list(found.values())


def _gather(
    file: Path, kinds: Mapping[str, Any], found: dict[Path, Part], above: Sequence[Path]
) -> None:
    here = file.resolve()
    if here in [p.resolve() for p in above]:
        raise InputError(f"{above[-1]}: include: goes in a circle: {_way([*above, file])}")
    if here in found:
        return
    top = checked(read_yaml(file, NEEDS), kinds, str(file))
    for text in listed(top.pop("include", None)):
        if not isinstance(text, str) or not text:
            raise InputError(f"{file}: include must be a path or a list of paths, not {text!r}")
        try:
            inner = named_file(text, file.parent)
        except (MissingPath, UnknownName) as error:
            raise type(error)(f"{file}: include: {error}") from error
        _gather(inner, kinds, found, [*above, file])
    found[here] = Part(file, top)


def _way(files: Sequence[Path]) -> str:
    return " > ".join(p.name for p in files)


def last(parts: Sequence[Part], key: str, default: Any = None) -> tuple[Any, Path]:
    """The value of the last file that has the key, and that file; of none the default."""
    for part in reversed(parts):
        if key in part.top:
            return part.top[key], part.file
    return default, parts[-1].file


def joined(parts: Sequence[Part], key: str) -> tuple[dict[str, Any], Path]:
    """A mapping joined key by key, the last file counting, and the last file that has some."""
    out: dict[str, Any] = {}
    for part in parts:
        out |= part.top.get(key, {})
    return out, last(parts, key)[1]
