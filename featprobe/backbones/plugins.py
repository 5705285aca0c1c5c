"""Backbones that other packages and scripts add: entries of the catalog, or functions.

    @featprobe.register("backbone", "our_vit", data=["our films"])
    def our_vit():
        return featprobe.Backbone.from_module(module, {"crop": 224})

Imports no torch: what is listed is not loaded.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from featprobe.backbones.catalog import CATALOG
from featprobe.backbones.spec import ModelSpec
from featprobe.core.errors import InputError
from featprobe.core.plugins import added, came, entry_facts, function_of, loaded

if TYPE_CHECKING:
    from featprobe.backbones.base import Backbone

FACTS = ("family", "width", "blocks", "parameters", "patch", "outputs", "pretraining", "data",
         "licence", "citation", "overlap")  # fmt: skip
ASKED = ("init", "seed", "image_size", "weights", "revision")  # of load_backbone


def plugin(name: str, value: Any, of: str, **facts: Any) -> ModelSpec:
    """A :class:`ModelSpec`, or a function that returns a Backbone.

    A function may take ``init``, ``seed``, ``image_size``, ``weights`` and ``revision`` of
    :func:`~featprobe.backbones.load.load_backbone`; those that it does not take are refused where
    they are given. ``facts``: what ``featprobe models`` shows of it (:data:`FACTS`), as in a
    ModelSpec.
    """
    entry = entry_facts("backbone", name, value, facts, ModelSpec, FACTS, "Backbone")
    if entry is None:
        return replace(value, name=name)
    if odd := [p for p in inspect.signature(value).parameters if p not in ASKED]:
        raise InputError(
            f"backbone {name}: its function takes {odd[0]!r}, known: {', '.join(ASKED)}"
        )
    usual = {"family": "plug-in", "width": 0, "blocks": 0, "parameters": 0.0, "outputs": ()}
    return ModelSpec(
        **{**usual, **entry}, name=name, source=of, preprocess=None,
        build=function_of("backbone", name, value),
    )  # fmt: skip


def models() -> dict[str, ModelSpec]:
    """Name -> entry: those of the catalog, then those that others add."""
    return CATALOG | loaded("backbone", CATALOG.keys())


def model(name: str) -> ModelSpec | None:
    """The entry of that name. Raises :class:`InputError` where it cannot be used."""
    others = added("backbone", CATALOG.keys())
    return others[name]() if name in others else CATALOG.get(name)


def built(spec: ModelSpec, requested: Mapping[str, Any]) -> Backbone:
    """What the function of an entry returns for what was asked for; :class:`InputError` where it
    does not take it, or returns something else."""
    from featprobe.backbones.base import Backbone

    assert spec.build is not None
    takes = inspect.signature(spec.build).parameters
    options = {n: v for n, v in requested.items() if v not in (None, (), "") and (n != "seed" or v)}
    if lost := [n for n in options if n not in takes]:
        raise InputError(
            f"backbone {spec.name} ({spec.source}) has no {lost[0]}: its function takes "
            f"{', '.join(takes) or 'nothing'}"
        )
    made = spec.build(**options)
    if not isinstance(made, Backbone):
        raise InputError(
            f"backbone {spec.name}: its function must return a Backbone, such as that of "
            f"Backbone.from_module, not {came(made)}"
        )
    label = spec.name + (f"-random{requested.get('seed', 0)}" if made.random else "")
    if "image_size" in options:
        label += f"@{options['image_size']}"
    return replace(made, name=label, origin={**made.origin, "name": spec.name})
