"""``bin/bench gpu``: every table's code runs on a CPU, and a cut leaves what was measured."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import featprobe as fp
from tests.benchmarks import gpu
from tests.benchmarks.__main__ import main
from tests.benchmarks.gpu import Machine, Row, Table
from tests.conftest import make_tiny


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A dry run, with a network of two blocks instead of DINOv2 ViT-S."""
    load, out = fp.load_backbone, tmp_path_factory.mktemp("bench") / "out"

    def small(name: str, **options: Any) -> fp.Backbone:
        return make_tiny() if name.startswith("dinov2") else load(name, **options)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fp, "load_backbone", small)
        gpu.run(9, True, out)
    return out


@pytest.mark.slow
def test_every_table_has_rows_in_a_dry_run(report: Path) -> None:
    found = json.loads((report / "gpu.json").read_text())
    assert found["dry"]
    assert [t["title"] for t in found["tables"]] == [t.title for t in gpu.tables()]
    for table in found["tables"]:
        assert table["rows"], table["title"]
        assert not table["cut"]
        for row in table["rows"]:
            for value in row.values():
                assert not isinstance(value, float) or value >= 0


@pytest.mark.slow
def test_the_modes_and_inputs_asked_for_are_all_there(report: Path) -> None:
    tables = {
        t["title"]: t["rows"] for t in json.loads((report / "gpu.json").read_text())["tables"]
    }
    modes = {row["mode"] for row in tables["Forward passes"] if "mode" in row}
    assert modes == {"bf16", "bf16, compiled", "bf16-pure", "bf16-pure, compiled"}
    inputs = [row["input"] for row in tables["From files to features"]]
    assert [i.split()[-1] for i in inputs] == ["PNG", "npz", "series", "slices"]
    parity = tables["Features of lower precision against float32"]
    assert parity[0]["least"] == pytest.approx(1, abs=1e-6)
    assert all(row["least"] > 0.99 for row in parity)
    assert {row["recipe"] for row in tables["Fine-tuning"]} == {"full", "lora"}


@pytest.mark.slow
def test_the_markdown_has_each_table(report: Path) -> None:
    text = (report / "gpu.md").read_text()
    for table in gpu.tables():
        assert f"### {table.title}\n" in text
    assert text.count("\n| --- |") == len(gpu.tables())


def test_the_command_writes_the_tables_that_are_named(tmp_path: Path, capsys) -> None:
    out = tmp_path / "out"
    main(["gpu", "--dry", "--minutes", "2", "--part", "probes", "--out", str(out)])
    assert "### Probes" in capsys.readouterr().out
    [table] = json.loads((out / "gpu.json").read_text())["tables"]
    assert table["title"] == "Probes"


def test_other_benchmarks_do_not_hold_the_one_for_a_card(capsys) -> None:
    with pytest.raises(SystemExit):
        main(["gpu", "knn"])
    assert "unknown benchmark gpu" in capsys.readouterr().err


def endless(machine: Machine) -> Iterator[Row]:
    n = 0
    while True:
        n += 1
        yield {"n": n}


def test_a_table_ends_with_its_time_and_keeps_its_rows() -> None:
    table = Table("endless", endless, 1.0)
    table.make(Machine("cpu"), time.monotonic())
    assert table.found == [{"n": 1}]
    assert table.cut in table.markdown()
    assert "cut here" in table.cut


def test_an_error_of_one_table_leaves_the_others(monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    def broken(machine: Machine) -> Iterator[Row]:
        yield {"n": 1}
        raise RuntimeError("no kernel")

    def fine(machine: Machine) -> Iterator[Row]:
        yield {"n": 2}

    monkeypatch.setattr(gpu, "tables", lambda: [Table("a", broken, 0.5), Table("b", fine, 0.5)])
    monkeypatch.setattr(Machine, "here", lambda dry, minutes: Machine("cpu", end=1e12))
    monkeypatch.setattr(Machine, "name", "a card")
    first, second = gpu.run(1, False, None)
    assert (first.found, second.found) == ([{"n": 1}], [{"n": 2}])
    assert "no kernel" in first.markdown()
    assert "no kernel" in capsys.readouterr().out
