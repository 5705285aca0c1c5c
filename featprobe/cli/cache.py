"""featprobe cache"""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

import click

from featprobe.cli.common import cache_option, json_option
from featprobe.cli.verb import Verbs

if TYPE_CHECKING:
    from featprobe.store.cache import CacheEntry


@click.group(
    cls=Verbs,
    invoke_without_command=True,
    epilog="""\b
Examples:
  featprobe cache ls
  featprobe cache show dinov2_vits14-1a2b3c4d5e6f
  featprobe cache verify --repair
  featprobe cache rm 1a2b3c4d5e6f
  featprobe cache gc --yes

\b
A store is named by its file name, with or without suffix, by its digest, or by its data set where
that has no other.
""",
)
@cache_option
@json_option
@click.pass_context
def command(ctx: click.Context, cache: str | None, as_json: bool) -> None:
    """List, inspect, verify and remove feature stores."""
    ctx.obj = (cache, as_json)
    if not ctx.invoked_subcommand:
        ctx.invoke(ls)


def _root(ctx: click.Context) -> Any:
    from featprobe.core import paths as settings

    return settings.feature_root(ctx.obj[0])


def _print(ctx: click.Context, as_json: bool, row: dict[str, Any], line: str) -> None:
    print(json.dumps(row) if as_json or ctx.obj[1] else line, flush=True)


def _row(e: CacheEntry) -> dict[str, Any]:
    row: dict[str, Any] = {
        "store": e.path.stem, "path": str(e.path), "bytes": e.bytes, "last_use": e.last_use / 1e9,
        "state": e.state,
    }  # fmt: skip
    if e.store is None:
        return {**row, "error": e.error}
    return row | {
        "data": e.store.dataset, "kind": e.store.kind, "frames": e.store.layout.frames,
        "features": dict(e.store.key.outputs),
    }  # fmt: skip


def _ago(seconds: float) -> str:
    """How long ago, roughly; a time to come is now."""
    passed = max(0.0, time.time() - seconds)
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60)):
        if passed >= size:
            return f"{passed / size:.0f} {unit}"
    return "now"


@command.command()
@click.option("--data", multiple=True, metavar="NAME...", help="Only of these data sets.")
@json_option
@click.pass_context
def ls(ctx: click.Context, data: tuple[str, ...] = (), as_json: bool = False) -> None:
    """List the stores with their sizes and last use."""
    from featprobe.core.errors import UnknownName, nearest
    from featprobe.features.lookup import data_named
    from featprobe.store.cache import entries

    root, n, total = _root(ctx), 0, 0
    form = "{:24} {:48} {:10} {:>9} {:>10} {:>9}  {}"
    quiet = as_json or ctx.obj[1]
    if not quiet:
        print(form.format("data", "store", "state", "frames", "MB", "last use", "features"))
    found = list(entries(root))
    sets = {e.path.parent.name for e in found}
    wanted = {data_named(name, sets) for name in data} or sets
    for name in wanted - sets:
        raise UnknownName(f"no features of data set {name!r} in {root}.{nearest(name, sets)}")
    for e in (e for e in found if e.path.parent.name in wanted):
        r = _row(e)
        views = ", ".join(f"{name}:{b}" for name, b in r.get("features", {}).items())
        _print(ctx, as_json, r, form.format(
            str(r.get("data", "?")), e.path.name, r["state"], str(r.get("frames", "?")),
            f"{r['bytes'] / 1e6:.1f}", _ago(r["last_use"]), views,
        ))  # fmt: skip
        n, total = n + 1, total + r["bytes"]
    if not quiet:
        print(f"{n} stores, {total / 1e6:.1f} MB in {root}")
        _others(ctx)


def _others(ctx: click.Context) -> None:
    """What else is kept in the cache, and may be deleted."""
    from featprobe.core import paths as settings

    root = settings.cache_root(ctx.obj[0])
    kept = (("finetuned", "trainings"), ("frames", "decoded frames"), ("compiled", "compiled code"))
    for name, what in kept:
        files = [f for f in (root / name).rglob("*") if f.is_file()]
        if files:
            size = sum(f.stat().st_size for f in files) / 1e6
            print(f"{what}: {size:.1f} MB in {root / name}; delete what is no longer needed")


@command.command()
@click.argument("name")
@json_option
@click.pass_context
def show(ctx: click.Context, name: str, as_json: bool) -> None:
    """What a store holds, of which key, and how it came about."""
    from featprobe.features.lookup import store_named

    e = store_named(_root(ctx), name)
    row = _row(e)
    if e.store is not None:
        s = e.store
        todo = s.pending()
        failed = len(s.pending(retry_failed=True)) - len(todo)
        row |= {
            "backbone": s.backbone, "shards": s.layout.shards, "shard_frames": s.layout.shard,
            "pending_shards": len(todo), "failed_shards": failed, "at_work": s.locked_shards(),
            "arrays": {n: list(v) for n, v in s.layout.arrays.items()},
            "digest": s.key.digest, "key": s.key.to_dict(),
            "provenance": s.attributes.get("provenance", {}),
            "summary": s.attributes.get("summary", {}),
        }  # fmt: skip
    lines = [f"{k:15} {json.dumps(v) if isinstance(v, dict) else v}" for k, v in row.items()]
    _print(ctx, as_json, row, "\n".join(lines))


@command.command()
@click.argument("name", required=False)
@click.option(
    "--repair", is_flag=True, help="Mend metadata; mark damaged shards for the next extract."
)
@json_option
@click.pass_context
def verify(ctx: click.Context, name: str | None, repair: bool, as_json: bool) -> int:
    """Read everything in a store, or in all, and name what is damaged. Exits 1 if something is."""
    from featprobe.core.progress import Progress
    from featprobe.features.lookup import store_named
    from featprobe.store.cache import entries

    found = [store_named(_root(ctx), name)] if name else list(entries(_root(ctx)))
    bad = unmended = 0
    for e in found:
        if repair:
            e = _mended(e)
        if e.store is None:
            bad += 1
            unmended += 1
            row: dict[str, Any] = {"store": e.path.stem, "damage": [{"what": e.error}]}
            _print(ctx, as_json, row, f"{e.path.name}: {e.error}")
            continue
        shards = len(e.store.committed())
        with Progress(f"verifying {e.path.name}", shards, "shards") as progress:
            damage = e.store.verify(progress.advance)
        row = {
            "store": e.path.stem, "shards": shards,
            "damage": [{"shard": d.shard, "array": d.array, "what": d.what} for d in damage],
        }  # fmt: skip
        lines = [f"{e.path.name}: {d}" for d in damage]
        _print(ctx, as_json, row, "\n".join(lines) or f"{e.path.name}: {shards} shards are sound")
        bad += len(damage)
        if damage and repair:
            e.store.repair(damage)
            n = len({d.shard for d in damage} - {None})
            click.echo(
                f"{e.path.name}: {n} shards are pending now; the same extract command writes them "
                "anew", err=True,
            )  # fmt: skip
    return 1 if unmended or (bad and not repair) else 0


def _mended(e: CacheEntry) -> CacheEntry:
    """The store with what is known from elsewhere written anew, which is said."""
    from featprobe.core.errors import StoreError
    from featprobe.store.cache import CacheEntry
    from featprobe.store.mending import mend

    try:
        store, made = mend(e.path)
    except StoreError as error:
        return CacheEntry(e.path, None, str(error))
    if made:
        click.echo(f"{e.path.name}: written anew: {', '.join(made)}", err=True)
    return CacheEntry(e.path, store)


@command.command()
@click.argument("store")
@click.pass_context
def rm(ctx: click.Context, store: str) -> None:
    """Remove a store by its name or digest. Results stay."""
    from featprobe.features.lookup import store_named
    from featprobe.store.cache import discard

    path = store_named(_root(ctx), store).path
    discard(path)
    print(f"removed {path}")


@command.command()
@click.option("--yes", is_flag=True, help="Remove it; otherwise it is only shown.")
@json_option
@click.pass_context
def gc(ctx: click.Context, yes: bool, as_json: bool) -> None:
    """Remove leftovers of killed runs and stores of data that has changed."""
    from featprobe.store.garbage import find_garbage

    n = total = 0
    for x in list(find_garbage(_root(ctx))):
        if yes:
            x.remove()
        row = {"path": str(x.path), "why": x.why, "bytes": x.bytes, "removed": yes}
        _print(ctx, as_json, row, f"{'removed ' * yes}{x.path}: {x.why} ({x.bytes / 1e6:.1f} MB)")
        n, total = n + 1, total + x.bytes
    if not (as_json or ctx.obj[1]):
        done = "removed" if yes else "could go; 'featprobe cache gc --yes' removes them"
        print(f"{n} things, {total / 1e6:.1f} MB {done}")
