"""Features leave a store and come back the same; features made elsewhere can be probed."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

import featprobe as fp
from featprobe.core.errors import InputError, UnknownName
from featprobe.features.exchange.transfer import FORMATS, export, load
from featprobe.features.feature_set import FeatureSet
from featprobe.store.containers import create_store, open_store
from featprobe.store.format import DONE, FAILED, Layout
from featprobe.testing.cases import make_features, make_items, make_key


def make(folder: Path, **columns):
    """Six items of two frames, one of them failed, with tokens."""
    layout = Layout(12, 4, {"cls": (2, 3), "tokens": (1, 2, 2, 3)})
    features = make_features(layout)
    store = create_store(
        "zarr", folder / "s.zarr", make_key(outputs={"cls": 2, "tokens": 1}), layout,
        np.arange(12) // 2, np.arange(12) % 2, make_items(6, **columns),
        {"dataset": "films", "backbone": "net"}, {"random": False},
    )  # fmt: skip
    for s in range(3):
        a, b = layout.bounds(s)
        status = np.where(np.arange(a, b) == 5, FAILED, DONE)
        texts = ["zerstört" if f == 5 else "" for f in range(a, b)]
        store.write_shard(s, {n: v[a:b] for n, v in features.items()}, status, texts)
    store.finish({})
    return store


nan = float("nan")
LABELS = [
    {},
    {"targets": None, "task": None, "classes": ()},
    {"targets": np.array([[1, nan], [0, 1]] * 3), "task": "multilabel", "classes": ("a", "b")},
    {"targets": np.linspace(0, 1, 6), "task": "regression", "classes": ()},
]


@pytest.mark.parametrize("columns", LABELS, ids=["multiclass", "none", "multilabel", "regression"])
@pytest.mark.parametrize("to", FORMATS)
def test_a_store_comes_back_the_same(tmp_path: Path, to: str, columns: dict) -> None:
    store = make(tmp_path, split=np.array(["train", "test"] * 3), **columns)
    suffix = {"npy": "", "zarr": ".zarr", "hdf5": ".h5"}.get(to, f".{to}")
    out = export(store, to, tmp_path / f"out{suffix}")
    again = open_store(out) if to in ("zarr", "hdf5") else load(str(out), tmp_path / "c")
    assert again.key == store.key
    for name in store.layout.arrays:
        assert again.read(name).tobytes() == store.read(name).tobytes()
    assert again.status().tolist() == store.status().tolist()
    assert again.reasons() == {5: "zerstört"}
    assert again.frame_item().tolist() == store.frame_item().tolist()
    assert again.frame_index().tolist() == store.frame_index().tolist()
    for name in ("ids", "groups", "split", "targets"):
        np.testing.assert_array_equal(getattr(again.items(), name), getattr(store.items(), name))
    assert again.items().about == store.items().about
    assert again.complete
    with pytest.raises(InputError, match="is there already"):
        export(store, to, out)


def test_parquet_is_read_by_pandas(tmp_path: Path) -> None:
    import pandas

    store = make(tmp_path)
    table = pandas.read_parquet(str(export(store, "parquet", tmp_path / "f.parquet")))
    assert table["id"].tolist() == np.repeat(store.items().ids, 2).tolist()
    assert table["target"].tolist() == np.repeat(store.items().targets, 2).tolist()
    np.testing.assert_array_equal(np.stack(table["cls"]), store.read("cls").reshape(12, -1))


def table(path: Path, **columns: list) -> Path:
    with path.open("w", newline="", encoding="utf-8") as f:
        writer = csv.writer(f)
        writer.writerow(columns)
        writer.writerows(zip(*columns.values()))
    return path


def elsewhere(folder: Path, n: int = 60) -> tuple[np.ndarray, dict[str, list]]:
    rng = np.random.default_rng(0)
    label = np.arange(n) % 2
    x = rng.normal(label[:, None] * 3, 1, (n, 5)).astype(np.float32)
    return x, {
        "id": [f"film {i}" for i in range(n)], "group": [f"p{i // 2}" for i in range(n)],
        "label": [("no", "yes")[v] for v in label],
    }  # fmt: skip


@pytest.mark.parametrize("form", ["npy", "folder", "safetensors", "parquet"])
def test_features_made_elsewhere_are_probed(tmp_path: Path, form: str) -> None:
    x, columns = elsewhere(tmp_path)
    items = None
    if form == "npy":
        path, items = tmp_path / "x.npy", table(tmp_path / "x.csv", **columns)
        np.save(path, x)
    elif form == "folder":
        path = tmp_path / "x"
        path.mkdir()
        np.save(path / "mean.npy", x)
        table(path / "items.csv", **columns)
    elif form == "safetensors":
        from safetensors.numpy import save_file

        path, items = tmp_path / "x.safetensors", table(tmp_path / "x.csv", **columns)
        save_file({"cls": x}, path)
    else:
        import pandas

        path = tmp_path / "x.parquet"
        pandas.DataFrame({**columns, "cls": list(x)}).to_parquet(path)
    store = load(path, tmp_path / "c", name="ours", backbone="net", items=items)
    features = FeatureSet(store)
    np.testing.assert_array_equal(features.x(), x)
    assert features.classes == ("no", "yes")
    assert len(set(features.groups.tolist())) == 30
    (result,) = fp.evaluate(features, "prototype", resamples=20)
    assert result.metrics["auroc"] > 0.9
    assert load(path, tmp_path / "c", name="ours", backbone="net", items=items).path == store.path


def test_rows_of_one_id_are_its_frames_and_columns_of_bits_are_labels(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.arange(12.0).reshape(4, 3))
    items = table(tmp_path / "t.csv", id=["a", "a", "b", "c"], nodule=[1, 1, 0, ""],
                  mass=[0, 0, 1, 1], split=["train", "train", "val", "test"])  # fmt: skip
    store = load(tmp_path / "x.npy", tmp_path / "c", name="n", backbone="b", items=items)
    features = FeatureSet(store)
    assert features.ids.tolist() == ["a", "b", "c"]
    np.testing.assert_array_equal(features.x()[0], [1.5, 2.5, 3.5])
    assert features.task == "multilabel"
    np.testing.assert_array_equal(features.y, [[1, 0], [0, 1], [nan, 1]])
    assert features.split.tolist() == ["train", "val", "test"]


@pytest.mark.parametrize(
    ("x", "columns", "given", "message"),
    [
        (np.ones((2, 3)), {"id": "ab"}, {}, "say of what with --name and --backbone"),
        (np.ones((2, 3)), {"id": "abc"}, {"name": "n", "backbone": "b"}, "rows differ"),
        (np.ones((2, 3)), {"name": "ab"}, {"name": "n", "backbone": "b"}, "a column 'id'"),
        (np.ones((3, 3)), {"id": "aba"}, {"name": "n", "backbone": "b"}, "do not follow"),
        (np.ones(3), {"id": "abc"}, {"name": "n", "backbone": "b"}, "features is no float array"),
        (np.full((1, 2), nan), {"id": "a"}, {"name": "n", "backbone": "b"}, "NaN or infinite"),
        (np.ones((1, 2)), {"id": "a", "q": "x"}, {"name": "n", "backbone": "b"}, "column 'q'"),
    ],
)
def test_what_does_not_fit_is_told(tmp_path: Path, x, columns, given, message) -> None:
    np.save(tmp_path / "x.npy", x)
    items = table(tmp_path / "t.csv", **{k: list(v) for k, v in columns.items()})
    with pytest.raises(InputError, match=message):
        load(tmp_path / "x.npy", tmp_path / "c", items=items, **given)


def test_only_complete_stores_are_exported(tmp_path: Path) -> None:
    store = make(tmp_path)
    store.reset([1])
    with pytest.raises(InputError, match="incomplete; run its extract again"):
        export(store, "npy", tmp_path / "x")
    with pytest.raises(InputError, match="unknown format 'csv'"):
        export(store, "csv", tmp_path / "x")


def test_the_command_line_exports_and_imports(tmp_path: Path, cache: Path, capsys) -> None:
    from featprobe.cli.main import main

    x, columns = elsewhere(tmp_path)
    np.save(tmp_path / "x.npy", x)
    items = table(tmp_path / "x.csv", **columns)

    def run(*arguments: object) -> tuple[int, str]:
        with pytest.raises(SystemExit) as stop:
            main([str(a) for a in arguments])
        return stop.value.code, "".join(capsys.readouterr())

    code, out = run("import", tmp_path / "x.npy", "--items", items, "--name", "ours",
                    "--backbone", "net")  # fmt: skip
    assert code == 0
    assert "items=60" in out
    code, out = run("knn", "--k", "3", "--data", "ours", "--resamples", "20")
    assert code == 0
    (store,) = (cache / "features" / "ours").glob("*.zarr")
    assert run("export", store.stem, tmp_path / "o.h5", "--to", "hdf5")[0] == 0
    np.testing.assert_array_equal(open_store(tmp_path / "o.h5").read("features")[:, 0], x)
    code, out = run("export", "nothing", tmp_path / "o", "--to", "npy")
    assert code == 2
    assert "no store 'nothing'" in out


def test_a_missing_store_is_named(tmp_path: Path) -> None:
    from featprobe.store.cache import named

    with pytest.raises(UnknownName, match="featprobe cache ls"):
        named(tmp_path, "x")
