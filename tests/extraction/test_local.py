"""Extraction: right numbers, reuse, resume, quarantine, clear refusals."""

from __future__ import annotations

import re
import shutil
import signal
import threading
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import featprobe as fp
from featprobe.core.errors import InputError, StoreError, UnknownName, UnreadableItem
from featprobe.extraction import pipeline
from featprobe.extraction.decoding import Decoded, ahead, job
from featprobe.images.intensity import value_range
from featprobe.store.zarr import ZarrStore
from tests.extraction import commands, moments
from tests.extraction.films import class_films


def direct(backbone, dataset: fp.Dataset, i: int) -> dict[str, np.ndarray]:
    """Features of one item without any of the pipeline."""
    picture = dataset.open(i)
    x = backbone.prepare(picture.pixels, *value_range(picture, dataset.recipe.intensity))
    return {k: v.numpy() for k, v in backbone.forward(x, blocks=2).items()}


def test_stored_features_are_those_of_a_direct_pass(tiny_backbone, class_folders) -> None:
    data = fp.load_dataset(class_folders)
    features = fp.extract(tiny_backbone, data, dtype="float32", blocks=2)
    assert features.ids.tolist() == data.ids.tolist()
    assert len(features) == 40
    for i in (0, 7, 39):
        expected = direct(tiny_backbone, data, i)
        np.testing.assert_allclose(features.x("cls")[i], expected["cls"][0, -1], atol=1e-5)
        np.testing.assert_allclose(features.x("cls:2")[i], expected["cls"][0].ravel(), atol=1e-5)
        joined = np.r_[expected["cls"][0, -1], expected["mean"][0, -1]]
        np.testing.assert_allclose(features.x("cls+mean")[i], joined, atol=1e-5)


def test_half_precision_on_disk_costs_half_precision(tiny_backbone, class_folders) -> None:
    data = fp.load_dataset(class_folders)
    exact = fp.extract(tiny_backbone, data, dtype="float32").x()
    half = fp.extract(tiny_backbone, data, dtype="float16").x()
    assert np.abs(exact - half).max() <= np.abs(exact).max() * 2**-11 * 1.01


def test_volumes_are_pooled_over_their_frames(tiny_backbone, tmp_path: Path) -> None:
    import nibabel

    rng = np.random.default_rng(0)
    for i, depth in enumerate((3, 5, 4)):
        image = nibabel.Nifti1Image(rng.normal(size=(20, 24, depth)).astype(np.float32), np.eye(4))
        image.to_filename(tmp_path / f"v{i}.nii.gz")
    data = fp.load_dataset(tmp_path, cache=tmp_path / "c")
    features = fp.extract(tiny_backbone, data, dtype="float32", batch_size=4, cache=tmp_path / "c")
    assert features.store.layout.frames == 12
    assert features.store.frame_item().tolist() == [0] * 3 + [1] * 5 + [2] * 4
    assert features.store.frame_index().tolist() == [0, 1, 2, 0, 1, 2, 3, 4, 0, 1, 2, 3]
    for i in range(3):
        frames = direct(tiny_backbone, data, i)["cls"][:, -1]
        np.testing.assert_allclose(features.x()[i], frames.mean(0), atol=1e-5)
        np.testing.assert_allclose(features.x(pool="max")[i], frames.max(0), atol=1e-5)
        both = np.r_[frames.mean(0), frames.std(0)]
        np.testing.assert_allclose(features.x(pool="mean+std")[i], both, atol=1e-5)


def test_a_second_run_extracts_nothing(tiny_backbone, class_folders, monkeypatch) -> None:
    data = fp.load_dataset(class_folders)
    first = fp.extract(tiny_backbone, data)
    assert first.summary.new_frames == 40

    def never(*_args, **_keywords):
        raise AssertionError("a complete store was extracted again")

    monkeypatch.setattr(pipeline, "run", never)
    second = fp.extract(tiny_backbone, fp.load_dataset(class_folders))
    assert second.summary.new_frames == 0
    np.testing.assert_array_equal(first.x(), second.x())


@pytest.mark.parametrize("kind", ["zarr", "hdf5"])
def test_a_store_whose_last_run_died_before_marking_it_complete_is_marked(
    tiny_backbone, class_folders, kind
) -> None:
    data = fp.load_dataset(class_folders)
    store = fp.extract(tiny_backbone, data, store=kind).store
    (store.path / "features.h5").remove()
    store.update(complete=None, failed=None, summary=None)
    again = fp.extract(tiny_backbone, data, store=kind)
    assert again.summary.new_frames == 0
    assert again.store.attributes["complete"]
    assert (store.path / "features.h5").exists() == (kind == "hdf5")


@pytest.mark.parametrize(("first", "second"), [("zarr", "hdf5"), ("hdf5", "zarr")])
def test_a_complete_store_of_another_kind_is_used_and_the_user_is_told(
    tiny_backbone, class_folders, first, second
) -> None:
    data = fp.load_dataset(class_folders)
    one = fp.extract(tiny_backbone, data, store=first, batch_size=4)
    other = fp.extract(tiny_backbone, data, store=second, batch_size=4)
    assert other.summary.new_frames == 0
    assert other.store.path == one.store.path
    told = f"{one.store.path.name} holds these features already .* export .* --to {second}"
    assert re.search(told, other.summary.notes["store"])
    one.store.reset([3])
    whole = fp.extract(tiny_backbone, data, store=second, batch_size=4)
    assert whole.summary.new_frames == 40
    assert whole.store.kind == second
    assert "store" not in whole.summary.notes
    assert fp.extract(tiny_backbone, data, store=first).store.kind == second


def test_what_the_numbers_depend_on_makes_another_store(tiny_backbone, class_folders) -> None:
    from tests.conftest import make_tiny

    def key(backbone=tiny_backbone, dtype="float16", **options) -> str:
        data = fp.load_dataset(class_folders, **options)
        return fp.extract(backbone, data, dtype=dtype).key.digest

    keys = [
        key(), key(make_tiny(seed=1)), key(dtype="float32"), key(intensity="minmax"),
        key(make_tiny(layer_norm_eps=1e-3)),
    ]  # fmt: skip
    assert len(set(keys)) == len(keys)
    Image.fromarray(np.zeros((9, 9), np.uint8)).save(class_folders / "sick" / "sick00_0.png")
    assert key() not in keys  # one file changed, its name and place did not


def test_changed_labels_need_no_new_extraction(tiny_backbone, class_folders, tmp_path) -> None:
    table = tmp_path / "films.csv"
    paths = sorted(p.relative_to(class_folders).as_posix() for p in class_folders.rglob("*.png"))
    for run, rule in enumerate((lambda i: i % 2, lambda i: i % 3)):
        rows = [f"{p},{rule(i)}" for i, p in enumerate(paths)]
        table.write_text("\n".join(["path,label", *rows]))
        features = fp.extract(tiny_backbone, fp.load_dataset(table, root=class_folders))
        assert features.summary.new_frames == (40 if run == 0 else 0)
        assert features.summary.relabelled == (run == 1)
        assert len(features.classes) == 2 + run


def broken(folder: Path) -> None:
    """Four kinds of bad files among good ones."""
    good = (folder / "sick" / "sick00_0.png").read_bytes()
    (folder / "sick" / "cut.png").write_bytes(good[: len(good) // 2])
    (folder / "sick" / "text.png").write_text("not an image")
    (folder / "normal" / "empty.png").write_bytes(b"")
    Image.fromarray(np.full((30, 30), 99, np.uint8)).save(folder / "normal" / "flat.png")


def test_unreadable_items_are_named_and_the_rest_goes_on(tiny_backbone, class_folders) -> None:
    broken(class_folders)
    features = fp.extract(tiny_backbone, fp.load_dataset(class_folders, group="none"))
    assert len(features) == 41
    reasons = {x.id: x.reason for x in features.left_out}
    assert set(reasons) == {"sick/cut.png", "sick/text.png", "normal/empty.png"}
    for item, reason in reasons.items():
        assert item in reason
        assert "\n" not in reason
    assert "empty" in reasons["normal/empty.png"]
    assert features.summary.notes == {"normal/flat.png": "constant image, every value is 99"}
    assert np.isfinite(features.x()).all()
    assert len(features.y) == len(features.ids) == 41


def test_strict_stops_at_the_first_unreadable_item(tiny_backbone, class_folders) -> None:
    broken(class_folders)
    with pytest.raises(UnreadableItem, match="empty.png"):
        fp.extract(tiny_backbone, fp.load_dataset(class_folders, group="none"), strict=True)


def test_recorded_failures_are_tried_again_on_request(tiny_backbone, class_folders, monkeypatch):
    from featprobe.images import files

    real = files.read

    def sometimes(paths, recipe):
        if paths[0].name == "sick03_1.png":
            raise UnreadableItem(f"{paths[0]}: the network drive is gone")
        return real(paths, recipe)

    monkeypatch.setattr(files, "read", sometimes)
    first = fp.extract(tiny_backbone, fp.load_dataset(class_folders), workers=0)
    assert len(first.left_out) == 1
    monkeypatch.setattr(files, "read", real)
    assert len(fp.extract(tiny_backbone, fp.load_dataset(class_folders)).left_out) == 1
    again = fp.extract(tiny_backbone, fp.load_dataset(class_folders), retry_failed=True)
    assert not again.left_out
    assert len(again) == 40


def test_nothing_readable_is_an_error(tiny_backbone, tmp_path: Path) -> None:
    (tmp_path / "a.png").write_text("no")
    with pytest.raises(InputError, match="none of the 1 items could be read; first: .*a.png"):
        fp.extract(tiny_backbone, fp.load_dataset(tmp_path))


def test_a_file_with_other_frames_than_its_header_is_left_out(tiny_backbone, class_folders) -> None:
    data = fp.load_dataset(class_folders)
    out = job(data, 3, planned=2).run()
    assert out.pixels is None
    assert "1 frames, its header says 2" in out.text


def test_features_beyond_float16_are_refused_and_float32_offered(class_folders) -> None:
    from tests.conftest import make_tiny

    backbone = make_tiny()
    with torch.no_grad():
        backbone.module.layernorm.weight.fill_(1e6)
    with pytest.raises(StoreError, match="--dtype float32"):
        fp.extract(backbone, fp.load_dataset(class_folders))
    assert np.isfinite(
        fp.extract(backbone, fp.load_dataset(class_folders), dtype="float32").x()
    ).all()


def test_a_backbone_that_returns_nan_is_not_stored(class_folders) -> None:
    from tests.conftest import make_tiny

    backbone = make_tiny()
    with torch.no_grad():
        backbone.module.layernorm.bias[0] = float("nan")
    with pytest.raises(InputError, match="NaN or infinite features"):
        fp.extract(backbone, fp.load_dataset(class_folders))


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"device": "warp"}, InputError, "unknown device 'warp'"),
        ({"precision": "int4"}, InputError, "unknown precision 'int4'"),
        ({"dtype": "int4"}, InputError, "unknown dtype 'int4'"),
        ({"store": "floppy"}, InputError, "unknown store 'floppy'"),
        ({"blocks": 0}, InputError, "--blocks 0"),
        ({"batch_size": -1}, InputError, "batch_size -1"),
        ({"features": ["clss"]}, UnknownName, "Did you mean 'cls'"),
    ],
)
def test_options_that_cannot_work_are_told(
    tiny_backbone, class_folders, options, error, message
) -> None:
    with pytest.raises(error, match=message):
        fp.extract(tiny_backbone, fp.load_dataset(class_folders), **options)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU here")
def test_a_gpu_that_is_not_there_is_an_error_not_a_slow_run(tiny_backbone, class_folders) -> None:
    with pytest.raises(InputError, match="sees no GPU"):
        fp.extract(tiny_backbone, fp.load_dataset(class_folders), device="cuda")


def test_items_are_decoded_once_and_not_far_ahead(class_folders) -> None:
    decoded: list[int] = []
    begun = threading.Semaphore(0)

    def decode(i: int) -> Decoded:
        decoded.append(i)
        begun.release()
        return Decoded(i)

    stream = ahead([lambda i=i: i for i in range(40)], decode, 2, depth=5)
    for n in range(10):
        assert next(stream).item == n
        for _ in range(5 if n == 0 else 1):
            begun.acquire()  # five lie ahead, or are begun
        assert len(decoded) == n + 5
    stream.close()
    assert len(decoded) == len(set(decoded))


# -- a real process, killed ----------------------------------------------------------------------


def only_store(cache: Path) -> Path | None:
    stores = [p for p in (cache / "features").glob("*/*.zarr") if not p.name.startswith(".")]
    return stores[0] if stores else None


@pytest.mark.slow
def test_kill_9_loses_nothing_committed_and_the_rest_is_bit_equal(tmp_path: Path) -> None:
    folder = class_films(tmp_path / "films", 150)
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    model = commands.save_tiny(tmp_path / "tiny")

    def run(cache: Path, *options: object, **first: Any) -> tuple[int, str]:
        return commands.run(
            tmp_path / "said", "extract", "--model", model, "--batch-size", 4, "--workers", 1,
            "--data", folder, "--cache", cache, "--quiet", *options, **first,
        )  # fmt: skip

    assert run(whole)[0] == 0
    reference = ZarrStore.open(only_store(whole))
    committed_before = 0
    for shards in (2, 9):  # killed twice, in different places
        code, _ = run(cut, first=partial(moments.after_shards, shards, signal.SIGKILL))
        assert code == -signal.SIGKILL
        status = ZarrStore.open(only_store(cut)).status()
        committed = int((status == 1).sum())
        assert committed_before < committed < 300
        committed_before = committed
    code, said = run(cut, "--json")
    assert code == 0
    import json

    summary = json.loads(said)
    assert summary["new_frames"] == 300 - committed_before
    resumed = ZarrStore.open(only_store(cut))
    assert resumed.complete
    for name in ("cls", "mean"):
        assert resumed.read(name).tobytes() == reference.read(name).tobytes()
    assert resumed.path.name == reference.path.name
    shutil.rmtree(tmp_path / "films")


def test_features_of_changed_files_replace_the_old_ones_in_probes(
    tiny_backbone, class_folders, cache
) -> None:
    from featprobe.store.cache import find

    fp.extract(tiny_backbone, fp.load_dataset(class_folders))
    (class_folders / "sick" / "sick09_1.png").unlink()
    new = fp.extract(tiny_backbone, fp.load_dataset(class_folders))
    assert len(new.summary.outdated) == 1
    assert new.summary.new_frames == 39
    stores, notes = find(cache)
    assert [s.path for s in stores] == [new.summary.path]
    assert any("have changed since" in n for n in notes)
