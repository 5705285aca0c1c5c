"""featprobe cache: list, show, verify, repair, remove, tidy up."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest

import featprobe as fp
from featprobe.cli.main import main
from featprobe.store.containers import SUFFIXES, open_store
from featprobe.testing import faults


def run(capsys, *arguments: object) -> tuple[int, str]:
    with pytest.raises(SystemExit) as stop:
        main(["cache", *[str(a) for a in arguments]])
    said = capsys.readouterr()
    return stop.value.code, said.out + said.err


@pytest.fixture(params=SUFFIXES)
def features(request, tiny_backbone, class_folders) -> fp.FeatureSet:
    return fp.extract(
        tiny_backbone, fp.load_dataset(class_folders), store=request.param, batch_size=4
    )


def test_ls_and_show(features, capsys) -> None:
    code, out = run(capsys, "ls")
    assert code == 0
    assert features.store.path.name in out
    assert "complete" in out
    assert "now" in out
    row = json.loads(run(capsys, "ls", "--json")[1])
    assert row["bytes"] == sum(n for _, n in features.store.path.files())
    assert row["last_use"] > 1e9
    assert run(capsys, "--json")[1] == run(capsys, "ls", "--json")[1]
    shown = json.loads(run(capsys, "show", features.store.path.stem, "--json")[1])
    assert shown["key"] == features.key.to_dict()
    assert shown["pending_shards"] == 0
    assert shown["kind"] == features.store.kind
    assert "cls" in run(capsys, "show", features.key.digest[:12])[1]


def test_verify_names_damage_and_the_same_extract_mends_only_that(
    features, tiny_backbone, class_folders, capsys
) -> None:
    store = features.store
    before = store.read("cls")
    assert run(capsys, "verify")[0] == 0
    assert "10 shards are sound" in run(capsys, "verify", store.path.name)[1]
    chunk = store._chunk("cls", 7)
    faults.flip(Path(str(chunk.place)), chunk.offset + 5)
    code, out = run(capsys, "verify")
    assert code == 1
    assert "shard 7, cls: fails its checksum" in out
    damage = json.loads(run(capsys, "verify", "--json")[1])["damage"]
    assert damage == [{"shard": 7, "array": "cls", "what": "fails its checksum"}]
    code, out = run(capsys, "verify", "--repair")
    assert code == 0
    assert "1 shards are pending now" in out
    assert open_store(store.path).pending() == [7]
    again = fp.extract(
        tiny_backbone, fp.load_dataset(class_folders), store=store.kind, batch_size=4
    )
    assert again.summary.new_frames == 4
    np.testing.assert_array_equal(again.store.read("cls"), before)
    assert run(capsys, "verify")[0] == 0


def test_gc_removes_what_the_dead_left_and_nothing_else(
    features, tiny_backbone, class_folders, capsys
) -> None:
    folder = Path(str(features.store.path.parent))
    half = folder / ".x.zarr.0badcafe.partial"
    half.mkdir()
    (half / "zarr.json").write_text("{}")
    inside = Path(str(features.store.path)) / ".000001.0badcafe.partial"
    inside.write_bytes(b"cut")
    living = Path(str(features.store.path)) / ".000002.0badcafe.partial"
    (folder / ".gone.zarr.used").write_text("1")
    (class_folders / "sick" / "sick09_1.png").unlink()
    new = fp.extract(tiny_backbone, fp.load_dataset(class_folders), store=features.store.kind)
    handle = os.open(living, os.O_WRONLY | os.O_CREAT)
    from featprobe.core.file_lock import lock

    assert lock(handle)
    code, out = run(capsys, "gc")
    assert code == 0
    assert "4 things" in out
    assert half.exists()
    lines = run(capsys, "gc", "--json")[1].splitlines()
    found = {json.loads(line)["path"]: json.loads(line)["why"] for line in lines}
    assert set(found) == {str(half), str(inside), str(folder / ".gone.zarr.used"),
                          str(features.store.path)}  # fmt: skip
    assert "of other files than" in found[str(features.store.path)]
    assert run(capsys, "gc", "--yes")[0] == 0
    os.close(handle)
    assert not half.exists()
    assert not features.store.path.exists()
    assert new.store.path.exists()
    assert new.store.verify() == []
    assert "0 things" in run(capsys, "gc")[1]


def test_a_cache_that_is_not_there_is_empty(tmp_path: Path, capsys) -> None:
    code, out = run(capsys, "--cache", tmp_path / "none")
    assert code == 0
    assert "0 stores" in out
    code, out = run(capsys, "rm", "nothing")
    assert code == 2
    assert "no store 'nothing'" in out
