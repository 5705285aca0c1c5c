"""Fine-tuning with the settings of published studies, from files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from featprobe.core.errors import InputError, MissingPath, UnknownName, look_up, nearest
from featprobe.core.paths import expanded
from featprobe.core.yaml_file import at, checked, read_yaml
from featprobe.features.wanted import STUDIES as STUDIES_OF_VIEWS
from featprobe.finetuning.recipes.base import Recipe
from featprobe.finetuning.recipes.named import make_recipe
from featprobe.finetuning.settings import Training

FOLDER = Path(__file__).parent / "presets"
STUDIES = tuple(sorted(p.stem for p in FOLDER.glob("*.yaml")))
NEEDS = "a preset needs at least 'recipe: NAME'"
FIELDS = {
    "recipe": str, "options": Mapping[str, Any] | None, "training": Mapping[str, Any] | None,
    "lrs": Sequence[float] | None, "views": str, "source": str, "differs": str,
}  # fmt: skip


@dataclass(frozen=True)
class Study:
    """How a study fine-tuned.

    ``recipe`` and its ``options``; ``training``: fields of
    :class:`~featprobe.finetuning.settings.Training`; ``lrs``: the rates of the backbone among which
    validation data choose, empty where the study has one; ``views``: a study's name among those of
    :data:`~featprobe.features.wanted.STUDIES`, whose view of each kind of backbone the head sees,
    empty for ``cls`` or ``mean``; ``source``: the paper, its repository and
    the files that say so; ``differs``: what is different here.
    """

    name: str
    recipe: str
    options: dict[str, Any]
    training: dict[str, Any]
    lrs: tuple[float, ...]
    source: str
    differs: str = ""
    views: str = ""


def study(name: str) -> Study:
    """The study of that name, or of a YAML file with the fields :data:`FIELDS`.

    A file needs ``recipe``; its name is that of the study. Options are checked when the recipe is
    made of them.

    Raises :class:`UnknownName` with the nearest name, :class:`MissingPath` for a file that is not
    there, :class:`InputError` for one that cannot be used.
    """
    if name in STUDIES:
        return _read(FOLDER / f"{name}.yaml")
    path = expanded(name)
    if path.suffix not in (".yaml", ".yml"):
        raise UnknownName(
            f"unknown preset {name!r}.{nearest(name, STUDIES)} Known: {', '.join(STUDIES)}, or a "
            "file FILE.yaml of your own"
        )
    if not path.is_file():
        raise MissingPath(f"{path}: no such file")
    return _read(path)


def _read(path: Path) -> Study:
    values = checked(read_yaml(path, NEEDS), FIELDS, str(path), ("source", "differs", "views"))
    if "recipe" not in values:
        raise InputError(f"{path}: {NEEDS}")
    options, training = (
        {k: _value(v) for k, v in (values.get(part) or {}).items()}
        for part in ("options", "training")
    )
    lrs = tuple(values.get("lrs") or ())
    checked(training, {f.name: Any for f in fields(Training)}, f"{path}: training", training)
    with at(f"{path}"):
        make_recipe(values["recipe"])
    with at(f"{path}: options"):
        recipe = make_recipe(values["recipe"], **options)
    try:
        check_rates(recipe, Training(**training), lrs)
    except (InputError, UnknownName) as error:
        raise InputError(f"{path}: training: {error}") from error
    with at(f"{path}: views"):
        if views := values.get("views", ""):
            look_up("study", views, STUDIES_OF_VIEWS)
    texts = (values.get(n, "") for n in ("source", "differs", "views"))
    return Study(path.stem, values["recipe"], options, training, lrs, *texts)


def check_rates(recipe: Recipe, training: Training, lrs: Sequence[float]) -> None:
    """Raise :class:`InputError` for rates that no training has or a recipe has no use for."""
    for lr in lrs:
        replace(training, lr=lr)
    if len(lrs) > 1 and "lr" in recipe.idles:
        raise InputError(
            f"{recipe.name} trains the head alone, which --lr is not for: give one --head-lr"
        )


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
