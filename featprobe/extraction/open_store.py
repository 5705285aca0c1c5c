"""The store of an extraction: opened where the cache has it, created otherwise."""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from featprobe.backbones.base import Backbone
from featprobe.core import paths as settings
from featprobe.core.errors import FeatprobeError, InputError
from featprobe.core.fingerprint import digest
from featprobe.core.progress import Progress
from featprobe.core.versions import versions_of
from featprobe.datasets.base import Dataset
from featprobe.datasets.studies import StudySource
from featprobe.extraction.decoding import separable
from featprobe.extraction.disk_space import check_disk_space
from featprobe.extraction.options import Settings
from featprobe.extraction.plan import FramePlan, plan_frames
from featprobe.extraction.reducing import learn, reduction_key
from featprobe.extraction.workers import pool
from featprobe.images import versions as readers
from featprobe.store import containers
from featprobe.store.base import FeatureStore
from featprobe.store.cache import store_path
from featprobe.store.containers import SUFFIXES
from featprobe.store.format import FeatureKey, Items, Layout, array_of, plan_shard
from featprobe.store.moved import find_moved
from featprobe.store.storage_path import StoragePath

PACKAGES = ("torch", "transformers", "numpy", "zarr", "pydicom", "nibabel", "pillow")


def open_store(
    backbone: Backbone, dataset: Dataset, outputs: Mapping[str, int], o: Settings, *,
    cache: str | os.PathLike[str] | None, store: str, dtype: str, dim: int | None = None,
    components: tuple[Mapping[str, Any], Mapping[str, Any]] | None = None,
    augmented: Mapping[str, Any] | None = None,
) -> FeatureStore:  # fmt: skip
    """The store that the key of this extraction names; made from headers when there is none.

    ``outputs``: name -> last blocks. ``store``: the kind of container; a complete store of another
    kind is returned before one is made or completed. ``dim``: principal components of tokens, which
    are learnt here when a store is made and lie in its provenance; ``components``: those of another
    store, what its key and its provenance say of them. ``augmented``: views, as of the key.
    """
    if store not in SUFFIXES:
        raise InputError(f"unknown store {store!r}: use one of {', '.join(SUFFIXES)}")
    with Progress("hashing files", len(dataset), "files", o.progress) as p:
        fingerprint = dataset.compute_fingerprint(p.update)
    key = FeatureKey(
        weights=backbone.weights_sha256,
        config=digest(backbone.config),
        preprocess=backbone.preprocess.to_dict(),
        recipe=dataset.recipe.to_dict(),
        outputs=dict(outputs),
        precision=o.precision,
        dtype=dtype,
        dataset=fingerprint,
        versions=versions_of_key(backbone, dataset),
        reduction=dict(components[0]) if components else reduction_key(dataset, outputs, dim),
        augmented=dict(augmented or {}),
    )
    root = settings.feature_root(cache)
    paths = {k: store_path(root, dataset.name, backbone.name, key.digest, k) for k in SUFFIXES}
    path = paths.pop(store)
    opened = containers.open_store(path, key) if path.exists() else None
    if opened is None:
        opened = _formerly(root, key, backbone, dataset)
    if opened is None or not opened.complete:
        opened = next(filter(None, (_complete(p, key) for p in paths.values())), opened)
    if opened is None:
        opened = find_moved(root, key, dataset.name, backbone.name)
    if opened is not None and opened.attributes.get("index") != "lost":
        opened.touch()
        return opened
    if o.engine == "local" and not o.devices and o.workers and separable(dataset):
        pool().begin(min(o.workers, len(dataset)))  # they import while headers are read
    plan = plan_frames(dataset, max(1, o.workers), o.progress)
    if opened is not None:
        opened.set_index(plan.item, plan.index)
        opened.touch()
        return opened
    return _create(path, key, plan, backbone, dataset, o, store, components and components[1])


def _formerly(
    root: str | os.PathLike[str], key: FeatureKey, backbone: Backbone, dataset: Dataset
) -> FeatureStore | None:
    """A store of the same features, whose key names more of the readers than it need."""
    before = dataset.former_kinds()
    old = replace(key, versions={**readers.versions_of(before), **backbone.versions})
    if not before or old == key:
        return None
    for kind in SUFFIXES:
        path = store_path(root, dataset.name, backbone.name, old.digest, kind)
        if path.exists():
            return containers.open_store(path, old)
    return None


def versions_of_key(backbone: Backbone, dataset: Dataset) -> dict[str, int | str]:
    """Versions of the code that makes features of this data set, but for those that are 1."""
    return {**readers.versions_of(dataset.kinds()), **backbone.versions}


def _complete(path: StoragePath, key: FeatureKey) -> FeatureStore | None:
    """The store there if it is complete; who asks for another need not know what is wrong."""
    try:
        store = containers.open_store(path, key)
    except FeatprobeError:
        return None
    return store if store.complete else None


def outdated(store: FeatureStore) -> list[StoragePath]:
    """Stores beside it that differ in the contents of the data set, or in who read them, alone."""
    found = []
    for name in store.path.parent.names():
        if name == store.path.name or not containers.kind_of(name) or name.startswith("."):
            continue
        other = store.path.parent / name
        try:
            old = containers.open_store(other).key
        except FeatprobeError:
            continue
        if old.lineage == store.key.lineage and old != store.key:
            found.append(other)
    return found


def _create(
    path: StoragePath, key: FeatureKey, plan: FramePlan, backbone: Backbone, dataset: Dataset,
    o: Settings, kind: str, components: Mapping[str, Any] | None,
) -> FeatureStore:  # fmt: skip
    arrays = {n: backbone.shape(n, blocks) for n, blocks in key.outputs.items()}
    learnt: dict[str, Any] = {}
    if key.reduction:
        name, dim = key.reduction["output"], key.reduction["dim"]
        arrays[name] = (*arrays[name][:-1], dim)
    shard = plan_shard(len(plan), arrays, key.dtype, o.batch_size)
    every = {array_of(n, view): s for view in range(key.views) for n, s in arrays.items()}
    layout = Layout(len(plan), shard, every)
    check_disk_space(path, layout, key.dtype, o.progress)
    if key.reduction:
        learnt["reduction"] = (
            dict(components) if components
            else learn(backbone, dataset, plan, key.outputs, dim, o).to_dict()
        )  # fmt: skip
    return containers.create_store(
        kind, path, key, layout, plan.item, plan.index, items_of(dataset),
        {"dataset": dataset.name, "backbone": backbone.name},
        {
            "backbone": backbone.origin,
            "random": backbone.random,
            "outputs": backbone.offer.outputs,
            "pooled": backbone.offer.pooled,
            "batch": o.batch_size,
            "device": o.target.type,
            **learnt,
            "kinds": sorted(dataset.kinds()),
            "skipped": dataset.skipped,
            **views_of(dataset),
            "versions": versions_of(PACKAGES),
            "python": platform.python_version(),
        },
    )  # fmt: skip


def views_of(dataset: Dataset) -> dict[str, list[list[int]]]:
    """``views``: frames of each modality of each item, where late fusion pools other than equal
    runs; empty otherwise. An item whose headers cannot be read has none."""
    source = dataset.source
    if dataset.recipe.parts < 2 or not isinstance(source, StudySource):
        return {}
    found: list[list[int]] = []
    for i in range(len(dataset)):
        try:
            found.append(source.views(i, dataset.recipe))
        except (FeatprobeError, OSError):
            found.append([])
    return {"views": found} if any(len(set(v)) > 1 for v in found) else {}


def items_of(dataset: Dataset) -> Items:
    """The table of items of a data set."""
    return Items(
        ids=dataset.ids, groups=dataset.groups, split=dataset.split, targets=dataset.targets,
        task=dataset.task, classes=dataset.classes, group_origin=dataset.group_origin,
        split_origin=dataset.split_origin,
    )  # fmt: skip
