"""The cache as a whole: its stores, found by name, data set or backbone, and their removal."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass

from featprobe.core.errors import InputError, StoreError, UnknownName, nearest
from featprobe.images.versions import kind_named, versions_of
from featprobe.store import attributes, last_used, locks, observed
from featprobe.store.base import FeatureStore
from featprobe.store.containers import SUFFIXES, kind_of, open_store
from featprobe.store.locate import storage_path
from featprobe.store.storage_path import StoragePath, Where

Meant = Callable[[str, Collection[str]], str]


def store_path(
    cache: Where | StoragePath, dataset: str, backbone: str, digest: str, kind: str = "zarr"
) -> StoragePath:
    """``<cache>/features/<dataset>/<backbone>-<digest12>.zarr``, or ``.h5`` of kind ``hdf5``.

    Raises :class:`InputError` for a name that no folder of the cache can have.
    """
    name = f"{backbone.replace('/', '_')}-{digest[:12]}{SUFFIXES[kind]}"
    for what, text in (("data set", dataset), ("backbone", name)):
        if not text.isprintable() or "/" in text or text.strip(". ") == "":
            raise InputError(f"{what} {text!r}: a name is one part of a path, in plain characters")
    return storage_path(cache) / "features" / dataset / name


@dataclass(frozen=True)
class CacheEntry:
    """One store of a cache: opened, or the error that prevents it."""

    path: StoragePath
    store: FeatureStore | None
    error: str = ""

    @property
    def bytes(self) -> int:
        """Size on disk."""
        return sum(n for _, n in self.path.files())

    @property
    def last_use(self) -> int:
        """Nanoseconds since 1970, see :mod:`featprobe.store.last_used`."""
        return last_used.last(self.path)

    @property
    def state(self) -> str:
        """``complete``, ``incomplete`` or ``damaged``."""
        if self.store is None:
            return "damaged"
        return "complete" if self.store.complete else "incomplete"


def entries(cache: Where | StoragePath) -> Iterator[CacheEntry]:
    """All stores of a cache, sorted by data set and backbone; damaged ones with their error."""
    root = storage_path(cache) / "features"
    for dataset in root.names():
        for name in (root / dataset).names():
            path = root / dataset / name
            if name.startswith(".") or kind_of(path) is None:
                continue
            try:
                yield CacheEntry(path, open_store(path))
            except StoreError as error:
                yield CacheEntry(path, None, str(error))


def find(
    cache: Where | StoragePath,
    datasets: Sequence[str] = (),
    backbones: Sequence[str] = (),
    meant: tuple[Meant, Meant] = (lambda name, _: name, lambda name, _: name),
) -> tuple[list[FeatureStore], list[str]]:
    """Complete stores of the named data sets and backbones (all of them by default), and notes.

    Of stores that differ in the contents of the data set alone, and of the same features in two
    containers, the one last used counts. A backbone is named as in ``featprobe cache`` or by its
    beginning up to ``@`` or ``-``. ``meant``: what names of data sets and of backbones stand for,
    of those that are there (:mod:`featprobe.features.lookup`). The notes say which stores are left
    out and why. Raises :class:`UnknownName` for a name with no store at all.
    """
    everything = list(entries(cache))
    stores = [e.store for e in everything if e.store is not None]
    notes = [e.error for e in everything if e.store is None]
    there_are = {s.dataset for s in stores}, {s.backbone for s in stores}
    datasets, backbones = (
        [means(name, known) for name in wanted]
        for means, wanted, known in zip(meant, (datasets, backbones), there_are)
    )
    for wanted, known, kind in zip((datasets, backbones), there_are, ("data set", "backbone")):
        for name in wanted:
            if not any(called(k, name) for k in known):
                there = ", ".join(sorted(known)) or "nothing"
                raise UnknownName(
                    f"no features of {kind} {name!r} in {cache}.{nearest(name, known)} There: "
                    f"{there}. Run 'featprobe extract' first."
                )
    chosen = []
    for store in stores:
        if not any(called(store.dataset, n) for n in datasets or [store.dataset]):
            continue
        if not any(called(store.backbone, n) for n in backbones or [store.backbone]):
            continue
        if store.complete:
            chosen.append(store)
        else:
            notes.append(f"{store.path.name}: incomplete, run its extract again to finish it")
    old = superseded(chosen)
    for store, newer in old.items():
        why = f"the files of {store.dataset} have changed since"
        if store.key.dataset == newer.key.dataset:
            parts = ", ".join(newer.key.differences(store.key.to_dict()))
            why = f"its pixels were read by an earlier featprobe (different: {parts})"
        if store.key == newer.key:
            why = f"{newer.path.name} holds the same features and was used last"
        notes.append(f"{store.path.name}: {why}; 'featprobe cache rm {store.path.name}' removes it")
    kept = [s for s in chosen if s not in old]
    now = observed.Looks()
    return kept, notes + [text for s in kept if (text := stale(s) or outrun(s, now))]


def outrun(store: FeatureStore, now: observed.Looks) -> str:
    """Note on a store whose files are not as they were at its last extraction, empty otherwise."""
    found = observed.changes(store.path, now)
    return found and (
        f"{store.path.name}: files of {store.dataset} are not as they were when it was extracted: "
        f"{found}; run its extract again, which reads what has changed, labels too"
    )


def stale(store: FeatureStore) -> str:
    """Note on a store whose files are read differently now; empty where they are not.

    A store made before there were versions of readers does not say which kinds of files it is of:
    then the names of its items do. Those without a suffix are rows of arrays, or DICOM where
    patients or what was left out tell so.
    """
    made = store.attributes["provenance"]
    kinds = made.get("kinds")
    if kinds is None:
        try:
            items = store.items()
        except StoreError:  # damaged, which reading it will say
            return ""
        text = "DICOM" in " ".join([items.group_origin, *made.get("skipped", ())])
        found = {kind_named(str(name)) for name in items.ids}
        kinds = {k or "dicom" for k in found if k or text}
    now = versions_of(kinds)
    behind = [part for part, v in now.items() if store.key.versions.get(part, 1) != v]
    if not behind or made.get("imported"):
        return ""
    return (
        f"{store.path.name}: stale, made by an earlier {', '.join(behind)}, which gives other "
        "pixels now; run its extract again"
    )


def superseded(stores: Sequence[FeatureStore]) -> dict[FeatureStore, FeatureStore]:
    """Stores of other contents or by earlier readers, each with the one used last, which counts."""
    newest: dict[str, FeatureStore] = {}
    for store in sorted(stores, key=lambda s: last_used.last(s.path)):
        newest[f"{store.dataset}/{store.backbone}/{store.key.lineage}"] = store
    out = {s: newest[f"{s.dataset}/{s.backbone}/{s.key.lineage}"] for s in stores}
    return {s: n for s, n in out.items() if s is not n}


def called(name: str, wanted: str) -> bool:
    """Whether a data set or backbone of that name is meant by ``wanted``, its beginning or all."""
    return name == wanted or name.startswith((f"{wanted}@", f"{wanted}-random"))


def named(cache: Where | StoragePath, name: str) -> CacheEntry:
    """The store of that name: ``<backbone>-<digest12>`` with or without suffix, or its digest.

    Raises :class:`UnknownName`, and :class:`InputError` when several have it.
    """
    known = list(entries(cache))
    names = {e.path.name for e in known}
    found = [e for e in known if name in (e.path.name, e.path.stem)]
    found = found or [e for e in known if e.path.stem.endswith(f"-{name}")]
    if not found:
        raise UnknownName(
            f"no store {name!r} in {cache}.{nearest(name, names)} See 'featprobe cache ls'"
        )
    if len(found) > 1:
        raise InputError(
            f"{name!r} is {' and '.join(sorted(str(e.path) for e in found))}; say which by its "
            "whole name"
        )
    return found[0]


def remove(cache: Where | StoragePath, name: str) -> StoragePath:
    """Delete the store of that name. Raises :class:`InputError` while a process works on it."""
    path = named(cache, name).path
    discard(path)
    return path


def discard(path: StoragePath) -> None:
    """Delete a store and what is kept beside it."""
    at_work = locks.held(path)
    if at_work:
        raise InputError(f"{path}: a process works on it now (shard {at_work[0]})")
    path.remove()
    locks.folder(path).remove()
    last_used.file(path).remove()
    attributes.file(path).remove()
    observed.file(path).remove()
