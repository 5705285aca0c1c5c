"""An embedding map as a part of a page: points to move among, neighbours, a lasso."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from featprobe.figures.colours import clean
from featprobe.figures.embedding.columns import Column
from featprobe.figures.embedding.embedding_map import EmbeddingMap
from featprobe.figures.embedding.quality import quality_text
from featprobe.report.privacy import Hide
from featprobe.report.rows import as_json
from featprobe.report.shell import filled
from featprobe.report.svg import element, text_of

SCRIPTS = ("map-data.js", "map-draw.js", "map-view.js", "map-panel.js", "map-start.js")
WARNING = (
    "What a map does not show: distances between clusters, their sizes and their density mean "
    "nothing on t-SNE and UMAP, and two components leave most of the variance out on PCA. Items "
    "that lie apart may be near in feature space; the list of neighbours is of that space, not of "
    "the map. A map finds questions; probes and their tests answer them."
)
_SIZES = ((1, np.uint8), (2, np.uint16), (4, np.uint32))


def section(
    of: EmbeddingMap, ids: bool = False, thumbnails: Mapping[int, str] | None = None
) -> str:
    """The markup of a map, which :data:`SCRIPTS` bring to life.

    ``ids``: items and patients are called by their names, else by numbers (those of
    :meth:`EmbeddingMap.to_frame`). ``thumbnails``: position -> data URI of a picture.
    """
    hide = None if ids else Hide({*of.ids.tolist(), *_people(of)})
    pictures = dict(thumbnails or {})
    notes = list(of.notes)
    if pictures:
        size = sum(map(len, pictures.values()))
        notes.append(
            f"{len(pictures):,} of {len(of):,} items have a picture ({size / 1e6:.1f} MB): these "
            "are patient images, do not send the file where they may not go."
        )
    near = {"cosine": "cosine similarity", "l2": "Euclidean distance"}[of.metric]
    what = f"{len(of):,} items of {of.dataset} as {of.backbone} ({of.view}) has them, by {near}."
    return filled(
        "map-section.html",
        {
            "what": text_of(what),
            "search": "Find id or part of one" if ids else "Find item number",
            "label": text_of(f"Map of {of.dataset}, {of.backbone}: {len(of)} points"),
            "warning": text_of(WARNING),
            "notes": "".join(element("p", text_of(n), class_="said") for n in notes),
            "data": as_json(data(of, ids, pictures, hide)),
        },
    )


def data(
    of: EmbeddingMap, ids: bool, pictures: Mapping[int, str], hide: Callable[[str], str] | None
) -> dict[str, Any]:
    """What the script reads: arrays as base64 of little-endian numbers.

    ``layouts``: ``xy`` float32 (N, 2); ``columns``: ``values`` float32, or ``codes`` of ``size``
    bytes, the largest of them unknown, with ``names``, or how many there are (``count``) where
    names are those of patients; ``near`` uint32 (N, ``k``); ``numbers`` uint32 where they are not
    1 to N.
    """
    plain = bool((of.rows == np.arange(len(of))).all())
    return {
        "n": len(of),
        "ids": [clean(i) for i in of.ids.tolist()] if ids else None,
        "numbers": None if plain else _packed(of.rows + 1, np.uint32),
        "layouts": [
            {"title": f.title, "xy": _packed(f.xy, np.float32), "said": _said(f)}
            for f in of.layouts
        ],
        "columns": [_column(c, ids, hide) for c in of.columns],
        "k": 0 if of.near is None else of.near.shape[1],
        "near": None if of.near is None else _packed(of.near, np.uint32),
        "thumbs": {str(i): uri for i, uri in pictures.items()},
    }


def _said(layout: Any) -> str:
    made = layout.settings
    parts = [f"{layout.title}."]
    if "variance" in made:
        parts = [f"PCA: {sum(made['variance']):.1%} of the variance is on the map."]
    elif made:
        parts = [f"{layout.title} ({', '.join(f'{k} {v}' for k, v in made.items())})."]
    return " ".join([*parts, quality_text(layout.quality)])


def _column(c: Column, ids: bool, hide: Callable[[str], str] | None) -> dict[str, Any]:
    out: dict[str, Any] = {"name": clean(c.name), "truth": c.truth}
    if c.values is not None:
        return out | {"values": _packed(c.values, np.float32)}
    assert c.codes is not None
    size, kind = next((s, t) for s, t in _SIZES if len(c.names) < np.iinfo(t).max)
    codes = np.where(c.codes < 0, np.iinfo(kind).max, c.codes)
    out |= {"size": size, "codes": _packed(codes, kind)}
    if c.identity and not ids:
        return out | {"count": len(c.names)}
    return out | {"names": [clean(hide(n) if hide else n) for n in c.names]}


def _packed(values: np.ndarray, kind: Any) -> str:
    whole = np.ascontiguousarray(values, dtype=np.dtype(kind).newbyteorder("<"))
    return base64.b64encode(whole.tobytes()).decode()


def _people(of: EmbeddingMap) -> set[str]:
    return {n for c in of.columns if c.identity for n in c.names}
