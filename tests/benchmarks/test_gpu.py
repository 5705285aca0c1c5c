"""``bin/bench gpu``: every table's code runs on a CPU, and a cut leaves what was measured."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

import featprobe as fp
from tests.benchmarks import finetuning, gpu
from tests.benchmarks.__main__ import main
from tests.benchmarks.gpu import forward
from tests.benchmarks.gpu import table as tabling
from tests.benchmarks.gpu.machine import Cells, Machine
from tests.benchmarks.gpu.table import Table
from tests.benchmarks.rows import Row
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
    assert [i.split()[-1] for i in inputs] == [
        "pinned",
        "for",
        "PNG",
        "npz",
        "series",
        "slices",
        "JPEG",
    ]
    assert all(row["frames/s"] > 0 for row in tables["From files to features"])
    eager = [row for row in tables["Forward passes"] if row.get("mode") in ("bf16", "bf16-pure")]
    assert {row["auto"] for row in eager} == {"as it is", "compiled"}  # attention and convolutions
    parity = tables["Features of lower precision against float32"]
    assert parity[0]["least"] == pytest.approx(1, abs=1e-6)
    assert all(row["least"] > 0.99 for row in parity)
    assert {row["recipe"] for row in tables["Fine-tuning"]} == {"full", "lora"}
    small = tables["Small networks as graphs"]
    assert [row["same"] for row in small] == ["yes"] * len(small)


@pytest.mark.slow
def test_goals_stand_beside_their_ratios_and_are_summed_up(report: Path) -> None:
    found = json.loads((report / "gpu.json").read_text())
    rows = {t["title"]: t["rows"] for t in found["tables"]}
    assert all(row["goal"].startswith("ours / bare >= 0.9") for row in eager_of(rows))
    files = [r for r in rows["From files to features"] if not r["input"].startswith("arrays")]
    assert all("of bare >= 0.9" in row["goal"] for row in files)
    assert ["waited <= 0.1" in row["goal"] for row in files] == [False, True, True, False, False]
    assert all(
        "least >= 0.99" in r["goal"] for r in rows["Features of lower precision against float32"]
    )
    assert all("loop / Trainer >= 1" in r["goal"] for r in rows["Fine-tuning"])
    kinds = {row["name"].split(",")[0].split(":")[0] for row in found["held"]}
    assert len(kinds) > 6
    goals = len(found["held"])
    assert f"{goals} rows, {goals} with a goal" in (report / "gpu.md").read_text()
    assert "others on" in found["busy"]


def eager_of(rows: dict[str, list[Cells]]) -> list[Cells]:
    return [r for r in rows["Forward passes"] if r.get("mode") in ("bf16", "bf16-pure")]


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


def endless(machine: Machine) -> Iterator[Cells]:
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


def test_a_row_that_never_ends_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    def stuck(machine: Machine) -> Iterator[Cells]:
        yield {"n": 1}
        machine.attempt(threading.Event().wait)  # what fails is caught, the time is not
        yield {"n": 2}

    monkeypatch.setattr(tabling, "LATE", 0.0)
    cut = Table("stuck", stuck, 1.0)
    cut.make(Machine("cpu"), time.monotonic() + 0.2)
    assert cut.found == [{"n": 1}]
    assert cut.cut == "cut here: a row took too long"


def test_what_fails_is_said_in_its_cell_and_the_rest_goes_on(capsys) -> None:
    def rows(machine: Machine) -> Iterator[Cells]:
        yield {"n": machine.attempt(lambda: 1 / 0)}
        yield {"n": machine.attempt(lambda: 3.5)}

    table = Table("some", rows, 1.0)
    seen: list[Cells] = []
    table.make(Machine("cpu"), time.monotonic() + 60, seen.append)
    assert seen == table.found == [{"n": "failed: ZeroDivisionError: division by zero"}, {"n": 3.5}]
    assert "division by zero" in capsys.readouterr().err
    with pytest.raises(ZeroDivisionError):  # a dry run is a test
        Machine("cpu", dry=True).attempt(lambda: 1 / 0)


def test_rows_are_written_before_their_table_is_done(tmp_path, monkeypatch) -> None:
    def rows(machine: Machine) -> Iterator[Cells]:
        yield {"n": 1}
        [table] = json.loads((tmp_path / "gpu.json").read_text())["tables"]
        yield {"written": len(table["rows"])}

    monkeypatch.setattr(gpu, "tables", lambda: [Table("a", rows, 1.0)])
    monkeypatch.setattr(Machine, "here", lambda dry, minutes: Machine("cpu", end=1e12))
    monkeypatch.setattr(Machine, "name", "a card")
    [table] = gpu.run(1, False, tmp_path)
    assert table.found[1] == {"written": 1}


def test_installing_takes_of_the_minutes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setenv("BENCH_BEGAN", str(int(time.time()) - 120))
    assert 6.5 * 60 < Machine.here(False, 9).left() < 7.1 * 60
    monkeypatch.setenv("BENCH_BEGAN", str(int(time.time()) - 3600))
    assert 50 < Machine.here(False, 9).left() <= 60  # the first table is begun all the same


def test_a_machine_without_a_card_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(SystemExit, match="sees no GPU; --dry tries every table"):
        Machine.here(False, 9)


def test_networks_that_fail_leave_rows_of_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    def load(name: str, **options: Any) -> fp.Backbone:
        if name == "resnet18":
            raise RuntimeError("out of memory")
        return make_tiny()

    monkeypatch.setattr(fp, "load_backbone", load)
    monkeypatch.setattr(forward, "MODELS", {"resnet18": "", "dinov2_vits14": ""})
    monkeypatch.setattr(forward, "COMPILED", ())
    monkeypatch.setattr(forward, "LARGEST", {"resnet18": ""})
    monkeypatch.setattr(forward, "matrix_rate", lambda machine: 1.0)
    found = list(forward.rows(Machine("cpu", seconds=0.0)))
    assert found[1] == {"network": "resnet18", "ours": "failed: RuntimeError: out of memory"}
    assert [row["mode"] for row in found[2:4]] == ["bf16", "bf16-pure"]
    assert found[-1] == found[1]  # the largest, after all that is compiled


def test_an_error_of_one_table_leaves_the_others(monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    def broken(machine: Machine) -> Iterator[Cells]:
        yield {"n": 1}
        raise RuntimeError("no kernel")

    def fine(machine: Machine) -> Iterator[Cells]:
        yield {"n": 2}

    monkeypatch.setattr(gpu, "tables", lambda: [Table("a", broken, 0.5), Table("b", fine, 0.5)])
    monkeypatch.setattr(Machine, "here", lambda dry, minutes: Machine("cpu", end=1e12))
    monkeypatch.setattr(Machine, "name", "a card")
    first, second = gpu.run(1, False, None)
    assert (first.found, second.found) == ([{"n": 1}], [{"n": 2}])
    assert "no kernel" in first.markdown()
    assert "no kernel" in capsys.readouterr().out


def test_sides_are_measured_in_turn_and_one_that_fails_leaves_the_others(capsys) -> None:
    ran: list[str] = []

    def broken() -> None:
        raise RuntimeError("CUDA error: no kernel image")

    machine = Machine("cpu", seconds=0.0)
    sides = {"a": (lambda: ran.append("a"), 2), "x": (broken, 1), "b": (lambda: ran.append("b"), 1)}
    found = machine.rates(sides)
    assert found["x"] == "failed: RuntimeError: CUDA error: no kernel image"
    assert found["a"] > 0
    assert "".join(ran) == "bbaaaabbbbaa"  # each is woken up and measured, in three rounds
    assert "no kernel image" in capsys.readouterr().err


def test_a_ratio_is_held_against_its_goal_in_its_row_and_at_the_end() -> None:
    machine, cells = Machine("cpu"), {"network": "x"}
    machine.hold(cells, "ours / bare", Row("x: of bare", 8, 10, "frames/s", 0.9))
    machine.hold(cells, "of timm", Row("x: of timm", 8, 10, "frames/s"))
    machine.hold(cells, "least", Row("x: cosine", 1, 1, "", 0.99))
    assert cells["goal"] == "ours / bare >= 0.9 MISSED; least >= 0.99"
    assert cells["of timm"] == 0.8
    said = gpu.summed_up(machine.held)
    assert said.startswith("2 rows, 2 with a goal, 1 MISSED")
    assert "x: of bare" in said


def test_a_process_that_died_is_gone_on_from_behind_its_table(tmp_path, monkeypatch) -> None:
    made: list[str] = []

    def named(name: str) -> Any:
        def rows(machine: Machine) -> Iterator[Cells]:
            made.append(name)
            cells: Cells = {"n": name}
            machine.hold(cells, "ratio", Row(name, 1, 2, "s", 0.9))
            yield cells
            if name == "b" and made.count("b") == 1 and len(made) == 2:
                raise KeyboardInterrupt  # as a signal would, past all that is caught

        return rows

    monkeypatch.setattr(gpu, "tables", lambda: [Table(n, named(n), 1.0) for n in "abc"])
    monkeypatch.setattr(Machine, "here", lambda dry, minutes: Machine("cpu", end=1e12))
    monkeypatch.setattr(Machine, "name", "a card")
    with pytest.raises(KeyboardInterrupt):
        gpu.run(1, False, tmp_path)
    gpu.run(1, False, tmp_path, resume=True)
    assert made == ["a", "b", "c"]
    found = json.loads((tmp_path / "gpu.json").read_text())
    assert [t["rows"][0]["n"] for t in found["tables"]] == ["a", "b", "c"]
    assert [t["cut"] for t in found["tables"]] == ["", "stopped: the process died here", ""]
    assert [row["name"] for row in found["held"]] == ["a", "b", "c"]
    gpu.run(1, False, tmp_path)  # begun anew without the word
    assert made[3:] == ["a", "b", "c"]


def test_a_disk_that_cannot_be_written_ends_nothing(tmp_path, monkeypatch, capsys) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setattr(gpu, "tables", lambda: [Table("a", lambda m: iter([{"n": 1}]), 1.0)])
    monkeypatch.setattr(Machine, "here", lambda dry, minutes: Machine("cpu", end=1e12))
    monkeypatch.setattr(Machine, "name", "a card")
    [table] = gpu.run(1, False, tmp_path / "file" / "out", kept=tmp_path / "also.json")
    assert (table.found, table.cut) == ([{"n": 1}], "")
    assert "not written" in capsys.readouterr().err
    assert json.loads((tmp_path / "also.json").read_text())["tables"][0]["rows"] == [{"n": 1}]


def test_loaders_of_trainer_need_memory_to_share(monkeypatch: pytest.MonkeyPatch) -> None:
    case = finetuning.Case("x", 224, 256, 64, 3)
    monkeypatch.setattr(finetuning, "workers", lambda: 8)
    for free, wanted in ((64 << 20, 0), (16 << 30, 8)):
        usage = SimpleNamespace(free=free)
        monkeypatch.setattr(finetuning.shutil, "disk_usage", lambda place, u=usage: u)
        assert finetuning.loaders(case) == wanted
