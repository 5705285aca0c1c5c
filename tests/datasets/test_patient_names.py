"""File names that show the patient, and guesses that are not believed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from featprobe.datasets.groups import infer_groups
from featprobe.datasets.patient_names import shared_starts, without_aspect

# pattern of patient p and image k, what the patient is called
KNOWN = {
    "sub-{p:02d}_ses-{k}_T1w": "sub-{p:02d}",
    "patient{p:05d}/study{k}/view1_frontal": "patient{p:05d}",
    "OAS1_{p:04d}_MR{k}": "OAS1_{p:04d}",
    "OAS3{p:04d}_MR_d{k}01": "OAS3{p:04d}",
    "ADNI_{p:03d}_S_1234_MR_{k}": "{p:03d}_S_1234",
    "TCGA-AB-{p:04d}-01Z-00-DX{k}": "TCGA-AB-{p:04d}",
    "C3N-{p:05d}-2{k}": "C3N-{p:05d}",
    "LIDC-IDRI-{p:04d}/{k}": "LIDC-IDRI-{p:04d}",
    "Mass-Training_P_{p:05d}_{LR}_CC": "P_{p:05d}",
    "p10/p1{p:07d}/s5041426{k}/02aa": "p1{p:07d}",
    "BraTS20_Training_{p:03d}_{mr}": "BraTS20_Training_{p:03d}",
    "BraTS-GLI-{p:05d}-00{k}-t1c": "BraTS-GLI-{p:05d}",
    "person{p}_bacteria_{k}": "person{p}",
    "Patient {p} ({k})": "patient {p}",
    "{p:03d}_{lr}": "{p:03d}",
    "{p}_{od}": "{p}",
    "P{p:03d}-0-slice{k}": "P{p:03d}",
    "case_{p}_slice_{k}": "case_{p}",
    "MR{p:04d}slice{k}": "MR{p:04d}",
    "{p:04d}_L_{view}": "{p:04d}",
    "{p:03d}-t{k}": "{p:03d}",
    "{p:08d}_00{k}": "{p:08d}",
    "IM-{p:04d}-000{k}": "IM-{p:04d}",
    "{p:04d}_{k}_7": "{p:04d}",
}


@pytest.mark.parametrize("pattern", KNOWN)
def test_images_of_a_patient_are_kept_together(pattern):
    names, expected = [], []
    for p in range(1, 13):
        for k in (0, 1):
            words = {"LR": ("LEFT", "RIGHT")[k], "lr": ("left", "right")[k], "od": ("OD", "OS")[k],
                     "mr": ("t1", "flair")[k], "view": ("CC", "MLO")[k]}  # fmt: skip
            names.append(f"{'ab'[p % 2]}/{pattern.format(p=p, k=k + 1, **words)}.png")
            expected.append(KNOWN[pattern].format(p=p))
    labels = [n[0] for n in names]
    groups, origin = infer_groups(names, labels=labels)
    assert [g.lower() for g in groups.tolist()] == [e.lower() for e in expected]
    assert "file names" in origin


@pytest.mark.parametrize(
    "names, labels, why",
    [
        ([f"{c}/{c}_{i:03d}.png" for c in "abcdefghijkl" for i in range(9)], None, "words"),
        ([f"x/organ{c}1_{i}.png" for c in "abcdefghijkl" for i in range(9)],
         [f"organ{c}" for c in "abcdefghijkl" for _ in range(9)], "are the classes"),
        ([f"{y}/site{s:02d}_{i}{y}.png" for y in (0, 1) for s in range(12) for i in range(5)],
         None, "places or devices"),
        ([f"{y}/UKB{s:02d}_{i}{y}.png" for y in (0, 1) for s in range(12) for i in range(5)],
         [str(y) for y in (0, 1) for _ in range(60)], "occurs in every class, as sites"),
    ],
    ids=["word", "class", "site by name", "site by classes"],
)  # fmt: skip
def test_a_guess_that_is_the_class_or_the_site_is_not_believed(names, labels, why):
    groups, origin = infer_groups(names, labels=labels)
    assert groups.tolist() == names
    assert why in origin
    assert "--group regex:PATTERN" in origin


def test_few_images_a_patient_may_be_of_every_class():
    names = [f"{y}/{p:04d}_{k}{y}.png" for p in range(12) for y in (0, 1) for k in range(2)]
    assert len(set(infer_groups(names, labels=[n[0] for n in names])[0].tolist())) == 12


def test_items_that_do_not_fit_the_scheme_are_alone():
    names = [f"sub-{p:02d}_{k}.png" for p in range(10) for k in (1, 2)] + ["phantom.png"]
    groups, origin = infer_groups(names)
    assert groups[-1] == "phantom.png"
    assert "1 items have none" in origin


@pytest.mark.parametrize(
    "stem", ["img_0001", "left", "slice12", "normal_3", "t1", "scan", "2019", "IMG-20190101", ""]
)
def test_names_that_show_no_patient(stem):
    assert without_aspect(stem) == ""


@given(st.text(max_size=30))
def test_what_is_left_of_a_name_begins_it(stem):
    assert stem.startswith(without_aspect(stem))


def test_starts_that_several_names_share():
    assert shared_starts(["a1_1", "a1_2", "b2.1", "b2.2", "c3_1", "x"]) == {"a1": 2, "b2": 2}
    assert shared_starts([f"img_{i}" for i in range(9)]) == {}
