"""Labels that changed since extraction are attached by id; no frame is looked at again."""

from __future__ import annotations

import csv
import json

import numpy as np
import pytest

import featprobe as fp
from featprobe.cli.main import main
from featprobe.core import paths as settings
from featprobe.core.errors import InputError, MissingPath, UnknownName
from featprobe.features.relabelling import relabel
from featprobe.store.cache import entries
from tests.conftest import make_tiny


def table(path, ids, *columns: tuple[str, list]):
    """A CSV of ids and columns, in another order than the store's."""
    rows = list(zip(ids, *(c for _, c in columns)))
    rows = [rows[i] for i in np.random.default_rng(0).permutation(len(rows))]
    with path.open("w", newline="", encoding="utf-8") as f:
        writer = csv.writer(f)
        writer.writerow(["file", *(n for n, _ in columns)])
        writer.writerows(rows)
    return path


@pytest.fixture
def extracted(tiny_backbone, class_folders):
    """Features of one data set by two backbones, one of them in HDF5."""
    data = fp.load_dataset(class_folders)
    fp.extract(make_tiny(1), data, store="hdf5")
    return fp.extract(tiny_backbone, data), data


def of(features) -> fp.FeatureSet:
    """The features as another process would read them now."""
    found = next(e.store for e in entries(settings.feature_root()) if e.store.key == features.key)
    return fp.FeatureSet(found)


COLUMNS = {
    "classes": ([("label", [f"c{i % 3}" for i in range(40)])], ["label"], None),
    "grades": ([("grade", [i % 4 for i in range(40)])], ["grade"], "ordinal"),
    "labels": ([("a", [i % 2 for i in range(40)]), ("b", ["", 0, 1, 1] * 10)], ["a", "b"], None),
    "values": ([("age", [i / 3 for i in range(40)])], ["age"], "regression"),
}


@pytest.mark.parametrize("case", COLUMNS)
def test_a_relabelled_store_equals_one_extracted_with_these_labels(
    case: str, extracted, tmp_path, class_folders, monkeypatch
) -> None:
    features, data = extracted
    columns, label, task = COLUMNS[case]
    file = table(tmp_path / "new.csv", data.ids, *columns)
    monkeypatch.setattr(
        fp.Backbone, "forward", lambda *_, **__: pytest.fail("a frame is looked at")
    )
    done = list(relabel(settings.feature_root(), "films", file, "file", label, task))
    assert len(done) == 2
    assert all((d.changed, d.missing, d.surplus) == (True, 0, 0) for d in done)
    found = of(features)
    assert np.array_equal(found.x(), features.x())
    monkeypatch.undo()
    manifest = tmp_path / "films.csv"
    lines = file.read_text().splitlines()
    order = {i: n for n, i in enumerate(data.ids)}
    body = sorted(lines[1:], key=lambda line: order[line.split(",")[0]])
    manifest.write_text("\n".join([lines[0], *body]))
    fresh = fp.load_dataset(manifest, root=class_folders, label=label, task=task, name="anew")
    assert fresh.ids.tolist() == found.ids.tolist()
    np.testing.assert_array_equal(found.y, fresh.targets)
    assert (found.classes, found.task) == (fresh.classes, fresh.task)
    if case in ("classes", "labels"):
        again = fp.extract(make_tiny(0), fresh)
        one, two = (fp.evaluate(f, "prototype", resamples=20)[0] for f in (found, again))
        np.testing.assert_equal(one.metrics, two.metrics)  # of which some are not defined
        assert one.labels == two.labels


def test_items_missing_from_the_table_become_unknown_and_are_counted(extracted, tmp_path) -> None:
    features, data = extracted
    ids = [*data.ids[5:], "stranger.png", "other.png"]
    labels = [f"c{i % 2}" for i in range(35)] + ["only here", "c0"]
    file = table(tmp_path / "new.csv", ids, ("label", labels))
    first, second = relabel(settings.feature_root(), "films", file, "file")
    assert first.store != second.store
    for done in (first, second):
        assert (done.items, done.known, done.missing, done.surplus) == (40, 35, 5, 2)
        assert done.counts == {"c0": 18, "c1": 17}
    found = of(features)
    assert (found.y[:5] == -1).all()
    assert found.classes == ("c0", "c1")  # a class of strangers alone is none
    assert "5 items without a known label are not used" in fp.evaluate(found, "prototype")[0].notes
    assert not any(d.changed for d in relabel(settings.feature_root(), "films", file, "file"))


def test_extracting_again_brings_the_labels_of_the_files_back(extracted, tmp_path, tiny_backbone):
    features, data = extracted
    file = table(tmp_path / "new.csv", data.ids, ("label", ["a", "b"] * 20))
    list(relabel(settings.feature_root(), "films", file, "file"))
    again = fp.extract(tiny_backbone, data)
    assert again.summary.relabelled
    assert again.classes == ("normal", "sick")
    assert np.array_equal(again.y, features.y)


@pytest.mark.parametrize(
    ("name", "content", "kwargs", "error", "message"),
    [
        ("flims", "id,label\na,b\n", {}, UnknownName, "no features of 'flims'.*'films'"),
        ("films", "name,label\na,b\n", {}, UnknownName, "no column 'id'.*--id"),
        ("films", "id,label\na,b\na,c\n", {}, InputError, "item 'a' occurs twice"),
        ("films", "id,label\na,b\n", {}, InputError, "none of its 1 ids .*is an item of the store"),
        ("films", "id,label\n{0},b\n", {"label": ["lable"]}, UnknownName, "Did you mean 'label'"),
        ("films", "id,age\n{0},7\n", {}, InputError, "no column of labels; name one"),
        ("films", "id,g\n{0},x\n", {"label": ["g"], "task": "ordinal"}, InputError, "no number"),
        ("films", "id,a,b\nz,1,0\n{0},1,7\n", {"label": ["a", "b"]}, InputError, "row 3: 'b' is"),
    ],
)  # fmt: skip
def test_a_table_that_does_not_fit_changes_nothing(
    extracted, tmp_path, name, content, kwargs, error, message
) -> None:
    features, data = extracted
    file = tmp_path / "new.csv"
    file.write_text(content.format(data.ids[0]))
    with pytest.raises(error, match=message):
        list(relabel(settings.feature_root(), name, file, **kwargs))
    assert of(features).items.labels_digest == features.items.labels_digest


def test_a_table_that_is_not_there_is_told(extracted, tmp_path) -> None:
    with pytest.raises(MissingPath, match="no such table"):
        list(relabel(settings.feature_root(), "films", tmp_path / "none.csv"))


def test_the_command_takes_a_name_a_path_or_a_store(
    extracted, tmp_path, class_folders, capsys
) -> None:
    features, data = extracted
    for i, name in enumerate(("films", class_folders, features.store.path.stem)):
        file = table(tmp_path / "new.csv", data.ids[i:], ("label", ["a", "b"] * 20))
        args = ["data", "relabel", str(name), "--targets", str(file), "--id", "file"]
        with pytest.raises(SystemExit) as stopped:
            main([*args, "--label", "label"])
        told = capsys.readouterr()
        assert not stopped.value.code, told.err
        assert told.out.count("has its new labels") == 2
        assert f"{40 - i} of 40 items have a known label" in told.out
        assert (f"{i} items are not in" in told.err) == bool(i)
    with pytest.raises(SystemExit):
        main([*args, "--json"])
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [r["known"] for r in rows] == [38, 38]
