"""The cache as a whole: which stores there are."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from featprobe.errors import StoreError, UnknownName, nearest
from featprobe.store.zarr import SUFFIX, ZarrStore


def store_path(cache: Path, dataset: str, backbone: str, digest: str) -> Path:
    """``<cache>/features/<dataset>/<backbone>-<digest12>.zarr``."""
    return cache / "features" / dataset / f"{backbone.replace('/', '_')}-{digest[:12]}{SUFFIX}"


@dataclass(frozen=True)
class Entry:
    """One store of a cache: opened, or the error that prevents it."""

    path: Path
    store: ZarrStore | None
    error: str = ""

    @property
    def bytes(self) -> int:
        """Size on disk."""
        return sum(f.stat().st_size for f in self.path.rglob("*") if f.is_file())


def entries(cache: Path) -> Iterator[Entry]:
    """All stores of a cache, sorted by data set and backbone; damaged ones with their error."""
    for path in sorted((cache / "features").glob(f"*/*{SUFFIX}")):
        if path.name.startswith("."):
            continue
        try:
            yield Entry(path, ZarrStore.open(path))
        except StoreError as error:
            yield Entry(path, None, str(error))


def find(
    cache: Path, datasets: Sequence[str] = (), backbones: Sequence[str] = ()
) -> tuple[list[ZarrStore], list[str]]:
    """Complete stores of the named data sets and backbones (all of them by default), and notes.

    Of stores that differ in the contents of the data set alone, the one last extracted counts. A
    backbone is named as in ``featprobe cache`` or by its beginning up to ``@`` or ``-``. The
    notes say which stores are left out and why. Raises :class:`UnknownName` for a name with no
    store at all.
    """
    everything = list(entries(cache))
    stores = [e.store for e in everything if e.store is not None]
    notes = [e.error for e in everything if e.store is None]
    for wanted, known, kind in (
        (datasets, {s.dataset for s in stores}, "data set"),
        (backbones, {s.backbone for s in stores}, "backbone"),
    ):
        for name in wanted:
            if not any(_matches(name, k) for k in known):
                there = ", ".join(sorted(known)) or "nothing"
                raise UnknownName(
                    f"no features of {kind} {name!r} in {cache}.{nearest(name, known)} There: "
                    f"{there}. Run 'featprobe extract' first."
                )
    chosen = []
    for store in stores:
        if not any(_matches(n, store.dataset) for n in datasets or [store.dataset]):
            continue
        if not any(_matches(n, store.backbone) for n in backbones or [store.backbone]):
            continue
        if store.complete:
            chosen.append(store)
        else:
            notes.append(f"{store.path.name}: incomplete, run its extract again to finish it")
    newest: dict[str, ZarrStore] = {}
    for store in sorted(chosen, key=lambda s: (s.path / "zarr.json").stat().st_mtime_ns):
        newest[f"{store.dataset}/{store.backbone}/{store.key.variant}"] = store
    for store in chosen:
        if store not in newest.values():
            notes.append(
                f"{store.path.stem}: the files of {store.dataset} have changed since; "
                f"'featprobe cache rm {store.path.stem}' removes it"
            )
    return [s for s in chosen if s in newest.values()], notes


def _matches(wanted: str, name: str) -> bool:
    return name == wanted or name.startswith((f"{wanted}@", f"{wanted}-random"))


def remove(cache: Path, name: str) -> Path:
    """Delete the store of that name (``<backbone>-<digest12>`` or its digest)."""
    known = {e.path.stem: e.path for e in entries(cache)}
    path = known.get(name) or next((p for s, p in known.items() if s.endswith(f"-{name}")), None)
    if path is None:
        raise UnknownName(f"no store {name!r} in {cache}.{nearest(name, known)}")
    shutil.rmtree(path)
    return path
