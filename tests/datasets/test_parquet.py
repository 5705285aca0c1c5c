"""Parquet files with encoded images, as people and the Hugging Face hub write them."""

from __future__ import annotations

import io
import json
import sys
from contextlib import nullcontext
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from PIL import Image

from featprobe.core.errors import InputError, MissingExtra, Unfinished, UnknownName, UnreadableItem
from featprobe.datasets.load import load_dataset
from featprobe.datasets.parquet import ParquetSource
from featprobe.extraction.local import extract
from featprobe.store.cache import entries, find
from tests.images.test_versions import deep_png

pa = pytest.importorskip("pyarrow", reason="pyarrow (extra parquet) is not installed")
pq = pytest.importorskip("pyarrow.parquet", reason="pyarrow (extra parquet) is not installed")

PIXELS = np.random.default_rng(0).integers(0, 256, (12, 8, 6), dtype=np.uint8)


def encode(array: np.ndarray, kind: str = "PNG") -> bytes:
    stream = io.BytesIO()
    Image.fromarray(array).save(stream, kind)
    return stream.getvalue()


def structs(pixels: np.ndarray = PIXELS) -> list[dict]:
    return [{"bytes": encode(p), "path": f"{i}.png"} for i, p in enumerate(pixels)]


def write(target: Path, metadata: dict | None = None, groups: int = 5, **columns) -> Path:
    target.parent.mkdir(parents=True, exist_ok=True)
    table = pa.table(columns)
    if metadata:
        table = table.replace_schema_metadata({"huggingface": json.dumps(metadata)})
    pq.write_table(table, target, row_group_size=groups)
    return target


@pytest.mark.parametrize("column", [structs(), [encode(p) for p in PIXELS]], ids=["hub", "bytes"])
def test_images_and_labels(tmp_path, column):
    path = write(tmp_path / "set.parquet", image=column, label=[0, 1, 2] * 4)
    data = load_dataset(path)
    assert (data.task, data.classes) == ("multiclass", ("0", "1", "2"))
    assert data.targets.tolist() == [0, 1, 2] * 4
    for i in (11, 0, 5, 4, 7):
        assert data.frames(i) == 1
        np.testing.assert_array_equal(data.read(i)[0], PIXELS[i])


def test_files_of_a_folder_are_splits_and_class_names_come_along(tmp_path):
    info = {"info": {"features": {"label": {"names": ["none", "tumor"], "_type": "ClassLabel"}}}}
    for i, name in enumerate(
        ("train-00000-of-00002", "train-00001-of-00002", "test-00000-of-00001")
    ):
        part = structs(PIXELS[4 * i : 4 * i + 4])
        write(tmp_path / "data" / f"{name}.parquet", info, 3, image=part, label=[0, 1, 1, None])
    data = load_dataset(tmp_path)
    assert data.split.tolist() == ["test"] * 4 + ["train"] * 8  # in the order of file names
    assert data.classes == ("none", "tumor")
    assert data.targets.tolist() == [0, 1, 1, -1] * 3
    for i in range(12):
        np.testing.assert_array_equal(data.read(i)[0], PIXELS[i - 4])


def test_text_lists_several_columns_and_regression(tmp_path):
    n = len(PIXELS)
    path = write(
        tmp_path / "x.parquet", image=structs(), label=["b", "a", None] * 4,
        patient=[*range(6)] * 2, findings=[[1, 0]] * n, mass=[0, 1] * 6, edema=[1, None] * 6,
        age=[50.5] * n,
    )  # fmt: skip
    data = load_dataset(path)
    assert (data.classes, data.targets.tolist()) == (("a", "b"), [1, 0, -1] * 4)
    assert data.groups.tolist() == [str(i) for i in range(6)] * 2
    assert load_dataset(path, group="none").groups.tolist() == data.ids.tolist()
    lists = load_dataset(path, label=["findings"])
    assert (lists.task, lists.targets.tolist()) == ("multilabel", [[1, 0]] * n)
    several = load_dataset(path, label=["mass", "edema"])
    np.testing.assert_array_equal(several.targets, [[0, 1], [1, np.nan]] * 6)
    assert several.classes == ("mass", "edema")
    assert load_dataset(path, label=["age"], task="regression").targets[0] == 50.5
    with pytest.raises(UnknownName, match=r"no column 'edma'\. Did you mean 'edema'"):
        load_dataset(path, label=["edma"])


def test_sixteen_bit_tiff_and_colour_keep_their_values(tmp_path):
    import tifffile

    deep = np.arange(48, dtype=np.uint16).reshape(8, 6) * 1000
    stream = io.BytesIO()
    tifffile.imwrite(stream, deep)
    colour = np.random.default_rng(1).integers(0, 256, (8, 6, 3), dtype=np.uint8)
    path = write(tmp_path / "x.parquet", image=[stream.getvalue(), encode(colour)])
    data = load_dataset(path)
    np.testing.assert_array_equal(data.read(0)[0], deep)
    np.testing.assert_array_equal(data.read(1)[0], colour)


def test_rows_that_cannot_be_read_say_why(tmp_path):
    good = encode(PIXELS[0])
    cells = [
        {"bytes": None, "path": "far/away.png"}, {"bytes": b"", "path": None}, None,
        {"bytes": good[:60], "path": "cut.png"}, {"bytes": good, "path": "good.png"},
    ]  # fmt: skip
    data = load_dataset(write(tmp_path / "x.parquet", image=cells))
    said = ["not in the table but in far/away.png", "no image", "no image", "cannot be read"]
    for i, match in enumerate(said):
        with pytest.raises(UnreadableItem, match=rf"x\.parquet: row {i}: .*{match}"):
            data.read(i)
    assert data.read(4).shape == (1, 8, 6)


def test_table_without_images_is_a_manifest(tmp_path):
    Image.fromarray(PIXELS[0]).save(tmp_path / "a.png")
    Image.fromarray(PIXELS[1]).save(tmp_path / "b.png")
    path = write(tmp_path / "m.parquet", path=["a.png", "b.png"], label=["x", None], age=[1, 2])
    data = load_dataset(path)
    assert (data.ids.tolist(), data.targets.tolist()) == (["a.png", "b.png"], [0, -1])
    with pytest.raises(InputError, match="no column of file paths"):
        load_dataset(write(tmp_path / "n.parquet", label=["x"]))


def test_damaged_file_and_missing_pyarrow(tmp_path, monkeypatch):
    (tmp_path / "bad.parquet").write_bytes(b"PAR1 nothing")
    with pytest.raises(InputError, match=r"bad\.parquet: not a readable Parquet file"):
        load_dataset(tmp_path / "bad.parquet")
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    with pytest.raises(MissingExtra, match=r"pip install 'featprobe\[parquet\]'"):
        load_dataset(tmp_path / "bad.parquet")


def test_fingerprint_is_of_the_bytes(tmp_path):
    first = load_dataset(write(tmp_path / "x.parquet", image=structs())).fingerprint
    assert load_dataset(tmp_path / "x.parquet").fingerprint == first
    write(tmp_path / "x.parquet", image=structs(PIXELS[::-1]))
    assert load_dataset(tmp_path / "x.parquet").fingerprint != first


def deep() -> bytes:
    """A PNG of 16 bits in three colours, whose grey levels a later reader shows otherwise."""
    with TemporaryDirectory() as folder:
        return deep_png(Path(folder) / "deep.png").read_bytes()


@pytest.mark.parametrize(
    ("rows", "kinds"),
    [
        ([encode(PIXELS[0]), encode(PIXELS[1], "JPEG"), encode(PIXELS[2], "BMP")], {"picture"}),
        ([encode(PIXELS[0].astype(np.uint16))], {"picture"}),  # grey, which no change touched
        ([encode(PIXELS[0]), encode(PIXELS[1], "TIFF")], {"picture", "raster"}),
        ([encode(PIXELS[0]), None, deep()], {"picture", "raster"}),
        ([encode(PIXELS[0], "WEBP")], {"raster"}),
        ([{"bytes": encode(PIXELS[0]), "path": "a.tif"}], {"picture"}),  # the content tells
        ([{"bytes": b"?" * 40, "path": "a.dcm"}], {"dicom"}),
    ],
)
def test_the_content_of_rows_says_which_reader_they_have(tmp_path, rows, kinds):
    path = write(tmp_path / "set.parquet", groups=1, image=rows, label=[0] * len(rows))
    assert load_dataset(path).kinds() == kinds


@pytest.mark.parametrize("complete", [True, False])
@pytest.mark.parametrize("made", ["now", "lately", "long ago"])
@pytest.mark.parametrize("kind", ["zarr", "hdf5"])
def test_stores_of_plain_pictures_are_found_whichever_key_they_have(
    tmp_path, tiny_backbone, monkeypatch, made, kind, complete
):
    """Lately the key of a table said 'raster', long ago nothing: the pixels are the same."""
    path = write(tmp_path / "set.parquet", image=structs(), label=[0, 1, 2] * 4)
    former = {"now": {"picture"}, "lately": {"raster"}, "long ago": set()}[made]
    with monkeypatch.context() as patch:
        patch.setattr(ParquetSource, "kinds", lambda self: former)
        part = (1, 1) if complete else (1, 2)
        with nullcontext() if complete else pytest.raises(Unfinished):
            extract(tiny_backbone, load_dataset(path), workers=0, store=kind, part=part,
                    batch_size=4)  # fmt: skip
    (old,) = (e.store for e in entries(tmp_path / "cache"))
    before = old.read("cls") if complete else None
    new = extract(tiny_backbone, load_dataset(path), workers=0, store=kind, batch_size=4)
    assert new.store.path == old.path
    assert new.summary.new_frames == (0 if complete else 8)
    if before is not None:
        np.testing.assert_array_equal(new.store.read("cls"), before)
    assert not new.summary.outdated
    stores, notes = find(tmp_path / "cache")
    assert [s.path for s in stores] == [new.store.path]
    assert not notes


def test_tables_of_what_has_changed_are_extracted_again(tmp_path, tiny_backbone, monkeypatch):
    rows = [encode(p, "TIFF") for p in PIXELS]
    path = write(tmp_path / "set.parquet", image=rows, label=[0, 1, 2] * 4)
    with monkeypatch.context() as patch:
        patch.setattr(ParquetSource, "kinds", lambda self: set())
        extract(tiny_backbone, load_dataset(path), workers=0)
    new = extract(tiny_backbone, load_dataset(path), workers=0)
    assert new.summary.new_frames == 12
    assert len(new.summary.outdated) == 1
