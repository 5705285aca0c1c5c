"""Which columns of a manifest are paths, patients and split, and how they are named instead."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import featprobe as fp
from featprobe.cli.main import main
from featprobe.core.errors import InputError, UnknownName
from featprobe.datasets.audit import audit
from featprobe.datasets.columns import is_covariate, plain, tokens
from tests.datasets.test_folder import dicom_series, png

N = 12


@pytest.fixture
def films(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    for i in range(N):
        png(tmp_path / "im" / f"{i:03d}.png", int(rng.integers(256)))
    return tmp_path


def table(folder: Path, head: str, row: str, **columns: list[str]) -> Path:
    """``row`` is formatted with the number i and the columns, each repeated."""
    path = folder / "t.csv"
    lines = [row.format(i=i, **{k: v[i % len(v)] for k, v in columns.items()}) for i in range(N)]
    path.write_text("\n".join([head, *lines, ""]))
    return path


@pytest.mark.parametrize(
    "head", ["path", "Image Index", "image_id", "id_code", "File Name", "ImagePath", "dicom_id"]
)
def test_usual_names_of_the_path(films, head):
    data = fp.load_dataset(table(films, f"{head},label", "im/{i:03d}.png,{y}", y=["a", "b"]))
    assert (len(data), data.classes) == (N, ("a", "b"))


def test_the_path_is_the_column_of_files_or_the_one_named(films):
    path = table(films, "nr,where,label", "{i},im/{i:03d}.png,{y}", y=["a", "b"])
    assert fp.load_dataset(path).ids[0] == "im/000.png"
    path = table(films, "path,where,label", "{i},im/{i:03d}.png,{y}", y=["a", "b"])
    assert fp.load_dataset(path, path="where").ids[0] == "im/000.png"
    with pytest.raises(InputError, match=r"none of its 12 files exist.*--path \(now 'path'\)"):
        fp.load_dataset(path)
    with pytest.raises(UnknownName, match="no column 'were'. Did you mean 'where'"):
        fp.load_dataset(path, path="were")


@pytest.mark.parametrize(
    "text", ["im/{i:03d}", "im\\{i:03d}.png", "./im/{i:03d}.png", "im\\{i:03d}"]
)
def test_ways_to_write_a_path(films, text):
    data = fp.load_dataset(table(films, "path,label", text + ",{y}", y=["a", "b"]))
    assert data.ids[3] == text.format(i=3)
    assert data.read(3).shape == (1, 8, 6)


def test_a_name_that_may_be_two_files_is_an_error(films):
    png(films / "im" / "003.jpg")
    with pytest.raises(InputError, match=r"row 5: 'im/003' may be 003\.jpg or 003\.png"):
        fp.load_dataset(table(films, "path,label", "im/{i:03d},{y}", y=["a", "b"]))


@pytest.mark.parametrize(
    "text, hint",
    [("{i:03d}", "'im/000.png' is there"), ("IM/{i:03d}.PNG", "'im/000.png' is there")],
)
def test_where_the_files_may_be_is_said(films, text, hint):
    with pytest.raises(InputError, match=hint):
        fp.load_dataset(table(films, "path,label", text + ",{y}", y=["a", "b"]))


def test_missing_files_are_a_finding(films):
    (films / "im" / "004.png").unlink()
    found = audit(fp.load_dataset(table(films, "path,label", "im/{i:03d}.png,{y}", y=["a", "b"])))
    assert found.warnings["files"] == ["1 files are missing, first 'im/004.png'"]
    assert list(found.unreadable) == ["im/004.png"]


def test_rows_that_repeat_a_file(films):
    path = table(films, "path,box,label", "im/{i:03d}.png,{i},{y}", y=["a", "b"])
    same = path.read_text() + "./im/003.png,99,b\n"
    path.write_text(same)
    data = fp.load_dataset(path)
    assert (len(data), data.notes[-1]) == (N, "1 rows repeat a file and say the same: read once")
    path.write_text(same + "im/../im/003.png,5,a\n")
    with pytest.raises(InputError, match=r"rows 5 and 15 .* differ in 'label' \('b', 'a'\)"):
        fp.load_dataset(path)


@pytest.mark.parametrize(
    "head",
    ["participant_id", "case_id", "MRN", "SubjectID", "patient_id", "PatientID", "subject",
     "Patient ID", "USUBJID", "PTID", "bcr_patient_barcode"],
)  # fmt: skip
def test_patient_columns_of_standards(films, head):
    path = table(films, f"{head},path,label", "{p},im/{i:03d}.png,{y}", p=["7", "8", "9"],
                 y=["a", "b"])  # fmt: skip
    data = fp.load_dataset(path)
    assert data.groups.tolist() == ["7", "8", "9"] * 4
    assert data.group_origin == f"column {head!r} of the manifest"
    assert fp.load_dataset(path, group="none").groups.tolist() == data.ids.tolist()


def test_numbers_of_patients_after_a_gap_are_the_same_numbers(films):
    path = table(films, "mrn,path,label", "{p},im/{i:03d}.png,{y}", p=["7", "7.0"], y=["a", "b"])
    assert set(fp.load_dataset(path).groups.tolist()) == {"7"}
    codes = table(films, "mrn,path,label", "{p},im/{i:03d}.png,{y}", p=["007", "7"], y=["a", "b"])
    assert set(fp.load_dataset(codes).groups.tolist()) == {"007", "7"}


@pytest.mark.parametrize("head", ["lesion_id", "StudyInstanceUID", "exam", "accession_number"])
def test_likely_patient_columns_that_are_not_used_are_a_finding(films, head):
    path = table(films, f"{head},path,label", "{p},im/{i:03d}.png,{y}", p=["7", "8", "9"],
                 y=["a", "b"])  # fmt: skip
    assert [head in t for t in fp.load_dataset(path).warnings["patients"]] == [True]
    used = fp.load_dataset(path, group=head)
    assert (used.warnings.get("patients"), len(set(used.groups.tolist()))) == (None, 3)


def test_a_group_of_few_values_is_an_arm_of_the_study(films):
    path = table(films, "group,path,label", "{g},im/{i:03d}.png,{y}", g=["AD", "control"],
                 y=["a", "b", "a"])  # fmt: skip
    data = fp.load_dataset(path)
    assert len(set(data.groups.tolist())) == N
    assert "column 'group' (2 values in 12 rows)" in data.warnings["patients"][0]


def test_folds_are_no_split_until_they_are_mapped(films):
    path = table(films, "path,label,fold", "im/{i:03d}.png,{y},{f}", y=["a", "b"], f=list("01234"))
    data = fp.load_dataset(path)
    assert set(data.split.tolist()) == {""}
    assert "'fold' holds '0', '1', '2', '3', '4': no parts" in data.warnings["split"][0]
    parts = {"0": "test", "1": "val", "2": "train", "3": "train", "4": "none"}
    mapped = fp.load_dataset(path, split_column="fold", split_map=parts)
    assert mapped.split.tolist() == [parts[str(i % 5)] for i in range(N) if i % 5 != 4]
    assert "2 rows are left out, as --split-map says" in mapped.notes


@pytest.mark.parametrize("value", ["dev", "", "holdout"])
def test_parts_of_another_name_have_a_way_out(films, value):
    path = table(films, "path,label,split", "im/{i:03d}.png,{y},{s}", y=["a", "b"],
                 s=["train", value, "test"])  # fmt: skip
    with pytest.raises(InputError, match=rf"row 3: split '{value}' .*--split-map '{value}'="):
        fp.load_dataset(path)
    assert (fp.load_dataset(path, split_map=[f"{value}=val"]).split == "val").sum() == 4
    assert set(fp.load_dataset(path, split_column="none").split.tolist()) == {""}


def test_split_options_that_mean_nothing_are_errors(films):
    path = table(films, "path,label,split", "im/{i:03d}.png,{y},{s}", y=["a", "b"],
                 s=["train", "test"])  # fmt: skip
    with pytest.raises(InputError, match="'dev': no such value in column 'split'"):
        fp.load_dataset(path, split_map={"dev": "val"})
    with pytest.raises(UnknownName, match="no column 'splt'"):
        fp.load_dataset(path, split_column="splt")
    path = table(films, "path,label", "im/{i:03d}.png,{y}", y=["a", "b"])
    with pytest.raises(InputError, match="no column of a split"):
        fp.load_dataset(path, split_map={"dev": "val"})


def test_a_column_of_parts_is_a_split_whatever_its_name(films):
    path = table(films, "path,label,phase", "im/{i:03d}.png,{y},{s}", y=["a", "b"],
                 s=["Train", "validation"])  # fmt: skip
    data = fp.load_dataset(path)
    assert set(data.split.tolist()) == {"train", "val"}
    assert data.split_origin == "column 'phase' of the manifest"


def test_one_patient_for_all_is_told_with_the_way_out(tmp_path):
    for c in "ab":
        for k in range(3):
            dicom_series(tmp_path / c / str(k), f"{ord(c)}{k}", patient="ANON")
    data = fp.load_dataset(tmp_path)
    assert "all 6 items are of one patient" in data.warnings["patients"][0]
    assert "--group none" in data.warnings["patients"][0]
    assert "patients" not in fp.load_dataset(tmp_path, group="none").warnings


def test_classes_of_one_patient_each_are_a_finding(films):
    path = table(films, "patient,path,label", "{p},im/{i:03d}.png,{y}", p=["7", "8"], y=["a", "b"])
    assert "classes cannot be told from patients" in fp.load_dataset(path).warnings["patients"][0]


def test_shared_starts_of_names_are_a_finding_while_patients_are_unknown(tmp_path):
    for i in range(6):
        png(tmp_path / "ab"[i % 2] / f"x{i // 2}_{i}.png", i)
    found = audit(fp.load_dataset(tmp_path))
    assert "6 items share the start of their name" in found.warnings["patients"][0]
    assert "patients" not in fp.load_dataset(tmp_path, group="none").warnings


def test_the_words_of_names():
    assert tokens("Patient Age_at scan01") == {"patient", "age", "at", "scan"}
    assert plain("Image Index") == plain("image_index") == "imageindex"
    assert [n for n in ("Sex01", "PatientAge", "age_at_scan", "Edema", "Vertebral height loss")
            if is_covariate(n)] == ["Sex01", "PatientAge", "age_at_scan"]  # fmt: skip


def run(*args: object) -> int:
    with pytest.raises(SystemExit) as stop:
        main([str(a) for a in args])
    return int(stop.value.code or 0)


def test_the_check_fails_when_strict_and_takes_the_way_out(films, capsys):
    path = table(films, "path,Edema,Mass,fold,exam", "im/{i:03d}.png,{a},{b},{i},{e}",
                 a=["1", "0", "-1"], b=["0", "1"], e=list("xyz"))  # fmt: skip
    assert run("data", "check", path, "--strict", "--json") == 1
    found = json.loads(capsys.readouterr().out)
    assert {"patients", "split"} <= set(found["warnings"])
    assert run("data", "check", path, "--split-column", "none", "--group", "exam", "--uncertain",
               "zeros", "--json") == 0  # fmt: skip
    found = json.loads(capsys.readouterr().out)
    assert (found["warnings"], found["label_origin"]) == ({}, "columns 'Edema', 'Mass'")


def test_extraction_prints_what_was_taken(films, capsys):
    path = table(films, "path,age,Edema,Mass,split", "im/{i:03d}.png,{i},{a},{b},{s}",
                 a=["1", "0", "-1"], b=["0", "1"], s=["train", "dev"])  # fmt: skip
    assert run("extract", "--model", "tiny_vit14", "--data", path, "--quiet", "--workers", "0") == 2
    assert "--split-map 'dev'=" in capsys.readouterr().err
    assert run("extract", "--model", "tiny_vit14", "--data", path, "--quiet", "--workers", "0",
               "--split-map", "dev=val", "--missing", "NA", "--label", "Edema") == 2  # fmt: skip
    assert "--missing 'NA' occurs in no column" in capsys.readouterr().err
    assert run("extract", "--model", "tiny_vit14", "--data", path, "--quiet", "--workers", "0",
               "--device", "cpu", "--split-map", "dev=val") == 0  # fmt: skip
    out, err = capsys.readouterr()
    assert "labels    columns 'Edema', 'Mass': Edema 4, Mass 6" in out
    assert "split     column 'split' of the manifest: train 6, val 6" in out
    assert "'Edema': 4 values are uncertain" in err
    assert "not taken as labels: age" in err
