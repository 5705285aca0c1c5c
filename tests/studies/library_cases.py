"""Backbones of a study that timm, torchvision and open_clip build; run in a process of its own by
``test_studies.py``, where torchvision can be imported."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from featprobe.backbones.catalog import CATALOG
from featprobe.backbones.spec import LIBRARIES
from featprobe.cli.main import main
from featprobe.studies.study import studies, study
from tests.studies import synthetic

SMALL = {"rad": "sars_cov_2_ct", "freeze": "ichallenge_amd", "medplus": "medmnist"}
FIXED = ["eva02_clip_vitb16"]  # takes no other size


def built(name: str) -> list[str]:
    """The backbones of a study that a library builds."""
    models = dict.fromkeys(c.model.text for c in study(name).grid().cells)
    return [m for m in models if CATALOG[m].source.partition(":")[0] in LIBRARIES]


def test_every_study_with_such_backbones_is_run_here() -> None:
    assert {n for n in studies() if built(n)} == set(SMALL)


@pytest.mark.parametrize("name", SMALL)
def test_they_run_with_every_probe_and_nothing_is_missing(
    name: str, tmp_path: Path, monkeypatch, capsys
) -> None:
    monkeypatch.setenv("FEATPROBE_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("FEATPROBE_CACHE", str(tmp_path / "cache"))
    synthetic.make(tmp_path / "data", SMALL[name])
    only = "pneumoniamnist-28" if name == "medplus" else SMALL[name]
    probes = {p.study.name for p in study(name).grid().probes}
    for models, size in (([m for m in built(name) if m not in FIXED], "64"), (FIXED, "224")):
        models = [m for m in models if m in built(name)]
        if not models:
            continue
        with pytest.raises(SystemExit) as done:
            main(
                ["study", "run", name, "--only", only, "--models", *models, "--frozen", "--init",
                 "random", "--image-size", size, "--json"]
            )  # fmt: skip
        out, err = capsys.readouterr()
        assert done.value.code == 0, err
        *rows, rest = map(json.loads, out.splitlines())
        assert (rest["missing"], rest["failures"]) == ({}, [])
        ran = {(r["model"].partition("@")[0], r["probe"]) for r in rows if not r["why"]}
        assert ran >= {(m, p) for m in models for p in probes}
