"""Common names of data sets, and what to do where neither files nor weights are here."""

from __future__ import annotations

from pathlib import Path

import pytest

from featprobe.core.errors import MissingPath
from featprobe.datasets.load import ALIASES, CATALOG, load_dataset


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
