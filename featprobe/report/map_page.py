"""The embedding map as a page of its own: one HTML file that asks for nothing."""

from __future__ import annotations

from collections.abc import Mapping

from featprobe.core._version import __version__
from featprobe.figures.embedding.embedding_map import EmbeddingMap
from featprobe.report.map_section import SCRIPTS, section
from featprobe.report.shell import asset, policy, whole
from featprobe.report.svg import text_of


def map_page(
    of: EmbeddingMap, ids: bool = False, thumbnails: Mapping[int, str] | None = None
) -> str:
    """The page of a map; ``ids`` and ``thumbnails`` as of
    :func:`~featprobe.report.map_section.section`.

    As the page of results: nothing is loaded, and its policy forbids it; texts are escaped; without
    ``ids`` it names no patient and no item, and there is no picture but those that are given.
    """
    script = asset("theme.js", *SCRIPTS)
    closed = "" if ids else ", and holds no name of a patient or an item"
    return whole(
        "map-page.html",
        {
            "policy": policy(script, bool(thumbnails)),
            "title": text_of(f"Map of {of.dataset}, {of.backbone}"),
            "style": asset("page.css", "map.css"),
            "section": section(of, ids, thumbnails),
            "version": text_of(__version__),
            "closed": closed,
            "script": script,
        },
    )
