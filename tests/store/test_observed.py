"""Files that changed after their extraction are said by whatever reads the features."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from featprobe.datasets.load import load_dataset
from featprobe.extraction.local import extract
from featprobe.store import observed
from featprobe.store.cache import find
from featprobe.store.garbage import find_garbage
from featprobe.store.locate import storage_path
from tests.conftest import make_tiny


@pytest.fixture
def films(tmp_path: Path) -> Path:
    """Twelve films of two classes, with a table of labels."""
    rng = np.random.default_rng(0)
    rows = ["file,label"]
    for i in range(12):
        path = tmp_path / "films" / f"{i:02d}.png"
        path.parent.mkdir(exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (28, 28), np.uint8)).save(path)
        rows.append(f"{path.name},{'ab'[i % 2]}")
    (tmp_path / "films" / "labels.csv").write_text("\n".join(rows))
    return tmp_path / "films"


def notes(cache: Path) -> str:
    return " ".join(find(cache)[1])


def change_label(folder: Path) -> None:
    path = folder / "labels.csv"
    path.write_text(path.read_text().replace("03.png,b", "03.png,a"))
    os.utime(path, (1, 1))


def change_film(folder: Path) -> None:
    Image.new("L", (28, 28), 7).save(folder / "05.png")


def add_film(folder: Path) -> None:
    shutil.copy(folder / "05.png", folder / "12.png")


def remove_film(folder: Path) -> None:
    (folder / "07.png").unlink()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (change_label, "1 changed ({}/labels.csv)"),
        (change_film, "1 changed ({}/05.png)"),
        (add_film, "1 folder with more files ({})"),
        (remove_film, "1 gone ({}/07.png)"),
    ],
)
def test_a_change_is_said_until_extract_has_seen_it(films, cache, change, said: str) -> None:
    again = lambda: extract(make_tiny(), load_dataset(films / "labels.csv"), cache=cache)  # noqa: E731
    again()
    assert notes(cache) == ""
    change(films)
    assert said.format(films) in notes(cache)
    if change is remove_film:  # its row must go as well, or it is an item that cannot be read
        path = films / "labels.csv"
        path.write_text(path.read_text().replace("07.png,b\n", ""))
    again()
    assert "not as they were" not in notes(cache)


def test_features_without_their_files_are_as_good_as_ever(films, cache) -> None:
    extract(make_tiny(), load_dataset(films / "labels.csv"), cache=cache)
    shutil.rmtree(films)
    assert notes(cache) == ""


@pytest.mark.parametrize("text", ["", "{", "[]", '{"files": 3, "folders": {}}', "\0"])
def test_a_damaged_record_says_nothing(films, cache, text: str) -> None:
    store = extract(make_tiny(), load_dataset(films / "labels.csv"), cache=cache).store
    observed.file(store.path).local.write_text(text)
    change_film(films)
    assert notes(cache) == ""


def test_a_record_goes_with_its_store(films, cache) -> None:
    store = extract(make_tiny(), load_dataset(films), cache=cache).store
    assert observed.file(store.path).exists()
    store.path.remove()
    found = [g.path.name for g in find_garbage(storage_path(cache))]
    assert observed.file(store.path).name in found


def test_of_many_files_some_are_looked_at(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(observed, "MOST", 5)
    paths = [tmp_path / f"{i}.png" for i in range(13)]
    for path in paths:
        path.write_text("x")
    store = storage_path(tmp_path / "net-1.zarr")
    observed.remember(store, paths)
    for path in paths:
        path.write_text("longer")
    assert observed.changes(store, observed.Looks()).startswith("5 changed (")


def test_files_of_several_stores_are_asked_once(films, cache, monkeypatch) -> None:
    for seed in range(3):
        extract(make_tiny(seed), load_dataset(films / "labels.csv"), cache=cache)
    asked: list[str] = []
    look = observed._look
    monkeypatch.setattr(observed, "_look", lambda path: asked.append(str(path)) or look(path))
    assert len(find(cache)[0]) == 3
    assert sorted(asked) == sorted({str(p) for p in films.iterdir()})
