"""The zarr container: an ordinary zarr group, read past zarr."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

import numpy as np
import pytest
import zarr
from hypothesis import given
from hypothesis import strategies as st
from zarr.codecs import BloscCodec

from featprobe.core.errors import InputError, StoreError
from featprobe.store import attributes
from featprobe.store.containers import open_store
from featprobe.store.format import DONE, FAILED, Layout
from featprobe.store.zarr import ZarrStore
from featprobe.store.zarr_layout import decode, encode
from featprobe.testing.cases import fill, make_features, make_items, make_key
from featprobe.testing.stores import SHAPES, SLOW


def create(path: Path, layout: Layout | None = None, **changes) -> ZarrStore:
    """Ten items of one frame, in shards of four, nothing written yet."""
    layout = layout or Layout(10, 4, {"cls": (2, 3)})
    n, provenance = layout.frames, changes.pop("provenance", {})
    return ZarrStore.create(
        path, make_key(**changes), layout, np.arange(n), np.zeros(n), make_items(n),
        {"dataset": "d", "backbone": "b"}, provenance,
    )  # fmt: skip


@pytest.mark.slow
@SLOW
@given(
    frames=st.integers(1, 30), shard=st.integers(1, 12), arrays=SHAPES,
    dtype=st.sampled_from(["float16", "float32"]), skipped=st.sets(st.integers(0, 30)),
)  # fmt: skip
def test_zarr_reads_and_would_write_the_same_bytes(frames, shard, arrays, dtype, skipped) -> None:
    layout = Layout(frames, shard, arrays)
    features = make_features(layout, dtype)
    with tempfile.TemporaryDirectory() as folder:
        store = create(Path(folder) / "s.zarr", layout, dtype=dtype)
        empty = Path(folder) / "zarr.zarr"
        shutil.copytree(str(store.path), empty)
        plain = zarr.open_group(empty, mode="r+")
        for s in sorted(set(range(layout.shards)) - skipped):
            a, b = layout.bounds(s)
            texts = ["", *[f"frame {i} grün" for i in range(a + 1, b)]]
            rows = {n: v[a:b] for n, v in features.items()}
            store.write_shard(s, rows, np.full(b - a, DONE), texts)
            for name, values in rows.items():
                plain[name][a:b] = values
            plain["status"][a:b] = DONE
            if any(texts):
                plain["reason"][a:b] = np.array(texts)
        files = dict(store.path.files())
        assert files == {str(f.relative_to(empty)): f.stat().st_size
                         for f in empty.rglob("*") if f.is_file()}  # fmt: skip
        for name in files:
            assert (empty / name).read_bytes() == (store.path / name).read()
        ours = zarr.open_group(str(store.path), mode="r")
        for name in arrays:
            np.testing.assert_array_equal(ours[name][:], store.read(name))
            assert ours[name].dtype == np.dtype(dtype)
        np.testing.assert_array_equal(ours["status"][:], store.status())
        assert {i: t for i, t in enumerate(ours["reason"][:]) if t} == store.reasons()
        assert ours[f"{store.attributes['items']}/ids"][:].tolist() == store.items().ids.tolist()


@given(st.lists(st.text(st.characters(codec="utf-8"))))
def test_text_is_laid_out_as_zarr_does(texts: list[str]) -> None:
    from numcodecs.vlen import VLenUTF8

    codec = VLenUTF8()
    assert decode(encode(texts)) == texts
    if texts:
        assert bytes(codec.encode(np.array(texts, dtype=object))) == encode(texts)


def test_arrays_of_another_codec_are_refused_by_name(tmp_path: Path) -> None:
    store = create(tmp_path / "s.zarr")
    group = zarr.open_group(tmp_path / "s.zarr", mode="r+")
    del group["cls"]
    group.create_array("cls", shape=(10, 2, 3), chunks=(4, 2, 3), dtype="f2",
                       compressors=[BloscCodec()])  # fmt: skip
    with pytest.raises(StoreError, match="cls of shard 0 is not laid out as featprobe does"):
        open_store(store.path).read("cls")


def test_an_empty_status_file_of_a_power_failure_is_a_pending_shard(tmp_path: Path) -> None:
    store = create(tmp_path / "s.zarr")
    fill(store, make_features(store.layout), [0, 1])
    (tmp_path / "s.zarr" / "status" / "c" / "1").write_bytes(b"")
    again = open_store(store.path)
    assert again.pending() == [1, 2]
    assert again.verify() == []
    assert again.lock_shard(1) is not None
    assert again.status().tolist() == [DONE] * 4 + [0] * 6


def test_an_unreadable_index_says_how_to_mend_or_remove_the_store(tmp_path: Path) -> None:
    store = create(tmp_path / "s.zarr")
    (tmp_path / "s.zarr" / "zarr.json").write_text("{")
    with pytest.raises(StoreError, match="featprobe cache verify s --repair' mends it"):
        open_store(tmp_path / "s.zarr")
    attributes.file(store.path).remove()  # of what could be mended from
    with pytest.raises(StoreError, match="featprobe cache rm s"):
        open_store(tmp_path / "s.zarr")


def test_changed_attributes_are_damage(tmp_path: Path) -> None:
    create(tmp_path / "s.zarr")
    file = tmp_path / "s.zarr" / "zarr.json"
    file.write_text(file.read_text().replace('"shard": 4', '"shard": 5'))
    with pytest.raises(StoreError, match="attributes have been changed"):
        open_store(tmp_path / "s.zarr")


def test_a_later_format_version_is_refused(tmp_path: Path) -> None:
    create(tmp_path / "s.zarr")
    zarr.open_group(tmp_path / "s.zarr", mode="r+").attrs["featprobe"] = 99
    with pytest.raises(StoreError, match="format version 99"):
        open_store(tmp_path / "s.zarr")


def test_a_place_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(InputError, match="cannot be written"):
        create(tmp_path / "file" / "s.zarr")


def test_no_half_made_store_is_left_behind(tmp_path: Path) -> None:
    with pytest.raises(TypeError):
        create(tmp_path / "s.zarr", provenance={"bad": object()})
    assert list(tmp_path.iterdir()) == []


def test_opening_and_listing_read_no_chunk_and_import_no_zarr(tmp_path: Path) -> None:
    import subprocess
    import sys

    store = create(tmp_path / "s.zarr")
    fill(store, make_features(store.layout))
    store.write_shard(0, {"cls": np.ones((4, 2, 3))}, np.full(4, FAILED), ["x"] * 4)
    store.finish({})
    shutil.rmtree(tmp_path / "s.zarr" / "cls")
    program = (
        "import sys\nfrom featprobe.store.containers import open_store\n"
        f"s = open_store({str(store.path)!r})\n"
        "assert s.pending() == [] and s.complete and s.pending(True) == [0]\n"
        "assert s.items().ids[0]\n"
        "print(*(n for n in ('zarr', 'torch', 'h5py') if n in sys.modules))"
    )
    out = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert (out.stdout.strip(), out.stderr) == ("", "")


@pytest.mark.parametrize("lost", [1, 4, 30])
@pytest.mark.parametrize(
    ("length", "rows"),
    [(3, [41]), (3, [41, 45]), (3000, [41]), (3000, [41, 45]), (3, range(40, 80)), (3, None)],
    ids=["one", "some", "one long", "some long", "whole file", "all"],
)
def test_rows_of_a_file_that_is_cut_are_damage(tmp_path: Path, length, rows, lost: int) -> None:
    """However they are read: of a mapped file what is behind the end would end this process, and
    rows that are before the cut are not trusted either."""
    layout = Layout(120, 40, {"cls": (2, length)})
    store = create(tmp_path / "s.zarr", layout)
    fill(store, make_features(layout))
    chunk = next(f for f in (tmp_path / "s.zarr" / "cls").iterdir() if f.name.startswith("c.1"))
    chunk.write_bytes(chunk.read_bytes()[:-lost])
    found = open_store(store.path)
    with pytest.raises(StoreError, match="cls of shard 1 (is cut short|has another size)"):
        found.read("cls", frames=None if rows is None else np.array(rows))
    others = np.array([0, 39, 80, 119])
    np.testing.assert_array_equal(
        found.read("cls", frames=others), make_features(layout)["cls"][others]
    )


def test_an_index_of_another_length_is_damage(tmp_path: Path) -> None:
    store = create(tmp_path / "s.zarr")
    other = create(tmp_path / "o.zarr", Layout(11, 4, {"cls": (2, 3)}))
    target = tmp_path / "s.zarr" / "frame_item"
    shutil.rmtree(target)
    shutil.copytree(tmp_path / "o.zarr" / "frame_item", target)
    assert len(other.frame_item()) == 11
    with pytest.raises(StoreError, match="frame_item has another length"):
        open_store(store.path).frame_item()


def test_a_store_that_another_process_has_just_made_is_opened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Renaming onto a folder that is there fails as the system pleases: not only as 'exists'."""
    first = create(tmp_path / "s.zarr")
    fill(first, make_features(first.layout), [0])
    for error in (FileExistsError("there"), OSError(39, "Directory not empty")):

        def taken(*a: object, error: OSError = error, **k: object) -> None:
            raise error

        with monkeypatch.context() as patch:
            patch.setattr(ZarrStore, "_lay_out", taken)
            assert create(tmp_path / "s.zarr").committed() == {0}
            with pytest.raises(InputError if error.errno else FileNotFoundError):
                create(tmp_path / "not there" / "n.zarr")
