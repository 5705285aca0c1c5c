"""Every catalog entry on a small replica of its official layout."""

from __future__ import annotations

import shutil
from collections import defaultdict
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from featprobe.core.errors import InputError, MissingPath, UnknownName
from featprobe.datasets.base import TASKS
from featprobe.datasets.load import CATALOG, FAMILIES, load_dataset
from featprobe.evaluation.evaluate import evaluate
from featprobe.evaluation.protocols import CrossVal, Full
from featprobe.extraction.local import extract
from featprobe.images.masks import array_shape
from tests.datasets import replicas

EMBEDDED = ("digits", "phantom_ct", "phantom_cxr")
OFFICIAL = [n for n in CATALOG.names() if n not in EMBEDDED]
# one for each way of reading pixels: PNG, JPEG, slice stacks, .mat, NIfTI, HDF5, npz 2D and 3D
ROUTES = (
    "nih_chestxray14", "chexpert", "sars_cov_2_ct", "brain_tumor_figshare", "glioma_grading",
    "patch_camelyon", "retinamnist", "nodulemnist3d",
)  # fmt: skip


def partition(groups: dict[str, str]) -> set[frozenset[str]]:
    """Which items belong together, whatever the groups are called."""
    members = defaultdict(set)
    for item, group in groups.items():
        members[group].add(item)
    return {frozenset(m) for m in members.values()}


@pytest.fixture(params=OFFICIAL)
def case(request, tmp_path):
    entry = CATALOG.get(request.param)
    truth = replicas.build(tmp_path / "root", entry)
    data = load_dataset(request.param, root=tmp_path / "root", cache=tmp_path / "cache")
    return entry, truth, data


def test_entry_reads_its_official_layout(case):
    entry, truth, data = case
    ids = data.ids.tolist()
    assert sorted(ids) == sorted(truth.targets)
    assert data.name == entry.name
    if entry.task == "segmentation":
        assert data.targets is None
        assert data.masks.classes == entry.classes
    else:
        assert data.task == entry.task
        assert data.classes == entry.classes
        expected = np.array([truth.targets[i] for i in ids])
        assert data.targets.shape == expected.shape
        np.testing.assert_array_equal(data.targets, expected)
        assert len(np.unique(expected[~np.isnan(expected.astype(float))])) > 1
    assert partition(dict(zip(ids, data.groups.tolist()))) == partition(truth.groups)
    assert dict(zip(ids, data.split.tolist())) == truth.split
    if len(set(data.groups)) < len(ids):
        assert data.group_origin == entry.group
    masks = [data.masks.paths(i) if data.masks else [] for i in range(len(ids))]
    assert {i: len(m) for i, m in zip(ids, masks)} == truth.masks
    assert all(p.is_file() for m in masks for p in m)


def test_entry_reads_pixels(case):
    _, truth, data = case
    for i, item in enumerate(data.ids.tolist()[:3]):
        pixels = data.read(i)
        assert len(pixels) == data.frames(i)
        assert pixels.max() > pixels.min()
        if item in truth.pixels:
            np.testing.assert_array_equal(pixels, truth.pixels[item])


def test_groups_cross_only_where_the_official_split_does(case):
    entry, truth, data = case
    splits = defaultdict(set)
    for group, split in zip(data.groups.tolist(), data.split.tolist()):
        splits[group].add(split)
    crossing = sum(len(s) > 1 for s in splits.values())
    assert crossing == truth.crossing
    noted = [n for n in data.notes if "occur in several parts" in n]
    assert len(noted) == bool(crossing)
    if entry.items is not None:  # a replica is smaller than what was published, and says so
        assert any(f"{entry.items} published" in n for n in data.notes)


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(set(CATALOG.names()) - set(EMBEDDED)))
def test_every_layout_is_extracted_and_probed(name, tmp_path, tiny_backbone):
    replicas.build(tmp_path / "root", CATALOG.get(name))
    data = load_dataset(name, root=tmp_path / "root", cache=tmp_path / "cache")
    features = extract(tiny_backbone, data, cache=tmp_path / "cache", device="cpu", workers=2)
    assert features.left_out == []
    assert features.x().shape == (len(data), 32)
    np.testing.assert_array_equal(features.ids, data.ids)
    if data.targets is None:
        with pytest.raises(InputError, match="no labels, so there is nothing to probe"):
            evaluate(features, "prototype")
        return
    np.testing.assert_array_equal(features.y, data.targets)
    official = (data.split != "").any()
    protocol = Full() if official else CrossVal(folds=3)  # a replica is too small for 60/20/20
    found = evaluate(features, "prototype", protocol, resamples=20)[0]
    unknown = sum(int(n.split()[0]) for n in found.notes if "without a known label" in n)
    assert sum(found.split["items"].values()) + unknown == len(data)
    assert 0 <= found.metrics["accuracy"] <= 1
    assert found.split["origin"].startswith("official" if official else "made here")


@pytest.mark.parametrize("name", CATALOG.names())
def test_entry_is_declared_in_full(name):
    entry = CATALOG.get(name)
    assert entry.name == name
    assert entry.task in (*TASKS, "segmentation")
    assert len(entry.classes) == len(set(entry.classes)) >= 2
    declared = entry.to_dict()
    for field in ("title", "modality", "licence", "layout", "group", "split"):
        assert declared[field], field
    if name not in EMBEDDED:
        assert entry.citation
        assert entry.home.startswith("http")
    if entry.split_items and entry.items is not None and len(entry.split_items) > 1:
        assert sum(entry.split_items.values()) == entry.items
    assert all(values for values in entry.options.values())


def test_families_list_the_names_that_their_modules_define():
    import importlib

    for module, names in FAMILIES.items():
        entries = importlib.import_module(f"featprobe.datasets.catalog.{module}").ENTRY
        assert sorted(names) == sorted(entries)
        assert module not in CATALOG


@pytest.mark.parametrize("name", OFFICIAL)
def test_empty_folder_is_named_with_what_is_missing(name, tmp_path):
    with pytest.raises((MissingPath, InputError), match=rf"{name}: .*data show {name}") as caught:
        load_dataset(name, root=tmp_path, cache=tmp_path / "cache")
    assert str(tmp_path) in str(caught.value)


def test_absent_folder_says_where_and_from_whom(tmp_path, monkeypatch):
    monkeypatch.setenv("FEATPROBE_DATA", str(tmp_path))
    with pytest.raises(MissingPath, match=r"expected in .*medmnist.*medmnist\.com.*data show path"):
        load_dataset("pathmnist", cache=tmp_path)
    monkeypatch.delenv("FEATPROBE_DATA")
    with pytest.raises(MissingPath, match=r"expected in \$FEATPROBE_DATA/aptos2019"):
        load_dataset("aptos2019", cache=tmp_path)


def test_data_root_variable_is_used(tmp_path, monkeypatch):
    monkeypatch.setenv("FEATPROBE_DATA", str(tmp_path))
    replicas.build(tmp_path / "aptos2019", CATALOG.get("aptos2019"))
    assert len(load_dataset("aptos2019", cache=tmp_path / "cache")) == 10


def open_replica(name: str, tmp_path: Path, **options: str):
    replicas.build(tmp_path / "root", CATALOG.get(name))
    return load_dataset(name, root=tmp_path / "root", cache=tmp_path / "cache", **options)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["chexpert", "mimic_cxr_jpg"])
def test_uncertain_policy(name, tmp_path):
    ignore = open_replica(name, tmp_path).targets
    zeros = open_replica(name, tmp_path, uncertain="zeros").targets
    ones = open_replica(name, tmp_path, uncertain="ones").targets
    certain = ~np.isnan(ignore)
    for other in (zeros, ones):
        np.testing.assert_array_equal(other[certain], ignore[certain])
    assert np.isnan(ignore).any()
    changed = ~certain & ~np.isnan(zeros)
    assert changed.any()
    assert (zeros[changed] == 0).all()
    assert (ones[changed] == 1).all()
    blank = open_replica(name, tmp_path, unmentioned="ignore").targets
    assert np.isnan(blank).sum() > np.isnan(ignore).sum()


@pytest.mark.slow
@pytest.mark.parametrize("name", ["chexpert", "mimic_cxr_jpg"])
def test_view_filter(name, tmp_path):
    both = open_replica(name, tmp_path)
    frontal = open_replica(name, tmp_path, view="frontal")
    lateral = open_replica(name, tmp_path, view="lateral")
    assert sorted([*frontal.ids, *lateral.ids]) == sorted(both.ids)
    assert len(frontal) == len(lateral) == len(both) / 2
    rows = np.searchsorted(np.sort(both.ids), frontal.ids)
    order = np.argsort(both.ids)
    np.testing.assert_array_equal(frontal.targets, both.targets[order[rows]])


def test_options_of_the_others(tmp_path):
    slices = open_replica("sars_cov_2_ct", tmp_path / "a", item="slice", classes="three")
    assert (len(slices), slices.classes) == (27, ("Healthy", "Others", "COVID"))
    assert np.bincount(slices.targets).tolist() == [9, 9, 9]
    assert len(np.unique(slices.groups)) == 9
    flair = open_replica("glioma_grading", tmp_path / "b", modality="flair")
    assert all("_flair.nii.gz" in p[0].name for p in flair.source.paths)
    fold = open_replica("brain_tumor_figshare", tmp_path / "c", fold="2")
    assert fold.ids[fold.split == "test"].tolist() == ["3", "4"]
    assert (fold.split != "").all()
    edema = open_replica("idrid", tmp_path / "d", target="edema")
    assert edema.targets.tolist() == [1, 2, 0, 1, 2] * 2
    mass = open_replica("cbis_ddsm", tmp_path / "e", abnormality="mass")
    assert len(mass) == 8
    assert not [n for n in mass.notes if "several parts" in n]
    shown = [
        open_replica("msd_prostate", tmp_path / f"g{m}", modality=m).recipe.channel
        for m in ("T2", "ADC")
    ]
    assert shown == [0, 1]
    assert open_replica("amos", tmp_path / "f", scanner="mr").ids.tolist() == [
        "amos_0600", "amos_0601",
    ]  # fmt: skip


@pytest.mark.parametrize("name", ["sars_cov_2_ct", "nodulemnist3d", "glioma_grading"])
def test_frames_are_chosen_as_the_recipe_says(name, tmp_path):
    whole = open_replica(name, tmp_path)
    data = open_replica(name, tmp_path, frames="n=2", channels="neighbours")
    assert data.frames(0) == 2 < whole.frames(0)
    assert data.read(0).shape == (2, *whole.read(0).shape[1:], 3)


def test_groups_can_be_asked_for(tmp_path):
    data = open_replica("ham10000", tmp_path, group="none")
    assert data.groups.tolist() == data.ids.tolist()
    assert "asked for" in data.group_origin
    with pytest.raises(InputError, match="unknown group rule 'lesion'"):
        open_replica("ham10000", tmp_path, group="lesion")


def test_modalities_of_a_glioma_become_one_study(tmp_path):
    one = open_replica("glioma_grading", tmp_path)
    study = open_replica("glioma_grading", tmp_path, modalities=("t1ce", "t2", "flair"))
    assert study.ids.tolist() == one.ids.tolist()
    assert study.read(0).shape == (*one.read(0).shape, 3)
    late = open_replica("glioma_grading", tmp_path, modalities=("t1", "t2"), fusion="late")
    assert late.frames(0) == 2 * one.frames(0) == len(late.read(0))
    with pytest.raises(UnknownName, match="no modality 't1gd'"):
        open_replica("glioma_grading", tmp_path, modalities=("t1gd",))


def test_larger_medmnist_is_a_file_of_its_own(tmp_path):
    replicas.build(tmp_path, CATALOG.get("bloodmnist"))
    (tmp_path / "bloodmnist.npz").rename(tmp_path / "bloodmnist_64.npz")
    with pytest.raises(MissingPath, match=r"no bloodmnist\.npz there"):
        load_dataset("bloodmnist", root=tmp_path, cache=tmp_path)
    data = load_dataset("bloodmnist", root=tmp_path, cache=tmp_path, size="64")
    assert data.name == "bloodmnist_64"


def test_unknown_options_are_refused_with_the_nearest(tmp_path):
    with pytest.raises(UnknownName, match=r"no option 'uncertian'. Did you mean 'uncertain'"):
        open_replica("chexpert", tmp_path, uncertian="zeros")
    with pytest.raises(
        InputError, match="uncertain is one of ignore, zeros, ones, own, not 'maybe'"
    ):
        open_replica("chexpert", tmp_path, uncertain="maybe")
    with pytest.raises(InputError, match="--uncertain means nothing for a folder"):
        load_dataset(tmp_path / "root", cache=tmp_path, uncertain="zeros")
    with pytest.raises(InputError, match="--task means nothing for 'digits' of the catalog"):
        load_dataset("digits", cache=tmp_path, task="ordinal")


def test_a_part_of_the_images_is_enough(tmp_path):
    replicas.build(tmp_path, CATALOG.get("nih_chestxray14"))
    shutil.rmtree(tmp_path / "images_002")
    (tmp_path / "images_001/images/00009999_000.png").write_bytes(b"\0")
    data = load_dataset("nih_chestxray14", root=tmp_path, cache=tmp_path / "cache")
    assert len(data) == 8
    assert data.targets.shape == (8, 14)
    assert "8 of the 16 items of Data_Entry_2017_v2020.csv have no file" in data.notes[0]
    assert data.skipped == {"image without a row in Data_Entry_2017_v2020.csv": 1}
    shutil.rmtree(tmp_path / "images_001")
    with pytest.raises(
        MissingPath, match=r"none of the 16 images of Data_Entry.* are there, first"
    ):
        load_dataset("nih_chestxray14", root=tmp_path, cache=tmp_path / "cache")


def test_patients_whose_folder_is_absent_are_left_out(tmp_path):
    replicas.build(tmp_path, CATALOG.get("chexpert"))
    shutil.rmtree(tmp_path / "CheXpert-v1.0-small/train/patient00002")
    data = load_dataset("chexpert", root=tmp_path, cache=tmp_path / "cache")
    assert len(data) == 14
    assert "2 of the 16 items" in data.notes[0]


@pytest.mark.parametrize(
    "name, file, match",
    [
        ("nih_chestxray14", "test_list.txt", r"no test_list\.txt there"),
        ("mimic_cxr_jpg", "mimic-cxr-2.0.0-chexpert.csv.gz", r"no mimic-cxr-2\.\*-chexpert\.csv"),
        ("messidor2", "messidor-2.csv", r"no messidor-2\.csv there"),
        ("isic2019", "ISIC_2019_Training_Metadata.csv", r"no ISIC_2019_Training_Metadata\.csv"),
        ("patch_camelyon", "camelyonpatch_level_2_split_test_meta.csv", r"no camelyon.*test_meta"),
        ("cbis_ddsm", "csv/calc_case_description_test_set.csv", r"no csv/calc_case.*_test_set"),
        ("idrid", "B. Disease Grading/2. Groundtruths/b. IDRiD_Disease Grading_Testing Labels.csv",
         r"no 2\. Groundtruths/b\. IDRiD"),
    ],
)  # fmt: skip
def test_missing_metadata_is_an_error(name, file, match, tmp_path):
    replicas.build(tmp_path, CATALOG.get(name))
    (tmp_path / file).unlink()
    with pytest.raises(MissingPath, match=match):
        load_dataset(name, root=tmp_path, cache=tmp_path / "cache")


@pytest.mark.parametrize(
    "name, file, old, new, match",
    [
        ("nih_chestxray14", "Data_Entry_2017_v2020.csv", "Mass", "Masss", "label 'Masss' is none"),
        ("nih_chestxray14", "Data_Entry_2017_v2020.csv", "Patient ID", "PatientID", "no column 'P"),
        ("nih_chestxray14", "test_list.txt", "00000007_001.png", "", "is in neither train_val"),
        ("aptos2019", "train.csv", ",4", ",7", "diagnosis 7 is none of 0 to 4"),
        ("aptos2019", "train.csv", ",4", ",x", "a label is no number"),
        ("ham10000", "HAM10000_metadata.csv", ",mel,", ",melanom,", "label 'melanom' is none"),
        ("isic2019", "ISIC_2019_Training_GroundTruth.csv", "1.0,0.0", "1.0,1.0", "more than one"),
        ("messidor2", "messidor-2.csv", "20050003_0100_PP.png;", "other.png;", "its patient is"),
        ("amos", "amos22/dataset.json", "training", "trainings", "not a Decathlon dataset.json"),
    ],
)
def test_wrong_metadata_is_an_error(name, file, old, new, match, tmp_path):
    replicas.build(tmp_path, CATALOG.get(name))
    path = tmp_path / file
    content = path.read_text()
    assert old in content
    path.write_text(content.replace(old, new))
    with pytest.raises(InputError, match=match):
        load_dataset(name, root=tmp_path, cache=tmp_path / "cache")


@pytest.mark.slow
def test_a_large_table_costs_no_stat_for_each_row(tmp_path, monkeypatch):
    replicas.build(tmp_path, CATALOG.get("mimic_cxr_jpg"))
    base = "p10/p10000000/s50000000"
    with (tmp_path / "mimic-cxr-2.0.0-metadata.csv").open() as f:
        assert "ViewPosition" in f.readline()
    rows = ["dicom_id,study_id,subject_id,split"]
    rows += [f"d{i},50000000,10000000,train" for i in range(50_000)]
    replicas.text(tmp_path / "mimic-cxr-2.0.0-split.csv.gz", rows)
    calls = []
    real = Path.stat
    monkeypatch.setattr(Path, "stat", lambda p, **k: calls.append(p) or real(p, **k))
    data = load_dataset("mimic_cxr_jpg", root=tmp_path, cache=tmp_path / "cache")
    assert len(calls) < 100
    assert len(data) == 50_000
    assert data.ids[7] == f"{base}/d7"


@pytest.mark.parametrize(
    ("name", "classes"),
    [
        ("montgomery", ("background", "left lung", "right lung")),
        ("shenzhen", ("background", "lung")),
        ("glioma_grading", ("background", "necrosis", "edema", "enhancing tumor")),
        ("lits17", None), ("btcv", None), ("amos", None), ("msd_hippocampus", None),
        ("msd_brain_tumour", None), ("msd_heart", None),
    ],
)  # fmt: skip
def test_masks_are_read_on_the_grid_of_their_images(name, classes, tmp_path):
    """Also of files with four axes, of which a mask has three."""
    entry = CATALOG.get(name)
    replicas.build(tmp_path / "root", entry)
    data = load_dataset(name, root=tmp_path / "root", cache=tmp_path / "cache")
    flat = name in ("montgomery", "shenzhen")
    for i in range(len(data)):
        for path in data.masks.paths(i) if flat else []:  # the replica draws films
            width, height = Image.open(data.source.paths[i][0]).size
            Image.fromarray(np.eye(height, width, dtype=np.uint8) * 255).save(path)
    data = load_dataset(name, root=tmp_path / "root", cache=tmp_path / "cache")
    assert data.masks.classes == (classes or entry.classes)
    for i in range(len(data)):
        if data.masks.has(i):
            mask = data.masks.read(i)
            assert mask.values.shape == array_shape(data.header(i))
            assert mask.values.max() < len(data.masks.classes)
            assert mask.values.any()
