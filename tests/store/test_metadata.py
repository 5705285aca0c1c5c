"""Every metadata file of a store, damaged in every way: one error that says how to mend it."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from featprobe.core.errors import FeatprobeError
from featprobe.features.feature_set import FeatureSet
from featprobe.store import cache as caches
from featprobe.store.containers import open_store
from tests.store.test_cache import make

CHUNKS = re.compile(rb'"chunk_shape":\s*\[\s*\d+')
DAMAGES: dict[str, Callable[[bytes], bytes | None]] = {
    "cut": lambda data: data[: len(data) // 2], "empty": lambda data: b"",
    "gone": lambda data: None, "null": lambda data: b"null", "a list": lambda data: b"[1, 2]",
    "nothing in it": lambda data: b"{}",
    "no text": lambda data: b"\xff\xfe" + bytes(40),
    "other types": lambda data: data.replace(b'"shape": [', b'"shape": ["x", '),
    "other values": lambda data: data.replace(b"10", b"-3"),
    "chunks of nothing": lambda data: CHUNKS.sub(b'"chunk_shape": [0', data),
    "chunks of other axes": lambda data: CHUNKS.sub(b'"chunk_shape": [1, 4', data),
    "swapped": lambda data: data.replace(b'"shape"', b'"shap"').replace(b'"key"', b'"kex"'),
}  # fmt: skip


def files(kind: str, root: Path) -> list[str]:
    store = Path(str(make(root, kind=kind).path))
    return sorted(
        str(f.relative_to(store)) for f in store.rglob("*")
        if f.is_file() and (f.suffix == ".json" or kind == "hdf5")
    )  # fmt: skip


def uses(path: Path, root: Path) -> list[Callable[[], object]]:
    """What verbs do with a store."""
    return [
        lambda: FeatureSet(open_store(path)).x("cls"),
        lambda: open_store(path).read("cls", frames=np.array([1, 5])),
        lambda: open_store(path).status(),
        lambda: open_store(path).reasons(),
        lambda: open_store(path).items().labels_digest,
        lambda: open_store(path).pending(retry_failed=True),
        lambda: caches.find(root),
        lambda: [(e.state, e.bytes) for e in caches.entries(root)],
    ]


def error_of(use: Callable[[], object]) -> str:
    """The message of an error on purpose; any other error fails the test."""
    try:
        use()
    except FeatprobeError as error:
        return str(error)
    return ""


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("kind", ["zarr", "hdf5"])
def test_damage_is_one_error_with_the_command_that_mends_it(
    kind: str, damage: str, tmp_path: Path
) -> None:
    names = files(kind, tmp_path / "names")
    assert len(names) >= 3
    for i, name in enumerate(names):
        root = tmp_path / str(i)
        path = Path(str(make(root, kind=kind).path))
        before = (path / name).read_bytes()
        after = DAMAGES[damage](before)
        if after == before:
            continue
        if after is None:
            (path / name).unlink()
        else:
            (path / name).write_bytes(after)
        said = [text for use in uses(path, root) if (text := error_of(use))]
        for text in said:
            assert "\n" not in text, name
            assert "featprobe cache" in text or "no such" in text, (name, text)
        try:
            found = open_store(path).verify()
        except FeatprobeError:
            continue
        assert found or _reads(path), name  # nothing is lost unseen


def _reads(path: Path) -> bool:
    """Whether nothing of the store is lost: the file is not needed."""
    store = open_store(path)
    return len(FeatureSet(store).x("cls")) == 10
