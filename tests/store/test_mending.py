"""Damaged metadata of a store are written anew, without its images and without losing a number."""

from __future__ import annotations

import json
import random
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import zarr

from featprobe.cli.main import main
from featprobe.core.errors import FeatprobeError, StoreError
from featprobe.datasets.load import load_dataset
from featprobe.extraction.local import extract
from featprobe.features.feature_set import FeatureSet
from featprobe.store import attributes
from featprobe.store.containers import create_store, open_store
from featprobe.store.format import Layout
from featprobe.store.mending import mend
from featprobe.store.storage_path import LocalPath
from featprobe.testing import faults
from featprobe.testing.cases import fill, make_features, make_items, make_key
from tests.store.test_cache import make

DAMAGES: dict[str, Callable[[bytes], bytes | None]] = {
    "cut": lambda data: data[: len(data) // 2],
    "empty": lambda data: b"",
    "gone": lambda data: None,
    "a list": lambda data: b"[1, 2]",
    "no text": lambda data: b"\xff\xfe" + bytes(40),
    "other shape": lambda data: data.replace(b'"shape": [', b'"shape": [7, '),
    "other type": lambda data: data.replace(b"float16", b"float32").replace(b"int", b"uint"),
    "other codec": lambda data: data.replace(b"crc32c", b"crc32d"),
    "other place": lambda data: data.replace(b'"."', b'"-"').replace(b'"/"', b'"_"'),
}
# what is no metadata but content, which the images alone tell again
CONTENT = ("index.h5", "items-", "parts/", "frame_item/c", "frame_index/c", "cls/c", "status/c")


def metadata(store: Path) -> list[str]:
    found = (str(f.relative_to(store)) for f in store.rglob("*") if f.is_file())
    return sorted(n for n in found if n.endswith(".json") or n == "features.h5")


def told(path: Path) -> tuple[bytes, list[object]]:
    """All that is read of a store."""
    store = open_store(path)
    items = store.items()
    about = [items.about, items.ids.tolist(), items.targets.tolist(), store.reasons()]
    return FeatureSet(store).x("cls").tobytes(), [*about, store.key, store.frame_item().tolist()]


def broken(path: Path, name: str, damage: Callable[[bytes], bytes | None]) -> bool:
    before = (path / name).read_bytes()
    after = damage(before)
    (path / name).unlink()
    if after is not None:
        (path / name).write_bytes(after)
    return after != before


@pytest.fixture(params=["zarr", "hdf5"])
def whole(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    return Path(str(make(tmp_path / "kept", kind=request.param).path))


def fresh(whole: Path, root: Path) -> Path:
    """A copy of the cache with the store, and the store in it."""
    shutil.rmtree(root, ignore_errors=True)
    shutil.copytree(whole.parents[2], root)
    return root / whole.relative_to(whole.parents[2])


@pytest.mark.parametrize("damage", DAMAGES)
def test_every_file_of_metadata_is_restored(whole: Path, tmp_path: Path, damage: str) -> None:
    want = told(whole)
    for name in metadata(whole):
        path = fresh(whole, tmp_path / "cache")
        if not broken(path, name, DAMAGES[damage]):
            continue
        store, made = mend(path)
        assert told(path) == want, name
        assert store.verify() == []
        assert made == [] or len(made) == 1
        assert mend(path)[1] == []  # once


@pytest.mark.parametrize("seed", range(8))
def test_any_flipped_bit_of_metadata_is_restored_or_told(
    whole: Path, tmp_path: Path, seed: int
) -> None:
    rng, want = random.Random(seed), told(whole)
    for name in metadata(whole):
        path = fresh(whole, tmp_path / "cache")
        faults.flip(path / name, rng.randrange((path / name).stat().st_size), rng.randrange(8))
        mend(path)
        assert told(path) == want, name


def test_all_of_it_at_once(whole: Path, tmp_path: Path) -> None:
    path, want = fresh(whole, tmp_path / "cache"), told(whole)
    for name in metadata(whole):
        (path / name).write_bytes(b"{")
    mend(path)
    assert told(path) == want
    if path.suffix == ".zarr":  # any reader of zarr opens it
        group = zarr.open_group(path, mode="r")
        np.testing.assert_array_equal(group["cls"][:], open_store(path).read("cls"))
        assert group.attrs["dataset"] == open_store(path).dataset


def test_without_a_copy_the_attributes_stay_lost_in_one_line(whole: Path, tmp_path: Path) -> None:
    path = fresh(whole, tmp_path / "cache")
    main_file = metadata(path)[-1]
    (path / main_file).write_bytes(b"")
    for spoil in (lambda f: f.write_bytes(b"{}"), lambda f: f.unlink()):
        spoil(Path(str(attributes.file(LocalPath(path)))))
        with pytest.raises(StoreError, match="'featprobe cache rm .*' removes it") as error:
            mend(path)
        assert "\n" not in str(error.value)


@pytest.mark.parametrize("old", ["v1/net-v1.zarr", "v0.1"])
def test_stores_of_earlier_versions_get_a_copy_when_they_are_used(old: str, tmp_path: Path) -> None:
    archive = Path(__file__).parents[1] / "archives" / old
    found = [archive] if archive.suffix == ".zarr" else sorted(archive.rglob("net-*.*"))
    assert found
    for store in found:
        path = tmp_path / store.name
        shutil.copytree(store, path)
        before = open_store(path)
        values = {n: before.read(n) for n in before.layout.arrays}
        before.touch()
        for name in metadata(path):
            if "items-" not in name and name != "features.h5":
                broken(path, name, DAMAGES["cut"])
        after, made = mend(path)
        assert made
        for n, x in values.items():
            np.testing.assert_array_equal(after.read(n), x)
        assert after.items().labels_digest


def refusing(file: Path) -> Callable[..., bytes]:
    """``LocalPath.read`` without permission for one file."""
    read = LocalPath.read

    def refused(self: LocalPath, *a: int) -> bytes:
        if Path(str(self)) == file:
            raise PermissionError(13, "Permission denied", str(file))
        return read(self, *a)

    return refused


def test_a_file_that_may_not_be_read_is_not_damaged(
    whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in metadata(whole):
        if name == "features.h5":
            continue  # none of ours reads it
        path = fresh(whole, tmp_path / "cache")
        with monkeypatch.context() as patch:
            patch.setattr(LocalPath, "read", refusing(path / name))
            if not name.startswith(("reason/", "status/", "frame_index/")):  # not asked for
                with pytest.raises(StoreError, match="Permission denied") as error:
                    told(path)
                assert "let it be read" in str(error.value)
                assert "cache rm" not in str(error.value)
            with pytest.raises(StoreError, match="Permission denied"):
                mend(path)
        assert told(path) == told(whole)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["zarr", "hdf5"])
def test_repair_and_extract_mend_every_file_of_a_store(
    kind: str, class_folders: Path, tiny_backbone, tmp_path: Path, cache: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    """Whatever file goes: features come back bit-equal, and metadata cost no extraction."""
    made = extract(tiny_backbone, load_dataset(class_folders), workers=0, store=kind)
    whole = Path(str(made.store.path))
    shutil.copytree(cache, tmp_path / "kept")
    files = sorted(str(f.relative_to(whole)) for f in whole.rglob("*") if f.is_file())
    some = [n for n in files if not n.startswith(("cls", "mean", "parts", "status/c"))]
    some += [f for f in files if f not in some][::9]
    for name in some:
        for damage in ("cut", "gone") if name.endswith("c/0") else ("cut",):
            shutil.rmtree(cache)
            shutil.copytree(tmp_path / "kept", cache)
            broken(whole, name, DAMAGES[damage])
            with pytest.raises(SystemExit) as end:
                main(["cache", "verify", "--repair"])
            assert not end.value.code, capsys.readouterr()
            again = extract(tiny_backbone, load_dataset(class_folders), workers=0, store=kind)
            np.testing.assert_array_equal(again.x("cls"), made.x("cls"))
            assert again.ids.tolist() == made.ids.tolist()
            assert open_store(whole).verify() == []
            content = name.startswith(("cls/c", "mean/c", "parts", "status/c"))
            assert bool(again.summary.new_frames) == content, name


def test_an_index_of_other_frames_is_refused(tmp_path: Path) -> None:
    store = make(tmp_path)
    with pytest.raises(StoreError, match=r"frames is damaged, and the files have 3; remove it"):
        store.set_index(np.arange(3), np.zeros(3, int))


def test_a_copy_that_names_the_table_before_is_mended_too(tmp_path: Path) -> None:
    store = make(tmp_path)
    path = Path(str(store.path))
    kept = Path(str(attributes.file(store.path)))
    before = kept.read_bytes()
    store.set_items(make_items(10, split=np.array(["test"] * 10)))
    kept.write_bytes(before)
    (path / "zarr.json").unlink()
    after, made = mend(path)
    assert made[:2] == ["attributes", "the name of the table of items"]
    assert after.items().split.tolist() == ["test"] * 10


def test_tokens_targets_of_all_tasks_and_stores_without_chunks(tmp_path: Path) -> None:
    layout = Layout(10, 4, {"tokens": (2, 2, 2, 3), "mean": (1, 5)})
    targets = {
        None: None, "multiclass": np.arange(10) % 2, "regression": np.linspace(0, 1, 10),
        "multilabel": np.eye(10)[:, :2], "ordinal": np.arange(10) % 2,
    }  # fmt: skip
    for n, (task, y) in enumerate(targets.items()):
        items = make_items(10, targets=y, task=task, classes=("a", "b") if task else ())
        store = create_store(
            "zarr", tmp_path / f"{n}.zarr", make_key(outputs={"tokens": 2, "mean": 1}), layout,
            np.arange(10), np.zeros(10, int), items, {"dataset": "d", "backbone": "b"}, {},
        )  # fmt: skip
        features = make_features(layout)
        if n:
            fill(store, features, [0, 2])
        path = Path(str(store.path))
        for file in path.rglob("zarr.json"):
            file.write_text(json.dumps({"zarr_format": 3}))
        after, _ = mend(path)
        assert after.items().labels_digest == items.labels_digest
        assert after.committed() == ({0, 2} if n else set())
        assert after.verify() == []
        if n:
            np.testing.assert_array_equal(after.read("tokens")[:4], features["tokens"][:4])
        fill(after, features, [1])
        np.testing.assert_array_equal(after.read("mean")[4:8], features["mean"][4:8])


def test_what_is_lost_for_good_is_one_line(whole: Path, tmp_path: Path) -> None:
    """Content that only images tell: the index and the table, where no extract follows."""
    for name in ("index.h5", "frame_item/c/0"):
        path = fresh(whole, tmp_path / "cache")
        if not (path / name).exists():
            continue
        broken(path, name, DAMAGES["cut"])
        store, _ = mend(path)
        store.repair(store.verify())
        with pytest.raises(FeatprobeError, match="the same extract command") as error:
            FeatureSet(open_store(path)).x("cls")
        assert "\n" not in str(error.value)
