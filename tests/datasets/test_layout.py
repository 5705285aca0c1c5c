"""Folders: what is a split, a class, a patient; what is left out; what is asked."""

from __future__ import annotations

from pathlib import Path

import pytest

import featprobe as fp
from featprobe.core.errors import InputError
from featprobe.datasets.audit import audit
from tests.datasets.test_folder import dicom_series, png

PARTS = [f"{s}/{c}/{i}.png" for s in ("train", "test") for c in "ab" for i in range(4)]


def tree(root: Path, *names: str) -> Path:
    for i, name in enumerate(names):
        if name.endswith(".png"):
            png(root / name, i % 250)
        elif name.endswith("/"):
            (root / name).mkdir(parents=True)
        else:
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_text("x")
    return root


@pytest.mark.parametrize(
    "others",
    [["logs/run.log"], ["docs/a.md"], ["empty/"], ["__MACOSX/train/._x.png"], ["meta/t.csv"]],
    ids=str,
)
def test_folders_without_images_beside_a_split_change_nothing(tmp_path, others):
    data = fp.load_dataset(tree(tmp_path, *PARTS, *others))
    assert data.classes == ("a", "b")
    assert set(data.split.tolist()) == {"train", "test"}
    assert data.warnings == {}


def test_images_beside_a_split_are_left_out_by_name(tmp_path):
    data = fp.load_dataset(tree(tmp_path, *PARTS, "unlabeled/1.png", "unlabeled/2.png", "x.png"))
    assert (len(data), data.classes) == (16, ("a", "b"))
    told = " ".join(f"{n} {kind}" for kind, n in data.skipped.items())
    assert "2 image in folder 'unlabeled', no part of the split (unlabeled/1.png" in told
    assert "1 image in the top folder" in told


@pytest.mark.parametrize("name", ["dev", "validate", "holdout", "external_test", "Test2", "tuning"])
def test_a_likely_part_of_the_split_is_asked_for(tmp_path, name):
    more = [f"{name}/{c}/{i}.png" for c in "ab" for i in range(3)]
    tree(tmp_path, *PARTS, *more)
    with pytest.raises(InputError, match=rf"--split-map '{name}'=train\|val\|test\|none"):
        fp.load_dataset(tmp_path)
    mapped = fp.load_dataset(tmp_path, split_map={name: "val"})
    assert (mapped.split == "val").sum() == 6
    left = fp.load_dataset(tmp_path, split_map=[f"{name}=none"])
    assert (len(left), sum(left.skipped.values())) == (16, 6)


def test_one_part_beside_what_may_be_one_or_a_class(tmp_path):
    tree(tmp_path, "train/a/1.png", "train/b/1.png", "cohort2/a/1.png", "cohort2/b/1.png")
    with pytest.raises(InputError, match="'train' has the same folders in it as 'cohort2'"):
        fp.load_dataset(tmp_path)
    assert fp.load_dataset(tmp_path, split_column="none").classes == ("cohort2", "train")
    assert fp.load_dataset(tmp_path, split_map={"cohort2": "test"}).classes == ("a", "b")


def test_split_maps_that_name_nothing_are_errors(tmp_path):
    tree(tmp_path, *PARTS)
    with pytest.raises(InputError, match="'devv': no such folder of images"):
        fp.load_dataset(tmp_path, split_map={"devv": "val"})
    with pytest.raises(InputError, match="'dev' is written NAME=PART"):
        fp.load_dataset(tmp_path, split_map=["dev"])
    with pytest.raises(InputError, match="'all' is none of train, val, test, none"):
        fp.load_dataset(tmp_path, split_map={"dev": "all"})
    with pytest.raises(InputError, match="no folders of a split"):
        fp.load_dataset(tmp_path / "train", split_map={"dev": "val"})


def test_a_split_inside_of_the_class_folders(tmp_path):
    names = [f"{c}/{s}/{i}.png" for c in "ab" for s in ("train", "val") for i in range(3)]
    data = fp.load_dataset(tree(tmp_path, *names))
    assert data.classes == ("a", "b")
    assert data.split.tolist() == (["train"] * 3 + ["val"] * 3) * 2


@pytest.mark.parametrize("above", ["dataset", "archive/images", "a b/c/d"])
@pytest.mark.parametrize("split", [False, True])
def test_folders_too_many_above(tmp_path, above, split):
    names = PARTS if split else [f"{c}/{i}.png" for c in "ab" for i in range(6)]
    data = fp.load_dataset(tree(tmp_path, *(f"{above}/{n}" for n in names)))
    assert data.classes == ("a", "b")
    assert set(data.split.tolist()) == ({"train", "test"} if split else {""})
    assert data.ids[0].startswith(above)
    assert any("holds all images" in n for n in data.notes)


def test_few_strays_are_left_out_and_many_are_an_error(tmp_path):
    names = [f"{c}/{i}.png" for c in "ab" for i in range(6)]
    data = fp.load_dataset(tree(tmp_path, *names, "overview.png"))
    assert (len(data), data.classes) == (12, ("a", "b"))
    assert data.skipped == {"image outside the class folders (overview.png)": 1}
    tree(tmp_path, *(f"{i}.png" for i in range(5)))
    with pytest.raises(InputError, match=r"'0\.png' lies outside the class folders \(a, b\)"):
        fp.load_dataset(tmp_path)
    assert len(fp.load_dataset(tmp_path, label="none")) == 18


def test_test_images_without_class_folders_are_unknown(tmp_path):
    names = [f"train/{c}/{i}.png" for c in "ab" for i in range(3)]
    data = fp.load_dataset(tree(tmp_path, *names, "test/1.png", "test/2.png"))
    assert data.targets[data.split == "test"].tolist() == [-1, -1]
    assert any("2 images of test have no class folder" in n for n in data.notes)


@pytest.mark.parametrize(
    "pattern",
    [
        "sub-{p:02d}/ses-1/anat/sub-{p:02d}_ses-1_T1w.png",
        "patient{p:05d}/study1/view1_frontal.png",
        "TCGA-AA-{p:04d}/{p}.png",
        "LIDC-IDRI-{p:04d}/1.png",
        "OAS1_{p:04d}_MR1/x.png",
        "train/Patient_{p}/1.png",
    ],
)
def test_folders_called_like_patients_are_patients(tmp_path, pattern):
    names = [pattern.format(p=p) for p in range(1, 7)]
    names += [n.replace(".png", "_b.png") for n in names]
    data = fp.load_dataset(tree(tmp_path, *names))
    assert (data.targets, len(set(data.groups.tolist()))) == (None, 6)
    assert any("are patients, not classes" in n for n in data.notes)
    assert len(fp.load_dataset(tmp_path, label="folder").classes) == 6


def test_folders_of_one_patient_each_by_the_headers_are_patients(tmp_path):
    for k, name in enumerate(("anna", "bert", "carl")):
        dicom_series(tmp_path / name / "ct", str(10 + k), patient=f"P{k}")
        dicom_series(tmp_path / name / "mr", str(20 + k), patient=f"P{k}")
    data = fp.load_dataset(tmp_path)
    assert data.targets is None
    assert data.groups.tolist() == [f"patient-000{k}" for k in (1, 1, 2, 2, 3, 3)]


@pytest.mark.parametrize(
    "pattern", ["{p:04d}/{i}.png", "case_{p:03d}/{i}.png", "data/{p:03d}/{i}.png"]
)
def test_numbered_folders_are_asked_for(tmp_path, pattern):
    names = [pattern.format(p=p, i=i) for p in range(12) for i in range(2)]
    tree(tmp_path, *names)
    with pytest.raises(InputError, match=r"12 folders such as .*--label folder.*--label none"):
        fp.load_dataset(tmp_path)
    assert fp.load_dataset(tmp_path, label="none").targets is None
    assert len(fp.load_dataset(tmp_path, label="folder").classes) == 12


def test_classes_inside_of_patient_folders(tmp_path):
    """As of the patches of breast tissue: the patient's folder holds 0/ and 1/."""
    names = [f"{8860 + 7 * p}/{c}/{8860 + 7 * p}_idx5_x{i}_y{i}_class{c}.png"
             for p in range(12) for c in (0, 1) for i in range(2)]  # fmt: skip
    tree(tmp_path, *names)
    with pytest.raises(InputError, match="--label parent"):
        fp.load_dataset(tmp_path)
    data = fp.load_dataset(tmp_path, label="parent")
    assert data.classes == ("0", "1")
    assert set(data.groups.tolist()) == {str(8860 + 7 * p) for p in range(12)}


def test_grades_in_folders_keep_their_order(tmp_path):
    data = fp.load_dataset(tree(tmp_path, *(f"{g}/{i}.png" for g in (10, 2, 0, 1) for i in "ab")))
    assert data.classes == ("0", "1", "2", "10")
    words = fp.load_dataset(tree(tmp_path / "w", *(f"grade {g}/1.png" for g in (10, 2, 1))))
    assert words.classes == ("grade 1", "grade 2", "grade 10")


def test_a_class_of_which_no_file_can_be_read_is_a_finding(tmp_path):
    names = [f"{c}/{i}.png" for c in "ab" for i in range(3)]
    data = fp.load_dataset(tree(tmp_path, *names, "c/1.xyz", "c/2.xyz", "notes/readme.txt"))
    assert data.skipped == {"not an image (.xyz)": 2, "not an image (.txt)": 1}
    found = audit(data)
    assert found.warnings == {
        "files": ["folder 'c' is no class, since none of its files can be read: 2 .xyz"]
    }
    assert found.problems == 1 + len(found.constant)


@pytest.mark.parametrize(
    "options, match",
    [
        ({"separator": "|"}, "--separator means nothing for a folder"),
        ({"uncertain": "ones"}, "--uncertain means nothing"),
        ({"missing": ["NA"]}, "--missing means nothing"),
        ({"path": "image"}, "--path means nothing"),
        ({"task": "ordinal"}, "--task means nothing"),
        ({"label": ["edema"]}, "--label of a folder is none, folder or parent"),
        ({"split_column": "fold"}, "--split-column of a folder can only be none"),
    ],
)
def test_options_without_effect_are_errors(tmp_path, options, match):
    with pytest.raises(InputError, match=match):
        fp.load_dataset(tree(tmp_path, *PARTS), **options)


def test_new_images_are_read_whatever_their_folders_are_called(tmp_path):
    tree(tmp_path, *PARTS, "dev/1.png", "0001/2.png", "x.png")
    data = fp.load_dataset(tmp_path, bare=True)
    assert (len(data), data.targets, data.skipped) == (19, None, {})
