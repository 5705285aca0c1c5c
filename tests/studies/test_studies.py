"""The studies that come with featprobe, from official files to the last table, at reduced size."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from featprobe.cli.main import main
from featprobe.segmentation import presets
from featprobe.studies.study import studies, study
from tests.backbones.test_timm import in_a_process
from tests.studies import synthetic
from tests.support.reduced import reduce

# what stands for every kind of backbone of a study, and which data sets they run on
PARTS = {
    "rad": (["nih_chestxray14", "sars_cov_2_ct"],
            ["dinov2_vits14", "clip_vitl14", "sam_vitl16", "resnet152", "densenet201"]),
    "wacv": (["aptos2019", "chexpert"],
             ["dino_vitb16", "clip_vitb16", "blip_vitb16", "sam_vitb16", "seem_focalt"]),
    "freeze": (["ichallenge_amd", "kermany_cxr"], ["dinov2_vits14_lc", "resnet50", "vgg16"]),
    "medplus": (["medmnist"], ["resnet18", "vit_b16", "sam_vitb16", "alexnet"]),
}  # fmt: skip


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """$FEATPROBE_DATA and a cache of its own."""
    monkeypatch.setenv("FEATPROBE_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("FEATPROBE_CACHE", str(tmp_path / "cache"))
    return tmp_path / "data"


def run(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    try:
        code = main(["study", *map(str, arguments)])
    except SystemExit as end:
        code = end.code
    out = capsys.readouterr()
    return code or 0, out.out, out.err


def whole(name: str) -> tuple[list[str], list[str]]:
    cells = study(name).grid().cells
    sets = ["medmnist" if c.data.text.endswith("mnist") else c.data.text for c in cells]
    return list(dict.fromkeys(sets)), list(dict.fromkeys(c.model.text for c in cells))


def check(
    name: str, sets: list[str], models: list[str], place: Path, capsys, monkeypatch
) -> list[dict]:
    """Run a study with random weights; every cell has a row, or is listed with its reason."""
    small, others = reduce(monkeypatch, *models)
    synthetic.make(place, *sets)
    only = ["pneumoniamnist"] if sets == ["medmnist"] else sets
    code, out, err = run(
        capsys, "run", name, "--only", *only, "--models", *models, "--frozen", "--init", "random",
        "--image-size", 112, "--json",
    )  # fmt: skip
    assert code == 0, err
    *rows, rest = map(json.loads, out.splitlines())
    assert rest["failures"] == []
    ran = {(r["data"], r["model"].partition("@")[0], r["probe"]) for r in rows if not r["why"]}
    grid = study(name).grid()
    there = {c.data.name for c in grid.cells if c.data.text in only} & {d for d, _, _ in ran}
    probes = {p.study.name for p in grid.probes}
    assert ran >= {(d, m, p) for d in there for m in small for p in probes}
    for model in others:  # of a library: it has run, or the answer says what to install
        told = rest["missing"].get(f"weights {model}", "")
        assert any(m == model for _, m, _ in ran) or "pip install 'featprobe[" in told
    for row in rows:
        assert row["why"] or "random weights, not the pretrained ones" in row["notes"]
        assert row["theirs"] is None or row["table"]
    assert rest["differs"]
    return rows


@pytest.mark.parametrize(
    "name", ["medplus", *(pytest.param(n, marks=pytest.mark.slow) for n in PARTS if n != "medplus")]
)
def test_a_study_runs_to_its_last_table(name: str, place, capsys, monkeypatch) -> None:
    rows = check(name, *PARTS[name], place, capsys, monkeypatch)
    shots = {r["protocol"] for r in rows if r["data"] == "nih_chestxray14" and not r["why"]}
    if name == "rad":
        assert {f"{n} shots" for n in (1, 2, 4, 8, 16)} <= shots
        theirs = [r for r in rows if r["model"].startswith("resnet152") and r["theirs"]]
        assert [r["theirs"] for r in theirs] == [0.718, 0.482, 0.502, 0.505, 0.556, 0.573]
        assert all(r["difference"] == pytest.approx(r["ours"] - r["theirs"]) for r in theirs)
    if name == "medplus":
        assert {r["protocol"] for r in rows if not r["why"]} == {"mean of 3 seeds"}
        theirs = {(r["data"], r["model"].partition("@")[0], r["probe"], r["metric"]): r["theirs"]
                  for r in rows}  # fmt: skip
        assert theirs["pneumoniamnist-28", "sam_vitb16", "medmnist-linear", "accuracy"] == 0.625
        assert theirs["pneumoniamnist-64", "vit_b16", "medmnist-knn", "accuracy"] == pytest.approx(
            0.7788
        )
        assert theirs["pneumoniamnist-64", "alexnet", "medmnist-linear", "auroc"] == pytest.approx(
            0.9489
        )


@pytest.mark.slow
@pytest.mark.parametrize("name", PARTS)
def test_a_study_runs_with_every_backbone(name, place, capsys, monkeypatch) -> None:
    check(name, PARTS[name][0][:1], whole(name)[1], place, capsys, monkeypatch)


@pytest.mark.slow
def test_backbones_that_libraries_build_run_where_the_libraries_are() -> None:
    in_a_process("../studies/library_cases.py", "timm", "open_clip")


@pytest.mark.slow
@pytest.mark.parametrize("name", ["rad", "wacv", "freeze"])
def test_a_study_runs_on_every_data_set(name, place, capsys, monkeypatch) -> None:
    check(name, whole(name)[0], PARTS[name][1][:1], place, capsys, monkeypatch)


def test_what_is_not_here_is_listed_and_nothing_else_runs(place: Path, capsys) -> None:
    models = ("dinov2_vitl14", "seem_focalt")
    code, out, _ = run(capsys, "run", "wacv", "--frozen", "--models", "seem_focalt")
    assert code == 0
    assert "data aptos2019" in out
    assert "download them from https://www.kaggle.com" in out
    assert "seem_focalt_v0.pt" in out
    assert "8 cells need these and did not run" in out
    code, out, _ = run(capsys, "run", "rad", "--models", models[0], "--only", "nih", "--json")
    *rows, rest = map(json.loads, out.splitlines())
    assert [r["theirs"] for r in rows] == [0.502, 0.528, 0.519, 0.584, 0.601, 0.763]
    assert {r["why"] for r in rows} == {"no data and no weights here"}
    assert "facebook/dinov2-large" in rest["missing"]["weights dinov2_vitl14"]
    assert "--download" in rest["missing"]["weights dinov2_vitl14"]


@pytest.mark.slow
def test_rads_lung_masks_are_segmented_once(place: Path, capsys, monkeypatch) -> None:
    reduce(monkeypatch, "dinov2_vitl14")
    synthetic.make(place, "montgomery")
    short = {"lr": (1e-2, 1e-1), "epochs": 1, "scale": 4}
    for name in ("rad-seg-linear", "rad-seg-unet"):
        made = presets.PRESETS[name]
        shorter = replace(made, training=made.training | short)
        monkeypatch.setitem(presets.PRESETS, name, shorter)
    how = ["run", "rad", "--only", "montgomery", "--init", "random", "--image-size", 56, "--json"]
    code, out, err = run(capsys, *how)
    assert code == 0, err
    *rows, rest = map(json.loads, out.splitlines())
    assert (rest["missing"], rest["failures"]) == ({}, [])
    mean = "pooled_dice_jaccard"
    protocols = ["", *(f"{n} shots" for n in (1, 2, 4, 8, 16))]
    for preset in ("rad-seg-linear", "rad-seg-unet"):
        mine = {(r["protocol"], r["metric"]): r for r in rows if r["probe"] == preset}
        assert [mine[p, mean]["theirs"] for p in protocols] == [
            0.974, 0.929, 0.941, 0.962, 0.961, 0.961,
        ]  # fmt: skip
        for p in protocols:
            both = [mine[p, m]["ours"] for m in ("pooled_dice", "pooled_jaccard")]
            assert mine[p, mean]["ours"] == pytest.approx(sum(both) / 2)
            assert mine[p, "pooled_dice"]["interval"]
    code, again, err = run(capsys, *how)
    assert (code, again) == (0, out)
    assert "0 cells ran, 2 were in the cache" in err


def test_lung_masks_that_are_not_here_are_listed(place: Path, capsys) -> None:
    code, out, _ = run(capsys, "run", "rad", "--only", "montgomery", "--json")
    *rows, rest = map(json.loads, out.splitlines())
    assert code == 0
    assert [r["theirs"] for r in rows][:6] == [0.929, 0.941, 0.962, 0.961, 0.961, 0.974]
    assert {r["why"] for r in rows} == {"no data and no weights here"}
    assert (len(rest["missing"]), rest["without"]) == (2, 2)
    code, out, _ = run(capsys, "show", "rad", "--only", "montgomery", "--json")
    assert json.loads(out)["segmented"][1].endswith("/ rad-seg-unet")


def test_what_it_would_take_is_told_and_nothing_runs(place: Path, capsys, monkeypatch) -> None:
    reduce(monkeypatch, "resnet18")
    synthetic.make(place, "medmnist")
    how = ["run", "medplus", "--models", "resnet18", "--only", "pneumoniamnist", "--frozen"]
    code, out, _ = run(capsys, *how, "--init", "random", "--dry-run", "--json")
    told = json.loads(out)
    assert code == 0
    assert told["total"]["to_run"] == 12  # two sizes, two probes, three seeds
    assert sorted(told["missing"]) == ["data pneumoniamnist-128", "data pneumoniamnist-224"]
    assert not (place.parent / "cache" / "features").exists()


def test_list_and_show(capsys) -> None:
    code, out, _ = run(capsys, "list")
    assert code == 0
    assert [line.split()[0] for line in out.splitlines()] == studies()
    code, out, _ = run(capsys, "show", "rad", "--only", "nih", "--models", "resnet152")
    assert code == 0
    for text in ("labels 15, split rad", "rad-linear", "0.718", "what differs by intention"):
        assert text in out
    code, out, _ = run(capsys, "show", "medplus", "--json")
    assert len(json.loads(out)["published"]) == 220


@pytest.mark.parametrize(
    "arguments, match",
    [
        (["show", "radd"], "'radd' is neither a file nor a study. Did you mean 'rad'"),
        (["run", "no.yaml"], "no.yaml: no such file"),
        (["run", "rad", "--only", "nihh"], "no cell has data 'nihh'"),
        (["run", "rad", "--models", "dinov2_vitx14"], "no cell has model 'dinov2_vitx14'"),
        (["run", "rad", "--weights", "sam=x.pt"], "no cell has this backbone"),
        (["run", "rad", "--weights", "sam"], "is written NAME=FILE"),
    ],
)  # fmt: skip
def test_mistakes_are_one_line(arguments: list[str], match: str, capsys) -> None:
    code, out, err = run(capsys, *arguments)
    assert (code, out) == (2, "")
    assert match in err


def test_a_number_of_another_size_is_said_to_be() -> None:
    cells = study("medplus").grid().cells
    found = [p for p in study("medplus").published if p.data == "breastmnist"]
    assert {p.named for p in found} == {"breastmnist-224"}
    beside = {c.data.name for p in found for c in cells if p.is_of(c, None)}
    exact = {c.data.name for p in found for c in cells if p.is_of(c, None) and p.exact(c)}
    assert (len(beside), exact) == (4, {"breastmnist-224"})


def test_published_accuracies_of_medplus_are_numbers_of_right_answers() -> None:
    """They were read off an image; a wrong digit is a count of right answers one time in five."""
    items = {"pneumoniamnist": 624, "breastmnist": 156, "retinamnist": 400, "bloodmnist": 3421,
             "dermamnist": 2005, "organamnist": 17778}  # fmt: skip
    found = [p for p in study("medplus").published if p.metric == "accuracy"]
    assert len(found) == 135
    for p in found:
        answers = items[p.data.split("-")[0]] * (1 if p.probe == "medmnist-knn" else 3)  # seeds
        right = round(p.value * answers)
        assert round(100 * right / answers, 2) == pytest.approx(100 * p.value, abs=0.0051), p


STUDY = """\
title: Ours
board: board.yaml
tables:
  - {table: Table 2, metric: accuracy, percent: true, data: digits, probe: knn,
     columns: [{}, {shots: 2}], rows: {tiny_vit14: [91.5, null], resnet18: [80, 55]}}
differs: [Digits are no chest films]
"""
BOARD = """\
data: [digits]
models: [tiny_vit14]
image_size: 28
probes: [{probe: knn, k: 5}, {probe: knn, k: 3}]
"""


@pytest.mark.slow
def test_a_study_of_ones_own(tmp_path: Path, place: Path, capsys) -> None:
    (tmp_path / "ours.yaml").write_text(STUDY)
    (tmp_path / "board.yaml").write_text(BOARD.replace(", {probe: knn, k: 3}", ""))
    found = study(str(tmp_path / "ours.yaml"))
    assert [(p.model, p.value, p.shots) for p in found.published] == [
        ("tiny_vit14", 0.915, None), ("resnet18", 0.8, None), ("resnet18", 0.55, 2),
    ]  # fmt: skip
    code, out, err = run(capsys, "run", tmp_path / "ours.yaml", "--json")
    assert code == 0, err
    rows = [json.loads(line) for line in out.splitlines()[:-1]]
    (row,) = [r for r in rows if r["metric"] == "accuracy"]
    assert (row["theirs"], row["metric"], row["notes"]) == (0.915, "accuracy", [])
    assert row["agrees"] == (row["interval"][0] <= 0.9155 and row["interval"][1] >= 0.9145)
    code, out, _ = run(capsys, "run", tmp_path / "ours.yaml")
    assert code == 0
    assert "Table 2" in out
    assert "Digits are no chest films" in out
    assert "published numbers lie in our" in out
    code, out, err = run(capsys, "run", tmp_path / "ours.yaml", "--json", "--init", "random")
    assert code == 0, err
    rows = [json.loads(line) for line in out.splitlines()[:-1]]
    (row,) = [r for r in rows if r["metric"] == "accuracy"]
    assert (row["theirs"], row["agrees"]) == (0.915, None)  # an agreement would be an accident


def test_joined_backbones_are_rows_of_a_study(
    tmp_path: Path, class_folders: Path, place: Path, capsys, monkeypatch
) -> None:
    reduce(monkeypatch, "resnet18")
    joined = "tiny_vit14:cls + resnet18:mean"
    (tmp_path / "board.yaml").write_text(
        f"data: {{data: films, name: films}}\nmodels: [tiny_vit14, '{joined}']\nimage_size: 28\n"
        "probes: [{preset: wacv-knn, k: 5}]\nresamples: 20\n"
    )
    (tmp_path / "ours.yaml").write_text(
        "title: Ours\nboard: board.yaml\ntables:\n  - {table: T, metric: auroc, data: films, "
        f"probe: wacv-knn, columns: [{{}}], rows: {{'{joined}': [0.7], tiny_vit14: [0.6]}}}}\n"
    )
    code, out, err = run(capsys, "run", tmp_path / "ours.yaml", "--json")
    assert code == 0, err
    *rows, rest = map(json.loads, out.splitlines())
    lacking = [r for r in rows if r["why"]]
    assert [(r["model"], r["why"]) for r in lacking] == [(joined, "no weights of resnet18@28 here")]
    assert list(rest["missing"]) == ["weights resnet18"]
    code, out, err = run(capsys, "run", tmp_path / "ours.yaml", "--json", "--init", "random")
    assert code == 0, err
    *rows, rest = map(json.loads, out.splitlines())
    name = "tiny_vit14@28-random0:cls + resnet18@28-random0:mean"
    assert {(r["model"], r["theirs"]) for r in rows if r["metric"] == "auroc"} == {
        ("tiny_vit14@28-random0", 0.6), (name, 0.7),
    }  # fmt: skip
    assert f"films / {name} / knn" in err
    code, _, err = run(capsys, "run", tmp_path / "ours.yaml", "--init", "random", "--models",
                       joined, "--dry-run")  # fmt: skip
    assert code == 0, err


def test_a_line_of_progress_names_the_view_that_is_read(
    tmp_path: Path, class_folders: Path, place: Path, capsys, monkeypatch
) -> None:
    reduce(monkeypatch, "resnet18", "clip_vitb16")
    (tmp_path / "board.yaml").write_text(
        "data: {data: films, name: films}\nmodels: [tiny_vit14, resnet18, "
        "{model: clip_vitb16, image_size: 32}]\nimage_size: 28\n"
        "probes: [{preset: wacv-knn, k: 5}, {preset: freeze, epochs: 1}]\n"
        "exclude: [{model: [tiny_vit14, clip_vitb16], probe: freeze}]\nresamples: 20\n"
    )
    (tmp_path / "ours.yaml").write_text("title: Ours\nboard: board.yaml\n")
    for said in ("", ": in the cache"):
        code, _, err = run(capsys, "run", tmp_path / "ours.yaml", "--init", "random")
        assert code == 0, err
        lines = [line.partition(" films / ")[2] for line in err.splitlines() if "] films" in line]
        assert lines == [
            f"{line}{said}" for line in (
                "tiny_vit14@28-random0 / knn", "resnet18@28-random0 / knn mean",
                "resnet18@28-random0 / sgd mean",
                "clip_vitb16@32-random0 / knn",  # random weights have no projection
            )
        ]  # fmt: skip


@pytest.mark.parametrize(
    "old, new, match",
    [
        ("differs:", "segment: [{data: digits, models: tiny_vit14}]\ndiffers:",
         "'presets' is needed"),
        ("differs:", "segment: [{data: digits, models: tiny_vit14, presets: rad-seg}]\ndiffers:",
         "segment, entry 1: unknown preset 'rad-seg'. Did you mean 'rad-seg-unet'"),
        ("title: Ours\n", "", "'title' is needed"),
        ("metric: accuracy", "metric: acuracy", "entry 1: no metric 'acuracy'"),
        ("[91.5, null]", "[91.5]", "tiny_vit14 has 1 numbers for 2 columns"),
        ("[91.5, null]", "[x, null]", "tiny_vit14: 'x' is no number"),
        ("probe: knn,", "", "'probe' is needed"),
        ("tables:", "tabels:", "Did you mean 'tables'"),
    ],
)  # fmt: skip
def test_mistakes_in_a_file_have_their_place(
    old: str, new: str, match: str, tmp_path: Path, capsys
) -> None:
    (tmp_path / "ours.yaml").write_text(STUDY.replace(old, new))
    (tmp_path / "board.yaml").write_text(BOARD)
    code, _, err = run(capsys, "show", tmp_path / "ours.yaml")
    assert code == 2
    assert "ours.yaml" in err
    assert match in err
