"""Fine-tuning with the settings of published studies, from files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from featprobe.core.errors import InputError, MissingPath, UnknownName, nearest, reason
from featprobe.core.options import checked
from featprobe.finetuning.settings import Training

FOLDER = Path(__file__).parent / "presets"
STUDIES = tuple(sorted(p.stem for p in FOLDER.glob("*.yaml")))
FIELDS = ("recipe", "options", "training", "lrs", "source", "differs")


@dataclass(frozen=True)
class Study:
    """How a study fine-tuned.

    ``recipe`` and its ``options``; ``training``: fields of
    :class:`~featprobe.finetuning.settings.Training`; ``lrs``: the rates of the backbone among which
    validation data choose, empty where the study has one; ``source``: the paper, its repository and
    the files that say so; ``differs``: what is different here.
    """

    name: str
    recipe: str
    options: dict[str, Any]
    training: dict[str, Any]
    lrs: tuple[float, ...]
    source: str
    differs: str = ""


def study(name: str) -> Study:
    """The study of that name, or of a YAML file with the fields :data:`FIELDS`.

    A file needs ``recipe``; its name is that of the study. Options are checked when the recipe is
    made of them.

    Raises :class:`UnknownName` with the nearest name, :class:`MissingPath` for a file that is not
    there, :class:`InputError` for one that cannot be used.
    """
    if name in STUDIES:
        return _read(FOLDER / f"{name}.yaml")
    path = Path(name).expanduser()
    if path.suffix not in (".yaml", ".yml"):
        raise UnknownName(
            f"unknown preset {name!r}.{nearest(name, STUDIES)} Known: {', '.join(STUDIES)}, or a "
            "file FILE.yaml of your own"
        )
    if not path.is_file():
        raise MissingPath(f"{path}: no such file")
    return _read(path)


def _read(path: Path) -> Study:
    import yaml

    try:
        given: Any = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError, OSError) as error:
        raise InputError(f"{path}: not readable as YAML: {reason(error)}") from error
    if not isinstance(given, dict) or not isinstance(given.get("recipe"), str):
        raise InputError(f"{path}: a preset needs at least 'recipe: NAME'")
    _known(f"{path}", given, FIELDS)
    options, training = (_mapping(path, part, given.get(part)) for part in ("options", "training"))
    lrs = checked("lrs", _value(given.get("lrs") or ()), tuple[float, ...], str(path))
    for lr in lrs or (training.get("lr"),):
        _check(path, {**training, "lr": lr})
    texts = (str(given.get(n) or "") for n in ("source", "differs"))
    return Study(path.stem, given["recipe"], options, training, lrs, *texts)


def _known(where: str, given: Mapping[Any, Any], known: tuple[str, ...]) -> None:
    for name in given:
        if name not in known:
            raise InputError(f"{where}: unknown field {name!r}.{nearest(str(name), known)}")


def _mapping(path: Path, part: str, given: Any) -> dict[str, Any]:
    if not isinstance(given or {}, dict):
        raise InputError(f"{path}: {part} is written with a line 'NAME: VALUE' each")
    return {str(k): _value(v) for k, v in (given or {}).items()}


def _value(given: Any) -> Any:
    """Lists as tuples, and numbers that YAML 1.1 takes for text (``1e-4``) as numbers."""
    if isinstance(given, list):
        return tuple(_value(v) for v in given)
    if isinstance(given, str):
        try:
            return float(given)
        except ValueError:
            return given
    return given


def _check(path: Path, training: dict[str, Any]) -> None:
    """Raise :class:`InputError` for what :class:`Training` cannot be made of."""
    where = f"{path}: training"
    _known(where, training, tuple(f.name for f in fields(Training)))
    try:
        Training(**training)
    except (InputError, UnknownName) as error:
        raise InputError(f"{where}: {error}") from error
