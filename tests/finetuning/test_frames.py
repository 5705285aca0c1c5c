"""Kept frames are what extraction would show the network."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import featprobe as fp
from featprobe.backbones.spec import Preprocess
from featprobe.core.errors import InputError, StoreError
from featprobe.extraction.decoding import job
from featprobe.finetuning.frames import kept_frames
from tests.conftest import make_tiny
from tests.extraction.films import class_films, make_films
from tests.finetuning.cases import pictures


def prepared(backbone, data: fp.Dataset, item: int) -> torch.Tensor:
    decoded = job(data, item, data.frames(item)).run()
    return backbone.prepare(decoded.pixels, *decoded.levels, decoded.fit)


@pytest.mark.parametrize("pad", [False, True])
def test_they_are_what_extraction_prepares(pad: bool, cache: Path, tmp_path: Path) -> None:
    backbone = make_tiny()
    if pad:
        backbone.preprocess = Preprocess(resize=28, crop=None, pad=(28, 28), mean=(0.4, 0.5, 0.6))
    folder = make_films(tmp_path / "films", 4)
    Image.fromarray(np.random.default_rng(1).integers(0, 255, (30, 50, 3), dtype=np.uint8)).save(
        folder / "rgb.png"
    )
    data = fp.load_dataset(folder)
    frames = kept_frames(backbone, data, cache)
    batch = frames.batch(range(5))
    x = backbone.normalised(batch.shown(torch.device("cpu")))
    expected = torch.cat([prepared(backbone, data, i) for i in range(5)])
    assert batch.pixels.shape[1] == 3  # one of them has colours
    assert (x - expected).abs().max() < 0.51 / 65535 / min(backbone.preprocess.std) + 1e-5


def test_volumes_are_kept_whole_and_drawn_from(cache: Path) -> None:
    backbone, data = make_tiny(), pictures(6, frames=5)
    frames = kept_frames(backbone, data, cache)
    assert frames.count.tolist() == [5] * 6
    batch = frames.batch([3, 1], choose=lambda n: np.array([0, n - 1]))
    assert batch.counts.tolist() == [2, 2]
    whole = frames.batch([3])
    assert (batch.pixels[:2].int() == whole.pixels[[0, 4]].int()).all()


def test_nothing_is_decoded_twice_and_networks_of_one_size_share(cache: Path, monkeypatch) -> None:
    data = pictures(6)
    first = kept_frames(make_tiny(), data, cache)
    monkeypatch.setattr("featprobe.finetuning.frames._decode", None)
    other = make_tiny(1)
    other.preprocess = replace(other.preprocess, mean=(0.1, 0.1, 0.1))
    assert kept_frames(other, data, cache).path == first.path


def test_an_unreadable_item_is_left_out_with_its_reason(cache: Path, tmp_path: Path) -> None:
    folder = make_films(tmp_path / "films", 4, odd={2: "damaged"})
    data = fp.load_dataset(folder)
    frames = kept_frames(make_tiny(), data, cache)
    features = fp.extract(make_tiny(), data, workers=0)
    assert data.ids[frames.kept].tolist() == features.ids.tolist()
    assert len(features.ids) == 3
    ((one,), (other,)) = frames.left_out, features.left_out
    assert one == other


def test_all_unreadable_is_an_error(cache: Path, tmp_path: Path) -> None:
    data = fp.load_dataset(make_films(tmp_path / "films", 2, odd={0: "damaged", 1: "damaged"}))
    with pytest.raises(InputError, match="none of the 2 items could be read"):
        kept_frames(make_tiny(), data, cache)


def test_processes_decode_as_this_one(cache: Path, tmp_path: Path) -> None:
    data = fp.load_dataset(class_films(tmp_path / "films", 3))
    here = kept_frames(make_tiny(), data, cache, workers=0)
    apart = kept_frames(make_tiny(), data, cache / "other", workers=2)
    assert here.pixels.tobytes() == apart.pixels.tobytes()


@pytest.mark.parametrize("damage", ["short", "json"])
def test_damage_is_told(damage: str, cache: Path) -> None:
    data = pictures(4)
    path = kept_frames(make_tiny(), data, cache).path
    if damage == "short":
        (path / "pixels.u16").write_bytes((path / "pixels.u16").read_bytes()[:-2])
    else:
        (path / "index.json").write_text(json.dumps({"count": [1]}))
    with pytest.raises(StoreError, match="damaged frames .*delete the folder"):
        kept_frames(make_tiny(), data, cache)
