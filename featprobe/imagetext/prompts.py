"""The texts that stand for classes in zero-shot classification."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from featprobe.core.errors import InputError, MissingPath, UnknownName, nearest, reason

if TYPE_CHECKING:
    from featprobe.backbones.text import TextTower

TEMPLATE, NEGATIVE = "a medical image of {}", "no {}"
KINDS = ("positive", "negative")


@dataclass(frozen=True)
class Prompts:
    """The texts that stand for each class.

    ``positive`` and ``negative``: class -> texts, in the order of the data set's classes;
    ``negative`` may leave classes out: labels that are scored without a counterpart.
    """

    positive: Mapping[str, tuple[str, ...]]
    negative: Mapping[str, tuple[str, ...]]

    def to_dict(self) -> dict[str, Any]:
        """Class -> {positive: texts, negative: texts}, as a prompts file has it."""
        both = {c: {"positive": list(t)} for c, t in self.positive.items()}
        for c, texts in self.negative.items():
            both[c]["negative"] = list(texts)
        return both


def from_templates(
    classes: Sequence[str], templates: Sequence[str], negative: Sequence[str] = ()
) -> Prompts:
    """Each template with the name of each class for ``{}``; underscores in names become spaces."""
    for template in (*templates, *negative):
        if "{}" not in template:
            raise InputError(
                f"template {template!r} has no {{}} for the class; write 'a film showing {{}}'"
            )

    def filled(patterns: Sequence[str]) -> dict[str, tuple[str, ...]]:
        return {c: tuple(p.replace("{}", c.replace("_", " ")) for p in patterns) for c in classes}

    return Prompts(filled(templates), filled(negative) if negative else {})


def default_prompts(classes: Sequence[str], task: str, tower: TextTower) -> Prompts:
    """:data:`TEMPLATE` for classes that exclude one another; the bare name for labels, against
    :data:`NEGATIVE` as CheXzero has it unless the model scores a text by itself."""
    if task != "multilabel":
        return from_templates(classes, [TEMPLATE])
    return from_templates(classes, ["{}"], [NEGATIVE] if tower.bias is None else [])


def read_prompts(path: Path, classes: Sequence[str]) -> Prompts:
    """A YAML file: class -> a text, a list of texts, or {positive: [...], negative: [...]}.

    Raises :class:`UnknownName` for a class that the data set does not have, with the nearest, and
    :class:`InputError` for one that is missing or without a text.
    """
    import yaml

    if not path.is_file():
        raise MissingPath(f"{path}: no such file")
    try:  # every scalar as it is written: a class may be called 0 or no
        options: Any = yaml.load(path.read_text(encoding="utf-8"), Loader=yaml.BaseLoader)
    except (yaml.YAMLError, UnicodeDecodeError, OSError) as error:
        raise InputError(f"{path}: not readable as YAML: {reason(error)}") from error
    if not isinstance(options, dict):
        raise InputError(f"{path}: prompts are written 'class: [text, text]', a line a class")
    for name in options:
        if name not in classes:
            raise UnknownName(
                f"{path}: unknown class {name!r}.{nearest(name, classes)} The data set has: "
                f"{', '.join(classes)}"
            )
    absent = [c for c in classes if c not in options]
    if absent:
        raise InputError(
            f"{path}: no prompts for class {absent[0]!r}; every class of the data set needs some"
        )
    positive, negative = {}, {}
    for name in classes:
        value = options[name]
        if isinstance(value, dict):
            for kind in value:
                if kind not in KINDS:
                    raise UnknownName(
                        f"{path}: {name}: unknown {kind!r}.{nearest(kind, KINDS)} A class has "
                        "'positive' and 'negative' texts"
                    )
            if "negative" in value:
                negative[name] = _texts(path, f"{name}: negative", value["negative"])
            value = value.get("positive", [])
        positive[name] = _texts(path, name, value)
    return Prompts(positive, negative)


def _texts(path: Path, what: str, value: Any) -> tuple[str, ...]:
    texts = [value] if isinstance(value, str) else value
    if not isinstance(texts, list) or not all(isinstance(t, str) for t in texts):
        raise InputError(f"{path}: {what}: a list of texts is wanted")
    if not texts or not all(t.strip() for t in texts):
        raise InputError(f"{path}: {what}: no text, or an empty one")
    return tuple(texts)
