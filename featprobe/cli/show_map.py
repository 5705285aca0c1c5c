"""featprobe show map"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from featprobe.cli.common import cache_option, json_option, loading_options, note, open_dataset
from featprobe.cli.feature_sets import cached_sets
from featprobe.cli.verb import Verb, options

if TYPE_CHECKING:
    from featprobe.features.feature_set import FeatureSet
    from featprobe.figures.embedding.columns import Column
    from featprobe.figures.embedding.embedding_map import EmbeddingMap

METHODS = ("pca", "tsne", "umap")


@click.command(
    "map",
    cls=Verb,
    epilog="""\b
Examples:
  featprobe show map --data nih_cxr --model dinov2_vits14
  featprobe show map --data nih_cxr --model dinov2_vits14 --method tsne umap --html map.html
  featprobe show map --data films --model rad_dino --colour films.csv:site --wrong logistic
  featprobe show map --data films --model rad_dino --wrong probe.safetensors --out map.pdf
  featprobe show map --data ./chest_xrays --model dinov2_vits14 --thumbnails
  featprobe show map --data films --model rad_dino --method tsne --csv coordinates.csv

\b
A map does not show distances between clusters; the page says how many neighbours it keeps.
Patients are numbers in the page, items too unless --ids is given; the CSV says which is which.
""",
)
@click.option("--data", required=True, help="As it was given to extract.")
@click.option("--model", required=True, help="As it was given to extract.")
@click.option(
    "--method", multiple=True, default=("pca",), show_default=True, metavar="METHOD...",
    type=click.Choice(METHODS), help="Of several the page shows one at a time.",
)  # fmt: skip
@click.option(
    "--colour", multiple=True, metavar="FILE:COLUMN...",
    help="Columns of tables beside label, split and patient, by the id of items: site, age, ...",
)  # fmt: skip
@click.option(
    "--wrong", multiple=True, metavar="PROBE...",
    help="Which predictions are wrong: of a file of --save, of a result by its id, or of the "
    "newest result of a probe by its name.",
)  # fmt: skip
@options(
    click.option("--features", "view", metavar="VIEW", help="[default: cls, or mean]"),
    click.option(
        "--pool", default="mean", show_default=True, type=click.Choice(["mean", "max", "mean+std"]),
        help="How the slices of a volume become one row.",
    ),
    click.option(
        "--metric", default="cosine", show_default=True, type=click.Choice(["cosine", "l2"]),
        help="What near means.",
    ),
    click.option(
        "--neighbours", default=10, show_default=True, type=click.IntRange(0, 100),
        help="Of each item in feature space; of more than a million pairs none are kept.",
    ),
    click.option("--sample", type=click.IntRange(min=4), metavar="N", help="Draw so many items."),
    click.option(
        "--seed", default=0, show_default=True, type=click.IntRange(min=0),
        help="Of the items drawn, and of the map.",
    ),
    group="Features",
)  # fmt: skip
@options(
    click.option(
        "--html", type=click.Path(path_type=Path), metavar="FILE",
        help="The page.  [default, where no other file is asked for: map.html]",
    ),
    click.option(
        "--out", type=click.Path(path_type=Path), metavar="FILE",
        help="The first method and colour as a figure: .png, .svg or .pdf (featprobe[plots]).",
    ),
    click.option(
        "--csv", "table", type=click.Path(path_type=Path), metavar="FILE",
        help="Coordinates and columns, with ids and patients.",
    ),
    click.option("--ids", is_flag=True, help="Names of items and patients stand in the page."),
    click.option(
        "--thumbnails", is_flag=True,
        help="Small pictures in the page, decoded anew: --data and what was said of it to extract. "
        "They are patient images.",
    ),
    click.option(
        "--most-thumbnails", default=1000, show_default=True, type=click.IntRange(1, 20_000),
        help="Of more items evenly so many have one.",
    ),
    group="Output",
)  # fmt: skip
@loading_options
@cache_option
@json_option
def command(
    data: str, model: str, method: tuple[str, ...], colour: tuple[str, ...],
    wrong: tuple[str, ...], view: str | None, pool: str, metric: str, neighbours: int,
    sample: int | None, seed: int, html: Path | None, out: Path | None, table: Path | None,
    ids: bool, thumbnails: bool, most_thumbnails: int, cache: str | None, as_json: bool,
    **loading: Any,
) -> None:  # fmt: skip
    """Every item of a feature set as a point: PCA, t-SNE or UMAP, in a page to move about in."""
    from featprobe.figures.embedding.embedding_map import embedding_map
    from featprobe.figures.embedding.quality import quality_text
    from featprobe.plots.style import check_name

    if out is not None:
        check_name(out)
    dataset = open_dataset(data, cache, loading) if thumbnails else None
    features = _features(dataset.name if dataset else data, model, cache)
    if dataset is not None:
        from featprobe.features.pictures import check_images

        check_images(features, dataset)
    judged = [_judged(features, text, cache) for text in wrong]
    made = embedding_map(
        features, method, view=view, pool=pool, metric=metric, seed=seed, sample=sample,
        colours=colour, judged=judged, neighbours=neighbours,
    )  # fmt: skip
    if as_json:
        for row in made.to_frame().to_dict("records"):
            print(json.dumps({k: _plain(v) for k, v in row.items()}, allow_nan=False))
    if table is not None:
        _write_table(made, table)
    if out is not None:
        from featprobe.plots.maps import embedding_map as draw
        from featprobe.plots.style import save

        shown = _first(made, colour, judged)
        title = f"{made.dataset}, {made.backbone}: {made.layouts[0].title}"
        save(draw(made.layouts[0].xy, shown, title=title), out)
        note(f"wrote {out}: {len(made)} items")
    if html is not None or (out is table is None and not as_json):
        _write_page(made, html or Path("map.html"), features, dataset, ids, most_thumbnails)
    for text in made.notes:
        note(text)
    for layout in made.layouts:
        note(f"{layout.title}: {quality_text(layout.quality)}")


def _write_table(made: EmbeddingMap, path: Path) -> None:
    import io

    from featprobe.core.spreadsheet import Writer
    from featprobe.report.shell import write

    frame, text = made.to_frame(), io.StringIO()
    writer = Writer(text)
    writer.writerow(frame.columns)
    for row in frame.itertuples(index=False):
        writer.writerow("" if _plain(v) is None else _plain(v) for v in row)
    write(path, text.getvalue())
    note(f"wrote {path}: {len(made)} items")


def _write_page(
    made: EmbeddingMap, path: Path, features: FeatureSet, dataset: Any, ids: bool, most: int
) -> None:
    from featprobe.report.map_page import map_page
    from featprobe.report.shell import write

    pictures: dict[int, str] = {}
    if dataset is not None:
        from featprobe.extraction.elsewhere import decoded_elsewhere
        from featprobe.features.pictures import thumbnails

        with decoded_elsewhere(dataset):
            pictures = thumbnails(features, dataset, made.rows, most)
    text = map_page(made, ids, pictures)
    write(path, text)
    also = f", {len(pictures)} pictures of them (patient images)" if pictures else ""
    note(f"wrote {path}: {len(made)} items, {len(text.encode()) / 1e6:.1f} MB{also}")


def _first(made: EmbeddingMap, colour: tuple[str, ...], judged: list[Column]) -> Column | None:
    """What a figure is coloured by: what was asked for, else the label."""
    if colour:
        return made.column(colour[0].rpartition(":")[2])
    if judged:
        return made.column(judged[0].name)
    return made.columns[0] if made.columns else None


def _judged(features: FeatureSet, text: str, cache: str | None) -> Column:
    from featprobe.core import paths
    from featprobe.core.errors import UnknownName
    from featprobe.core.paths import expanded
    from featprobe.evaluation import results
    from featprobe.figures.embedding.judged import by_probe, by_result
    from featprobe.probes.loading import read_saved

    if expanded(text).is_file() or text.endswith(".safetensors"):
        return by_probe(features, read_saved(expanded(text)), text)
    root = paths.cache_root(cache)
    every = results.read(root, note)
    own = [
        r for r in every
        if r.dataset == features.dataset and r.key == features.key.digest and r.selected
    ]  # fmt: skip
    meant = [r for r in every if r.id == text] or [r for r in own if r.probe == text]
    if not meant:
        known = ", ".join(dict.fromkeys(r.probe for r in own)) or "none"
        raise UnknownName(
            f"--wrong {text!r} is no file, no id of a result, and no probe with a result on "
            f"{features.dataset} / {features.backbone}; there are: {known}"
        )
    return by_result(features, root, meant[-1])


def _features(data: str, model: str, cache: str | None) -> FeatureSet:
    """The one feature set that is meant; a backbone with several by the name of its store."""
    from featprobe.core import paths
    from featprobe.core.errors import InputError, UnknownName
    from featprobe.features.feature_set import FeatureSet
    from featprobe.store.cache import named

    try:
        stores = cached_sets([data], [model], cache)
    except UnknownName:
        try:
            found = named(paths.feature_root(cache), model).store
        except UnknownName:
            found = None
        if found is None or not found.complete:
            raise
        stores = [found]
    if len(stores) > 1:
        names = ", ".join(s.path.stem for s in stores)
        raise InputError(
            f"a map is of one feature set, and {data} / {model} has {len(stores)} feature "
            f"sets: name one by --model: {names}"
        )
    return FeatureSet(stores[0])


def _plain(v: Any) -> Any:
    """A value of a table as JSON has it; a float32 by its shortest digits."""
    import numpy as np

    if v is None or (isinstance(v, float | np.floating) and not np.isfinite(v)):
        return None
    if isinstance(v, np.floating):
        return float(str(v))
    return v.item() if isinstance(v, np.generic) else v
