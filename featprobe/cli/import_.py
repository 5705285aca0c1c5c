"""featprobe import"""

from __future__ import annotations

from pathlib import Path

import click

from featprobe.cli.common import cache_option
from featprobe.cli.verb import Verb


@click.command(
    cls=Verb,
    epilog="""\b
Examples:
  featprobe import films.parquet                       what 'featprobe export' wrote
  featprobe import ours.npy --items ours.csv --name films --backbone ours
  featprobe import ours.feat --format ourlab --name films --backbone ours
\b
The table has a line for every row of features: id, and optionally group, split, label.
""",
)
@click.argument("path", type=click.Path(path_type=Path))
@click.option("--name", help="Of the data set, for features made elsewhere.")
@click.option("--backbone", help="What made them.")
@click.option("--items", type=click.Path(path_type=Path), metavar="CSV", help="The table.")
@click.option(
    "--format", metavar="NAME",
    help="The importer of a package that reads PATH.  [default: by its suffix]",
)  # fmt: skip
@click.option(
    "--store", default="zarr", show_default=True, type=click.Choice(["zarr", "hdf5"]),
    help="The container.",
)  # fmt: skip
@cache_option
def command(
    path: Path, name: str | None, backbone: str | None, items: Path | None, format: str | None,
    store: str, cache: str | None,
) -> None:  # fmt: skip
    """Bring features from elsewhere into the cache, to be probed like any other."""
    from featprobe.core import paths as settings
    from featprobe.features.exchange.transfer import load
    from featprobe.features.feature_set import FeatureSet

    root = settings.feature_root(cache)
    made = FeatureSet(
        load(path, root, name=name, backbone=backbone, items=items, kind=store, format=format)
    )
    print(f"{made} in {made.store.path}")
