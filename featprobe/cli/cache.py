"""featprobe cache"""

from __future__ import annotations

import json
from typing import Any

import click

from featprobe.cli.common import cache_option, json_option


@click.group(
    invoke_without_command=True,
    epilog="""\b
Examples:
  featprobe cache
  featprobe cache rm dinov2_vits14-1a2b3c4d5e6f
""",
)
@cache_option
@json_option
@click.pass_context
def command(ctx: click.Context, cache: str | None, as_json: bool) -> None:
    """List the feature stores."""
    ctx.obj = cache
    if ctx.invoked_subcommand:
        return
    from featprobe import settings
    from featprobe.store.cache import entries

    root = settings.cache_root(cache)
    rows: list[dict[str, Any]] = []
    for e in entries(root):
        row = {"store": e.path.stem, "bytes": e.bytes, "path": str(e.path)}
        if e.store is None:
            rows.append({**row, "state": "damaged", "error": e.error})
            continue
        state = "complete" if e.store.complete else "incomplete"
        row |= {"data": e.store.dataset, "frames": e.store.layout.frames, "state": state}
        rows.append({**row, "features": dict(e.store.key.outputs)})
    if as_json:
        for row in rows:
            print(json.dumps(row))
        return
    line = "{:24} {:44} {:10} {:>9} {:>9}  {}"
    print(line.format("data", "store", "state", "frames", "MB", "features"))
    for r in rows:
        views = ", ".join(f"{n}:{b}" for n, b in r.get("features", {}).items())
        size = f"{r['bytes'] / 1e6:.1f}"
        print(
            line.format(
                str(r.get("data", "?")),
                str(r["store"]),
                str(r["state"]),
                str(r.get("frames", "?")),
                size,
                views,
            )
        )
    print(f"{len(rows)} stores in {root}")


@command.command()
@click.argument("store")
@click.pass_obj
def rm(cache: str | None, store: str) -> None:
    """Remove a store by its name or digest. Results stay."""
    from featprobe import settings
    from featprobe.store.cache import remove

    print(f"removed {remove(settings.cache_root(cache), store)}")
