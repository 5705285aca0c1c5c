"""Common names of data sets, and what to do where neither files nor weights are here."""

from __future__ import annotations

from pathlib import Path

import pytest

from featprobe.core.errors import MissingPath
from featprobe.datasets.load import ALIASES, CATALOG, load_dataset
from tests.datasets import replicas


def test_every_alias_stands_for_an_entry_and_hides_none() -> None:
    names = set(CATALOG.names())
    assert set(ALIASES.values()) <= names
    assert not set(ALIASES) & names


@pytest.mark.parametrize("text", ["chestxray", "ChestXray14", "chestx-ray14", "kermany", "PCAM"])
def test_an_alias_opens_its_entry(text: str) -> None:
    name = CATALOG.named(text)
    assert name in CATALOG.names()
    with pytest.raises(MissingPath, match=f"{name}: its files are expected in"):
        load_dataset(text)


def test_a_folder_of_that_name_comes_first(
    class_folders: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class_folders.rename(class_folders.with_name("kermany"))
    monkeypatch.chdir(class_folders.parent)
    assert load_dataset("kermany").name == "kermany"


def test_one_message_says_what_to_get_for_both(run) -> None:
    code, _, err = run("extract", "--model", "dinov2_vitl14", "--data", "chestxray")
    assert code == 2
    told = ("nih_chestxray14", "download them from https://", "FEATPROBE_DATA", "dinov2_vitl14")
    for part in (*told, "--weights FILE"):
        assert part in err
    code, _, err = run("extract", "--model", "tiny_vit14", "--data", "chestxray")
    assert code == 2
    assert "weights" not in err  # they are here


def test_compare_says_what_to_add_for_one_backbone_and_several_probes(run, class_folders) -> None:
    model = ["--model", "tiny_vit14", "--data", class_folders]
    assert run("extract", *model, "--workers", 0, "--quiet")[0] == 0
    assert run("knn", "--k", 3)[0] == run("linear", "--C", 1)[0] == 0
    code, _, err = run("compare")
    assert code == 2
    assert "add --between probes" in err
    assert run("compare", "--between", "probes")[0] == 0


@pytest.mark.parametrize("folder", ["nih_chestxray14", "ChestX-ray14", "chestxray", "NIH"])
def test_the_first_command_runs_where_the_films_lie_under_a_usual_name(
    folder: str, run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    replicas.build(tmp_path / "data" / folder, CATALOG.get("nih_chestxray14"))
    monkeypatch.setenv("FEATPROBE_DATA", str(tmp_path / "data"))
    how = ["--workers", 0, "--labels", "15", "--split", "rad"]
    code, out, err = run("extract", "--model", "tiny_vit14", "--data", "chestxray", *how)
    assert code == 0, err
    assert "nih_chestxray14: 16 items" in out
    assert "15 multilabel classes" in out
    assert "as of the study rad: train 11, val 1, test 4" in out
