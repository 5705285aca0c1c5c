"""Backbones as a leaderboard's file asks for them, alone or side by side.

models:
  - tiny_vit14
  - {model: resnet50, weights: films.pth, image_size: [224, 448]}
  - "tiny_vit14:cls + unit(resnet50:mean)"                  # side by side, each at its view
  - {join: [{model: tiny_vit14, features: cls}, {model: resnet50, weights: films.pth}]}
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from featprobe.backbones.load import resolve
from featprobe.backbones.plugins import models
from featprobe.backbones.spec import Preprocess
from featprobe.backbones.transforms import transformed
from featprobe.core.errors import InputError
from featprobe.core.yaml_file import at, checked
from featprobe.features.joined_views import JoinedPart, joined_parts, written
from featprobe.features.view_names import view_part
from featprobe.leaderboard.model_request import JoinedModel, Model, ModelPart
from featprobe.leaderboard.yaml_schema import entries, existing, listed

MODEL = {
    "model": str, "revision": str, "weights": tuple[str, ...], "init": str, "seed": int,
    "strip_prefix": str, "ignore_keys": tuple[str, ...], "transform": str,
    "image_size": int | Sequence[int],
}  # fmt: skip
OF_ALL = ("init", "seed", "transform", "image_size")  # of joined ones, where no file is named
OF_PART = {"features": str, "unit": bool}


def make_models(
    entry: dict[str, Any], folder: Path, place: str, sizes: Sequence[int | None] = (None,)
) -> list[Model]:
    """The backbones of an entry, one for each of its image sizes, else of those of the file.

    ``sizes``: pixels, None for the size of the checkpoint. Errors name the place.
    """
    with at(place):
        several = "join" in entry or _joined(entry.get("model"), folder)
    if several:
        return _joined_models(entry, folder, place, sizes)
    given = checked(entry, MODEL, place)
    if "model" not in given:
        raise InputError(f"{place}: 'model' is needed, a name as of 'featprobe extract --model'")
    text = given.pop("model")
    if text not in models() and (text.startswith((".", "~")) or (folder / text).exists()):
        text = existing(text, folder, place)
    if given.get("init") not in (None, "random"):
        raise InputError(f"{place}: init can only be 'random', not {given['init']!r}")
    if "init" in given and "weights" in given:
        raise InputError(f"{place}: 'init: random' and 'weights' exclude each other")
    sizes = listed(given.pop("image_size")) if "image_size" in given else sizes
    if given.get("seed", 0) < 0 or any(n is not None and n < 1 for n in sizes):
        raise InputError(f"{place}: seed must be at least 0 and image_size at least 1")
    if "weights" in given:
        given["weights"] = tuple(existing(w, folder, place) for w in given["weights"])
    with at(place):
        spec = resolve(text).spec
        if "transform" in given:
            transformed(Preprocess((224, 224), None), given["transform"], spec)
    sized = [given if n is None else given | {"image_size": n} for n in dict.fromkeys(sizes)]
    return [Model(text, tuple(sorted(options.items())), place) for options in sized]


def one_backbone(found: Sequence[Model], place: str, why: str) -> None:
    """Raise :class:`InputError` for joined backbones where one is needed, and ``why``."""
    for model in found:
        if model.parts:
            raise InputError(f"{place}: {model.name} are several backbones side by side, and {why}")


def _joined(text: Any, folder: Path) -> bool:
    """Whether the name of a model is a joined view."""
    plain = not isinstance(text, str) or text in models() or (folder / text).exists()
    return not plain and bool(joined_parts(text))


def _joined_models(
    entry: Mapping[str, Any], folder: Path, place: str, sizes: Sequence[int | None]
) -> list[Model]:
    """Joined backbones, once for each image size. Of the long form each part is an entry."""
    if "join" in entry:
        rest = checked({k: v for k, v in entry.items() if k != "join"}, _common(), place)
        pieces = entries(entry["join"], "model", f"{place}, join")
    else:
        rest = {k: v for k, v in entry.items() if k != "model"}
        if lost := [k for k in rest if k in MODEL and k not in _common()]:
            raise InputError(
                f"{place}: {lost[0]!r} is of one backbone: write 'join: [{{model: ..., features: "
                f"..., {lost[0]}: ...}}, ...]'"
            )
        rest = checked(rest, _common(), place)
        pieces = [
            (place, {"model": p.source, "unit": p.unit, **({"features": p.view} if p.view else {})})
            for p in joined_parts(entry["model"])
        ]
    if not pieces:
        raise InputError(f"{place}: join: backbones are needed, such as 'join: [resnet50, ...]'")
    sizes = listed(rest.pop("image_size")) if "image_size" in rest else sizes
    text = entry.get("model", "")
    out: list[Model] = []
    for size in dict.fromkeys(sizes):
        parts = tuple(_part(piece, rest, folder, here, size) for here, piece in pieces)
        with at(place):
            said = written([JoinedPart(p.model.name, p.view, p.unit) for p in parts])
            joined_parts(said)  # raises for a part that is there twice
        options = rest if size is None else rest | {"image_size": size}
        out.append(JoinedModel(text or said, tuple(sorted(options.items())), place, parts))
    return out


def _common() -> dict[str, Any]:
    return {k: MODEL[k] for k in OF_ALL}


def _part(
    piece: Mapping[str, Any], rest: Mapping[str, Any], folder: Path, place: str, size: int | None
) -> ModelPart:
    own = {k: v for k, v in piece.items() if k not in OF_PART}
    said = checked({k: v for k, v in piece.items() if k in OF_PART}, OF_PART, place)
    if isinstance(own.get("image_size"), list):
        raise InputError(f"{place}: image_size of a part is one number")
    if _joined(own.get("model"), folder):
        raise InputError(f"{place}: {own['model']!r}: write the view of a part as 'features'")
    (model,) = make_models({**_of(own, rest), **own}, folder, place, [size])
    view = said.get("features", "")
    with at(place):
        _has(model, view)
    return ModelPart(model, view, said.get("unit", False))


def _of(own: Mapping[str, Any], rest: Mapping[str, Any]) -> dict[str, Any]:
    """What is said of all parts and is not against what one says: files, or random weights."""
    return {k: v for k, v in rest.items() if not ("weights" in own and k in ("init", "seed"))}


def _has(model: Model, view: str) -> None:
    """Raise where the catalog says that a backbone has no such view."""
    offer = model.offer
    if offer is None or not view:
        return
    for part in view.split("+"):
        name = re.split("[:@]", part)[0]
        depth = offer.outputs.get(name)
        _, blocks = view_part(part, view, depth or 1)
        if depth is None or blocks > depth:
            raise InputError(f"{model.text} has no {part!r}; it has {offer}")
