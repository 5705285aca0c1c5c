"""doctor.py and its command."""

from __future__ import annotations

import json
from importlib.metadata import version

import pytest
import torch

from featprobe import extract, load_dataset
from featprobe.cli import doctor_checks as doctor
from featprobe.cli.main import main


def run(capsys, *arguments: str) -> tuple[int, str]:
    with pytest.raises(SystemExit) as stop:
        main(["doctor", *arguments])
    return stop.value.code, capsys.readouterr().out


def test_the_report_agrees_with_the_libraries(tiny_backbone, class_folders) -> None:
    features = extract(tiny_backbone, load_dataset(class_folders))
    found = doctor.report()
    assert found["packages"]["torch"] == version("torch")
    assert found["devices"]["threads"] == torch.get_num_threads()
    assert len(found["devices"]["gpus"]) == torch.cuda.device_count()
    assert found["cache"]["stores"] == 1
    assert found["cache"]["bytes"] == sum(size for _, size in features.store.path.files())
    assert doctor.problems(found) == []


def test_json_is_one_object_and_says_what_a_model_needs(capsys) -> None:
    code, out = run(capsys, "--json", "--model", "dinov2_vits14")
    assert code == 0
    found = json.loads(out)
    assert found["model"]["bytes"] == pytest.approx(22.06e6 * 4, rel=0.01)
    assert found["model"]["input"] == [224, 224]
    assert found["model"]["frame_bytes"] == 2 * 384 * 4 * 2


def test_the_page_names_every_subject(capsys) -> None:
    code, out = run(capsys, "--model", "dinov2_vitl14")
    assert code == 0
    subjects = [line.split()[0] for line in out.splitlines() if line[0] != " "]
    for subject in ("featprobe", "packages", "extras", "cpu", "gpu", "hub", "cache", "model"):
        assert subject in subjects
    assert out.endswith("no problem found\n")


def test_what_is_wrong_is_said_with_what_to_do(capsys, monkeypatch) -> None:
    real = doctor.find_spec
    monkeypatch.setattr(doctor, "find_spec", lambda m: None if m == "faiss" else real(m))
    code, out = run(capsys)
    assert code == 1
    assert "pip install 'featprobe[cpu]'" in out
    found = doctor.report() | {
        "cache": {
            "path": "/c", "features": "s3://c", "error": "no bucket", "writable": False,
            "free": 5e8,
        }
    }  # fmt: skip
    texts = doctor.problems(found)
    assert any("not writable: set FEATPROBE_CACHE" in t for t in texts)
    assert any("less than 1 GB" in t for t in texts)
    assert any("stores in s3://c cannot be listed: no bucket" in t for t in texts)


def test_stores_behind_an_address_are_counted(tiny_backbone, class_folders, tmp_path) -> None:
    address = f"memory://{tmp_path.name}"
    features = extract(tiny_backbone, load_dataset(class_folders), cache=address)
    found = doctor.report(address)["cache"]
    assert (found["features"], found["stores"], found["error"]) == (address, 1, "")
    assert found["bytes"] == sum(size for _, size in features.store.path.files())
    lost = doctor.report("floppy://a/b")
    assert any("stores in floppy://a/b cannot be listed" in t for t in doctor.problems(lost))


def test_a_missing_extra_of_a_model_is_named(capsys, monkeypatch) -> None:
    real = doctor.find_spec
    monkeypatch.setattr(doctor, "find_spec", lambda m: None if m == "timm" else real(m))
    _, out = run(capsys, "--model", "timm:densenet121.ra_in1k")
    assert "pip install 'featprobe[timm]'" in out


def test_an_unknown_model_is_refused_with_the_nearest(capsys) -> None:
    with pytest.raises(SystemExit) as stop:
        main(["doctor", "--model", "dinov2_vitl41"])
    assert stop.value.code == 2
    assert "Did you mean 'dinov2_vitl14'" in capsys.readouterr().err
