"""``featprobe predict``: a saved probe on new images, with its own backbone or not at all."""

from __future__ import annotations

import csv
import json
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

import featprobe as fp
from featprobe.backbones import load
from featprobe.cli.main import main
from featprobe.core.errors import InputError
from featprobe.evaluation.predict import predict, reload_backbone, source_of
from featprobe.probes.loading import read_saved
from featprobe.probes.saving import save_probe


@pytest.fixture
def run(capsys):
    """Run the command line in this process: (exit code, standard output, standard error)."""

    def call(*args: object) -> tuple[int, str, str]:
        capsys.readouterr()
        with pytest.raises(SystemExit) as exit_info:
            main([str(a) for a in args])
        out = capsys.readouterr()
        return int(exit_info.value.code or 0), out.out, out.err

    return call


@pytest.fixture(scope="module")
def backbone() -> fp.Backbone:
    return fp.load_backbone("resnet18", init="random", image_size=32)


@pytest.fixture
def probe_file(backbone, class_folders, tmp_path):
    features = fp.extract(backbone, fp.load_dataset(class_folders))
    probe = fp.LogisticProbe(0.1).fit(features.x(), features.y)
    return save_probe(probe, tmp_path / "probe.safetensors", source_of(features))


@pytest.fixture
def new(tmp_path):
    """Five images without labels, one of which cannot be read."""
    folder = tmp_path / "incoming"
    folder.mkdir()
    for i, level in enumerate((100, 105, 135, 140)):
        pixels = np.random.default_rng(i).normal(level, 30, (40, 36)).clip(0, 255)
        Image.fromarray(pixels.astype(np.uint8)).save(folder / f"new{i}.png")
    (folder / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\nbroken")
    return folder


def test_the_table_holds_what_the_probe_says_of_the_new_images(
    run, probe_file, new, backbone, tmp_path
) -> None:
    out = tmp_path / "out.csv"
    code, told, err = run("predict", probe_file, "--data", new, "--out", out, "--quiet")
    assert code == 0, err
    assert "wrote" in told
    assert "left out: broken.png" in err
    rows = list(csv.DictReader(out.open()))
    assert [r["id"] for r in rows] == [f"new{i}.png" for i in range(4)]
    x = fp.extract(backbone, fp.load_dataset(new)).x()
    expected = fp.load_probe(probe_file).predict_proba(x)
    found = np.array([[float(r["normal"]), float(r["sick"])] for r in rows])
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    names = np.array(["normal", "sick"])
    assert [r["predicted"] for r in rows] == names[expected.argmax(1)].tolist()


def test_json_is_one_object_a_line_and_csv_goes_to_standard_output(run, probe_file, new) -> None:
    code, out, _ = run("predict", probe_file, "--data", new, "--json")
    assert code == 0
    rows = [json.loads(line) for line in out.splitlines()]
    assert [r["id"] for r in rows] == [f"new{i}.png" for i in range(4)]
    assert all(sum(r["scores"].values()) == pytest.approx(1) for r in rows)
    code, out, _ = run("predict", probe_file, "--data", new, "--quiet")
    assert out.splitlines()[0] == "id,normal,sick,predicted"
    assert len(out.splitlines()) == 5


def test_other_weights_are_refused_naming_what_differs(run, probe_file, new) -> None:
    code, _, err = run("predict", probe_file, "--data", new, "--model", "tiny_vit14", "--quiet")
    assert code == 2
    assert "different: config, preprocess, weights" in err
    assert len(err.strip().splitlines()) == 1


def test_another_recipe_is_refused(probe_file, new, backbone) -> None:
    data = fp.load_dataset(new, intensity="minmax")
    with pytest.raises(InputError, match="different: recipe"):
        predict(read_saved(probe_file), backbone, data)


def test_the_recipe_and_the_input_size_are_the_probes_own(
    class_folders, tmp_path, new, run, monkeypatch
):
    small = fp.load_backbone("resnet18", init="random", image_size=64, seed=3)
    features = fp.extract(small, fp.load_dataset(class_folders, intensity="percentile=5,95"))
    probe = fp.PrototypeProbe().fit(features.x(), features.y)
    file = save_probe(probe, tmp_path / "p.safetensors", source_of(features))
    loads, original = [], load._load
    monkeypatch.setattr(load, "_load", lambda source: loads.append(source) or original(source))
    again = reload_backbone(read_saved(file).features)
    assert len(loads) == 1
    assert again.name == small.name
    assert again.weights_sha256 == small.weights_sha256
    assert again.preprocess == small.preprocess
    assert run("predict", file, "--data", new, "--quiet")[0] == 0


def test_other_images_may_have_the_name_of_the_training_set(run, probe_file, new, cache) -> None:
    before = sorted((cache / "features" / "films").iterdir())
    code, out, err = run("predict", probe_file, "--data", new, "--name", "films", "--quiet")
    assert code == 0, err
    assert "other images than those of films: cached as films-new" in err
    assert len(out.splitlines()) == 5
    assert sorted((cache / "features" / "films").iterdir()) == before
    assert (cache / "features" / "films-new").is_dir()


def test_the_images_it_was_fitted_to_come_from_the_cache(run, probe_file, class_folders, cache):
    before = sorted((cache / "features" / "films").iterdir())
    code, out, _ = run("predict", probe_file, "--data", class_folders, "--quiet")
    assert code == 0
    assert len(out.splitlines()) == 41
    assert sorted((cache / "features" / "films").iterdir()) == before


def test_a_class_that_was_not_fitted_has_a_column_of_zeros(probe_file, new, backbone) -> None:
    saved = read_saved(probe_file)
    source = replace(saved.features, classes=("normal", "sick", "unseen"))
    found = predict(replace(saved, features=source), backbone, fp.load_dataset(new))
    assert found.classes == ("normal", "sick", "unseen")
    assert (found.scores[:, 2] == 0).all()
    assert found.notes == ["no training item of class 'unseen': it is never predicted"]


def test_a_label_of_one_training_value_is_that_in_every_prediction(backbone, class_folders, new):
    features = fp.extract(backbone, fp.load_dataset(class_folders))
    labels = np.stack([features.y, np.zeros(40), np.ones(40)], 1).astype(float)
    saved = read_saved_like(fp.LogisticProbe(1.0).fit(features.x(), labels))
    several = replace(source_of(features), task="multilabel", classes=("a", "b", "c"))
    found = predict(replace(saved, features=several), backbone, fp.load_dataset(new))
    assert (found.scores[:, 1:] == [0, 1]).all()
    assert found.notes == [
        "label 'b' had no other value in training: it is always predicted absent",
        "label 'c' had no other value in training: it is always predicted present",
    ]


def test_labels_and_values_are_predicted(backbone, class_folders, new) -> None:
    features = fp.extract(backbone, fp.load_dataset(class_folders))
    source = source_of(features)
    labels = np.stack([features.y, np.arange(40) % 3 == 0, 1 - features.y], 1).astype(float)
    saved = read_saved_like(fp.RidgeProbe(1.0).fit(features.x(), labels))
    several = replace(source, task="multilabel", classes=("a", "b", "c"))
    found = predict(replace(saved, features=several), backbone, fp.load_dataset(new))
    for row, text in zip(found.scores, found.predicted):
        assert text.split(";") == [n for n, p in zip("abc", row) if p >= 0.5] or text == ""
    probe = fp.RidgeProbe(1.0).fit(features.x(), features.y + 0.5)
    values = replace(source, task="regression", classes=())
    found = predict(
        replace(read_saved_like(probe), features=values), backbone, fp.load_dataset(new)
    )
    expected = probe.predict(fp.extract(backbone, fp.load_dataset(new)).x())
    np.testing.assert_allclose([float(t) for t in found.predicted], expected, rtol=1e-4)
    assert found.classes == ()


def read_saved_like(probe):
    """A saved probe that never was in a file."""
    from featprobe.probes.loading import SavedProbe

    return SavedProbe(probe, None)


def test_mistakes_are_told(run, probe_file, new, tmp_path) -> None:
    plain = fp.load_probe(probe_file).save(tmp_path / "plain.safetensors")
    for file, message in (
        (plain, "saved without its features"),
        (tmp_path / "none.safetensors", "no such saved probe"),
        (new / "new0.png", "not a readable saved probe"),
    ):
        code, out, err = run("predict", file, "--data", new)
        assert code == 2
        assert out == ""
        assert message in err
        assert len(err.strip().splitlines()) == 1


def test_labelled_images_are_judged_with_intervals_and_of_any_name(
    run, probe_file, class_folders, tmp_path
) -> None:
    root = tmp_path / "elsewhere" / class_folders.name  # called as the training set
    for i in range(24):
        label = ("normal", "sick")[i % 2]
        (root / label).mkdir(parents=True, exist_ok=True)
        pixels = np.random.default_rng(i).normal(100 + 50 * (i % 2), 20, (40, 36)).clip(0, 255)
        Image.fromarray(pixels.astype(np.uint8)).save(root / label / f"n{i:02d}.png")
    code, out, err = run("predict", probe_file, "--data", root, "--quiet")
    assert code == 0, err
    assert "cached as films-new" in err
    assert "labels are known of 24 items" in err
    rows = [line for line in err.splitlines() if line.strip().startswith("accuracy")]
    table = list(csv.DictReader(out.splitlines()))
    right = np.mean([row["id"].split("/")[0] == row["predicted"] for row in table])
    assert f"{right:.3f} [" in rows[0]


QUICK = ["--set", "epochs=3", "--set", "lr=0.01"]


@pytest.mark.parametrize(
    ("probe", "view", "task"),
    [
        ("transformer", "tokens", "multiclass"), ("attentive", "tokens:2", "multiclass"),
        ("attentive", "cls", "multiclass"), ("transformer", "cls", "regression"),
    ],
)  # fmt: skip
def test_probes_of_frames_and_tokens_are_saved_and_predict_new_images(
    run, cache, class_folders, new, tmp_path, probe, view, task
) -> None:
    backbone = fp.load_backbone("tiny_vit14", init="random", image_size=28)
    outputs = ["cls", "mean", "tokens:2"]
    if task == "regression":
        files = sorted(class_folders.rglob("*.png"))
        lines = [f"{file},{k % 7 + 0.5}" for k, file in enumerate(files)]
        (tmp_path / "films.csv").write_text("\n".join(["path,age", *lines]))
        data = fp.load_dataset(tmp_path / "films.csv", label="age", task="regression")
    else:
        data = fp.load_dataset(class_folders)
    fp.extract(backbone, data, features=outputs, workers=0)
    file = tmp_path / "bags.safetensors"
    code, _, err = run(
        "linear", "--probe", probe, "--features", view, *QUICK, "--save", file, "--resamples", 20,
    )  # fmt: skip
    assert code == 0, err
    saved = read_saved(file)
    assert (saved.features.view, saved.features.pool) == (view, "bag")
    code, out, err = run("predict", file, "--data", new, "--json", "--quiet")
    assert code == 0, err
    assert "left out: broken.png" in err
    rows = [json.loads(line) for line in out.splitlines()]
    there = fp.extract(backbone, fp.load_dataset(new, bare=True), features=outputs, workers=0)
    bags = there.bags(view)
    if task == "regression":
        expected = fp.load_probe(file).predict(bags)
        np.testing.assert_allclose([float(r["predicted"]) for r in rows], expected, rtol=1e-5)
        return
    expected = fp.load_probe(file).predict_proba(bags)
    scores = [[r["scores"][c] for c in saved.features.classes] for r in rows]
    np.testing.assert_allclose(scores, expected, rtol=1e-5)
    assert not np.allclose(scores[0], scores[-1])


def test_a_probe_of_slices_predicts_volumes_of_other_depths(run, cache, tmp_path) -> None:
    rng = np.random.default_rng(0)

    def volumes(name: str, depths) -> None:
        for i, depth in enumerate(depths):
            folder = tmp_path / name / ("high" if i % 2 else "low")
            folder.mkdir(parents=True, exist_ok=True)
            np.save(folder / f"v{i}.npy", rng.normal(90 + 40 * (i % 2), 20, (depth, 28, 28)))

    volumes("train", [3 + i % 3 for i in range(24)])
    volumes("short", [1, 2, 4])
    volumes("long", [4, 9])
    code, _, err = run("extract", "--model", "tiny_vit14", "--init", "random", "--image-size", 28,
                       "--data", tmp_path / "train", "--workers", 0, "--quiet")  # fmt: skip
    assert code == 0, err
    for probe in ("attentive", "transformer"):
        file = tmp_path / f"{probe}.safetensors"
        code, _, err = run("linear", "--probe", probe, "--data", tmp_path / "train", "--features",
                           "cls", *QUICK, "--save", file, "--resamples", 20)  # fmt: skip
        assert code == 0, err
        code, out, err = run("predict", file, "--data", tmp_path / "short", "--json", "--quiet")
        assert code == 0, err
        assert len(out.splitlines()) == 3
    code, out, err = run("predict", file, "--data", tmp_path / "long", "--json", "--quiet")
    assert (code, out) == (2, "")
    assert "an item has 9 vectors and training had at most 5" in err
