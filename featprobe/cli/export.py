"""featprobe export"""

from __future__ import annotations

import click

from featprobe.cli.common import cache_option
from featprobe.cli.verb import Verb


@click.command(
    cls=Verb,
    epilog="""\b
Examples:
  featprobe export dinov2_vits14-1a2b3c4d5e6f --to parquet films.parquet
  featprobe export 1a2b3c4d5e6f --to npy ./films      cls.npy, mean.npy, ...
  featprobe export 1a2b3c4d5e6f --to hdf5 ./films.h5
""",
)
@click.argument("store")
@click.argument("out")
@click.option(
    "--to", required=True,
    type=click.Choice(["npy", "parquet", "safetensors", "zarr", "hdf5"]), help="The format.",
)  # fmt: skip
@cache_option
def command(store: str, out: str, to: str, cache: str | None) -> None:
    """Write the features of a store, with ids, labels, patients and split, as other files."""
    from featprobe.core import paths as settings
    from featprobe.core.errors import StoreError
    from featprobe.features.exchange.transfer import export
    from featprobe.features.lookup import store_named

    entry = store_named(settings.feature_root(cache), store)
    if entry.store is None:
        raise StoreError(entry.error)
    print(f"wrote {export(entry.store, to, out)}")
