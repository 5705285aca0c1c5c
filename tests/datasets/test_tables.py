"""Folders saved by ``save_to_disk`` of Hugging Face's datasets library."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import featprobe as fp
from featprobe.core.errors import InputError
from tests.datasets.test_parquet import PIXELS, pa, structs


def save(folder: Path, rows: slice, batches: int = 2) -> Path:
    """A Dataset of the library's layout: Arrow stream files named in ``state.json``."""
    folder.mkdir(parents=True)
    features = {
        "image": {"_type": "Image"},
        "label": {"names": ["no", "yes"], "_type": "ClassLabel"},
    }
    table = pa.table(
        {
            "image": pa.array(
                structs(PIXELS[rows]), pa.struct({"bytes": pa.binary(), "path": pa.string()})
            ),
            "label": [i % 2 for i in range(len(PIXELS[rows]))],
            "patient_id": [f"p{i // 2}" for i in range(len(PIXELS[rows]))],
        }
    ).replace_schema_metadata({"huggingface": json.dumps({"info": {"features": features}})})
    name = "data-00000-of-00001.arrow"
    with pa.OSFile(str(folder / name), "wb") as f, pa.ipc.new_stream(f, table.schema) as stream:
        stream.write_table(table, max_chunksize=batches)
    (folder / "state.json").write_text(json.dumps({"_data_files": [{"filename": name}]}))
    (folder / "dataset_info.json").write_text("{}")
    return folder


def test_a_saved_dataset_keeps_pixels_labels_and_patients(tmp_path: Path) -> None:
    data = fp.load_dataset(save(tmp_path / "one", slice(0, 7)))
    assert len(data) == 7
    assert data.classes == ("no", "yes")
    assert data.targets.tolist() == [0, 1, 0, 1, 0, 1, 0]
    assert data.groups.tolist() == ["p0", "p0", "p1", "p1", "p2", "p2", "p3"]
    assert not (data.split != "").any()
    for i in (6, 0, 3):
        np.testing.assert_array_equal(data.read(i)[0], PIXELS[i])


def test_the_splits_of_a_dataset_dict_are_official(tmp_path: Path) -> None:
    root = tmp_path / "dict"
    for name, rows in (("train", slice(0, 8)), ("test", slice(8, 12))):
        save(root / name, rows)
    (root / "dataset_dict.json").write_text(json.dumps({"splits": ["train", "test"]}))
    data = fp.load_dataset(root)
    assert data.split.tolist() == ["train"] * 8 + ["test"] * 4
    assert len(set(data.ids.tolist())) == 12
    np.testing.assert_array_equal(data.read(9)[0], PIXELS[9])


def test_a_changed_image_changes_the_fingerprint(tmp_path: Path) -> None:
    one = fp.load_dataset(save(tmp_path / "a", slice(0, 4))).fingerprint
    assert fp.load_dataset(save(tmp_path / "b", slice(0, 4))).fingerprint == one
    assert fp.load_dataset(save(tmp_path / "c", slice(1, 5))).fingerprint != one


def test_damaged_indices_and_files_are_told(tmp_path: Path) -> None:
    folder = save(tmp_path / "x", slice(0, 4))
    arrow = folder / "data-00000-of-00001.arrow"
    arrow.write_bytes(b"no stream")
    with pytest.raises(InputError, match="not a readable Arrow file"):
        fp.load_dataset(folder)
    (folder / "state.json").write_text("{}")
    with pytest.raises(InputError, match="not the index of a saved data set"):
        fp.load_dataset(folder)
