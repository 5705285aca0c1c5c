"""Overlays of a verb that segments: where they are asked for, and how they are drawn."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from featprobe.segmentation.answers import Answers

overlays_option = click.option(
    "--overlays", type=click.Path(path_type=Path), metavar="FILE|FOLDER",
    help="Draw the best, median and worst test items with true and predicted contours: FILE.png, "
    "or a folder for several. They show images of patients.",
)  # fmt: skip


def several_overlays(place: Path | None, pictures: int) -> None:
    """Raises UsageError where one file is to hold several pictures."""
    if place is not None and not _folder(place) and pictures > 1:
        raise click.UsageError(
            f"--overlays {place} is one picture, and there are {pictures}: give a folder"
        )


def _folder(place: Path) -> bool:
    return place.is_dir() or not place.suffix


def drawer(place: Path | None, say: Callable[[str], None]) -> Callable[[Answers], None] | None:
    """What draws the items of a fit to ``place``, and says where; None without a place."""
    if place is None:
        return None

    def draw(answers: Answers) -> None:
        from featprobe.plots.overlays import overlay
        from featprobe.plots.style import save

        items, decoder = answers.items, answers.fitted.decoder
        figure = overlay(
            len(answers.rows), answers, answers.ids, answers.dice.tolist(), items.classes,
            multilabel=items.multilabel,
        )  # fmt: skip
        file = place
        if _folder(place):
            name = f"{items.tokens.dataset}_{items.tokens.backbone}_{decoder.name}.png"
            file = place / name.replace("/", "_").replace(":", "_")
        save(figure, file)
        say(f"wrote {file}: it shows images of patients")

    return draw
