"""Decoding in other processes: the same pictures, and faults that stay one item's."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from PIL import Image

import featprobe as fp
from featprobe.extraction import open_store, worker
from featprobe.extraction.decoding import (
    Decoded,
    ahead,
    here,
    items_a_message,
    job,
    separable,
)
from featprobe.extraction.plan import plan_frames
from featprobe.extraction.workers import Pooled, Worker, Workers, pool
from tests.extraction.hostile import HostileSource


@pytest.fixture
def workers():
    made = Workers()
    yield made
    made.close()


def decoded(data: fp.Dataset, runner, workers: int = 2) -> list[Decoded]:
    plan = plan_frames(data)
    counts = np.bincount(plan.item, minlength=len(data))
    jobs = [partial(job, data, i, int(counts[i])) for i in range(len(data))]
    return list(ahead(jobs, runner, workers))


def equal(one: list[Decoded], other: list[Decoded]) -> None:
    for a, b in zip(one, other, strict=True):
        assert (a.item, a.text, a.fit) == (b.item, b.text, b.fit)
        np.testing.assert_array_equal(a.levels, b.levels)
        assert (a.pixels is None) == (b.pixels is None)
        if a.pixels is not None:
            assert a.pixels.dtype == b.pixels.dtype
            np.testing.assert_array_equal(a.pixels, b.pixels)


def small_films(folder: Path, n: int = 70) -> fp.Dataset:
    for i in range(n):
        Image.fromarray(np.full((9, 8 + i % 3), i, np.uint8)).save(folder / f"{i:02d}.png")
    return fp.load_dataset(folder, group="none", label="none")


def together(data: fp.Dataset, runner: Any, n: int) -> list[Decoded]:
    jobs = [partial(job, data, i, 1) for i in range(len(data))]
    return list(ahead(jobs, runner, 2, together=n))


def test_small_items_go_to_a_worker_together(tmp_path: Path, monkeypatch) -> None:
    data = small_films(tmp_path)
    assert items_a_message(data) == 8
    sent: list[int] = []
    send = worker.send

    def counted(sock: Any, value: Any, **lent: Any) -> None:
        sent.append(len(value[1].jobs))
        send(sock, value, **lent)

    monkeypatch.setattr(worker, "send", counted)
    equal(together(data, Pooled(), 8), decoded(data, here))
    assert sorted(sent, reverse=True) == [8] * 8 + [6]


def test_large_items_and_few_go_one_by_one(tmp_path: Path, class_folders) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (300, 300), np.uint8)
    data = small_films(tmp_path)
    Image.fromarray(noise).save(data.source.paths[0][0])
    assert items_a_message(data) == 1
    assert items_a_message(fp.load_dataset(class_folders)) == 1
    assert items_a_message(fp.Dataset.from_arrays(np.zeros((80, 4, 4), np.uint8))) == 1


def test_of_items_sent_together_only_the_one_at_fault_is_lost(tmp_path: Path, workers) -> None:
    data = small_films(tmp_path)
    paths = list(data.source.paths)
    paths[10] = (paths[10][0].rename(tmp_path / "kills.png"),)
    data = replace(data, source=HostileSource(paths))
    out = workers.several([job(data, i, 1) for i in range(8, 16)])
    assert [o.item for o in out] == list(range(8, 16))
    assert [o.item for o in out if o.pixels is None] == [10]
    assert "the decoder died (SIGSEGV)" in out[2].text


def test_other_processes_decode_the_same(class_folders, tmp_path: Path) -> None:
    (class_folders / "sick" / "text.png").write_text("not an image")
    Image.fromarray(np.zeros((300, 400), np.uint8)).save(class_folders / "sick" / "black.png")
    data = fp.load_dataset(class_folders, group="none")
    assert separable(data)
    equal(decoded(data, pool()), decoded(data, here))


@pytest.mark.slow
def test_real_volumes_and_series_decode_the_same(real_data) -> None:
    for name in ("hippocampus/images", "brain_mr/FLAIR"):
        data = fp.load_dataset(real_data / name)
        equal(decoded(data, pool())[:20], decoded(data, here)[:20])


def test_arrays_in_memory_stay_in_this_process(real_data) -> None:
    assert not separable(fp.load_dataset(real_data / "pneumoniamnist_28.npz"))


@pytest.mark.slow
@given(
    arrays.arrays(
        st.sampled_from([np.uint8, np.int16, np.float32]),
        arrays.array_shapes(min_dims=3, max_dims=4, max_side=70),
    )
)
def test_any_pixels_survive_the_journey(pixels) -> None:
    import socket

    ours, theirs = socket.socketpair()
    with ours, theirs:
        sender = threading.Thread(target=worker.send, args=(theirs, {"a": 1}, pixels))
        sender.start()
        value, got, _ = worker.receive(ours)
        sender.join()
    assert value == {"a": 1}
    assert got.dtype == pixels.dtype
    np.testing.assert_array_equal(got, pixels)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("kills.png", "kills.png: the decoder died .SIGSEGV."),
        ("exits.png", "exits.png: the decoder died .exit status 3."),
        ("hangs.png", r"hangs.png: not decoded within 2 s .--item-timeout."),
    ],
)
def test_an_item_that_kills_or_hangs_its_decoder_is_left_out_alone(
    name, message, class_folders, tiny_backbone, monkeypatch
) -> None:
    good = next((class_folders / "sick").glob("*.png"))
    (class_folders / "sick" / name).write_bytes(good.read_bytes())
    data = fp.load_dataset(class_folders, group="none")
    data = replace(data, source=HostileSource(data.source.paths))
    run = Worker.run  # time is short for the item that hangs alone, however busy the machine is
    monkeypatch.setattr(
        Worker, "run", lambda self, job, _: run(self, job, 2 if "hangs" in job.name else 600)
    )
    features = fp.extract(tiny_backbone, data, workers=2, item_timeout=2)
    assert len(features) == 40
    assert len(features.left_out) == 1
    assert features.left_out[0].id == f"sick/{name}"
    import re

    assert re.search(message, features.left_out[0].reason)


def test_a_decoder_that_dies_once_is_replaced_and_the_item_read(class_folders, workers) -> None:
    good = next((class_folders / "sick").glob("*.png"))
    (class_folders / "sick" / "dies_once.png").write_bytes(good.read_bytes())
    data = fp.load_dataset(class_folders, group="none")
    data = replace(data, source=HostileSource(data.source.paths))
    out = decoded(data, workers)
    assert all(d.pixels is not None for d in out)
    assert (class_folders / "sick" / "dies_once.once").exists()


def test_decoding_waits_when_enough_bytes_are_ahead() -> None:
    begun: list[int] = []
    done = threading.Semaphore(0)

    def run(i: int) -> Decoded:
        done.release()  # of the one before, which the only thread has left
        return Decoded(i, np.zeros((1, 100, 100), np.uint8))

    def made() -> Iterator[Callable[[], int]]:
        for i in range(50):
            begun.append(i)
            yield lambda i=i: i

    stream = ahead(made(), run, 1, depth=40, most=30_000)
    next(stream)
    for _ in range(40):
        done.acquire()
    assert len(begun) == 40
    for _ in range(20):
        next(stream)
    assert len(begun) == 40  # what is ahead exceeds the bytes allowed: nothing new has begun
    assert len(list(stream)) == 29  # and it goes on to the end
    assert len(begun) == 50


@pytest.mark.slow
def test_the_time_of_an_item_begins_when_its_decoder_is_there(
    class_folders, workers, tmp_path: Path, monkeypatch
) -> None:
    """A process that starts slowly, as on a busy machine or a network disk, costs no item."""
    slow = tmp_path / "slow"
    slow.mkdir()
    (slow / "sitecustomize.py").write_text("import time; time.sleep(4)")
    monkeypatch.syspath_prepend(slow)
    data = fp.load_dataset(class_folders, group="none")
    out = workers(job(data, 0, 1), seconds=3)
    assert out.text == ""
    assert out.pixels is not None


def test_a_worker_imports_neither_torch_nor_zarr() -> None:
    code = (
        "import sys, featprobe.extraction.worker, featprobe.extraction.decoding;"
        "print([m for m in ('torch', 'zarr', 'transformers', 'sklearn') if m in sys.modules])"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"


def test_a_worker_reads_relative_paths_where_its_asker_is_now(
    class_folders, tmp_path, monkeypatch, workers
) -> None:
    """Workers outlive an extraction; a notebook may have moved to another folder since."""
    for name, level in (("one", 10), ("two", 200)):
        (tmp_path / name / "films").mkdir(parents=True)
        Image.fromarray(np.full((8, 8), level, np.uint8)).save(tmp_path / name / "films" / "a.png")
    seen = []
    for name in ("one", "two"):
        monkeypatch.chdir(tmp_path / name)
        (out,) = decoded(fp.load_dataset("films", label="none", group="none"), workers)
        seen.append(int(out.pixels.max()))
    assert seen[1] > seen[0]


@given(st.lists(st.integers(0, 5), max_size=6))
def test_frames_of_any_index_are_taken_and_runs_are_not_copied(index: list[int]) -> None:
    pixels = np.random.default_rng(0).integers(0, 9, (6, 2, 3))
    at = np.array(index, dtype=int)
    found = list(Decoded(0, pixels).alike(at))
    np.testing.assert_array_equal(np.concatenate(found), pixels[at])
    if index and index == list(range(index[0], index[0] + len(index))):
        assert all(np.shares_memory(one, pixels) for one in found)


def test_processes_begun_ahead_are_those_that_decode(class_folders, workers) -> None:
    workers.begin(2)
    begun = set(workers._all)
    assert len(begun) == 2
    workers.begin(1)  # there are enough
    data = fp.load_dataset(class_folders)
    found = workers(job(data, 0, 1))
    assert found.pixels is not None
    assert workers._all == begun
    workers.begin(3)
    assert len(workers._all) == 3


def test_decoders_of_a_new_store_begin_before_its_headers_are_read(
    class_folders, tmp_path, tiny_backbone, monkeypatch
) -> None:
    order: list[str] = []
    plan = open_store.plan_frames
    monkeypatch.setattr(Workers, "begin", lambda self, n: order.append(f"begin {n}"))
    monkeypatch.setattr(
        open_store, "plan_frames", lambda *a: (order.append("headers"), plan(*a))[1]
    )
    data = fp.load_dataset(class_folders)
    for workers in (3, 0):
        fp.extract(
            tiny_backbone, data, cache=tmp_path / str(workers), workers=workers, device="cpu"
        )
    fp.extract(tiny_backbone, data, cache=tmp_path / "3", workers=3, device="cpu")  # complete
    assert order == ["begin 3", "headers", "headers"]
