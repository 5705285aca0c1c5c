"""extraction/memories.py: a picture's memory is written again when it is gone, and not before."""

from __future__ import annotations

import os
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

import featprobe as fp
from featprobe.extraction import memories as module
from featprobe.extraction import workers as workers_module
from featprobe.extraction.decoding import ahead, here, job
from featprobe.extraction.memories import LARGEST, MOST, WATCHED, Memories
from featprobe.extraction.worker import Memory
from featprobe.extraction.workers import Workers

pytestmark = pytest.mark.skipif(not hasattr(os, "memfd_create"), reason="needs memfd_create")


def memory(size: int = 1 << 17) -> Memory:
    fd = os.memfd_create("test")
    os.ftruncate(fd, size)
    return Memory(fd, size)


@pytest.fixture
def few(monkeypatch) -> Iterator[tuple[Workers, Memories]]:
    """Decoders and memories of their own."""
    kept = Memories()
    monkeypatch.setattr(workers_module, "memories", kept)
    made = Workers()
    yield made, kept
    made.close()


@pytest.mark.parametrize("view", [
    lambda a: a, lambda a: a[0], lambda a: a[:, ::2].T, lambda a: torch.from_numpy(a)[0],
    lambda a: a.view(np.int8).reshape(-1)[5:],
])  # fmt: skip
def test_it_is_free_when_the_last_view_is_gone(view):
    kept, one = Memories(), memory()
    one.write(np.arange(100, dtype=np.uint8))
    pixels = one.array((2, 5, 10), "|u1")
    kept.until_gone(pixels, one)
    part = view(pixels)
    assert kept.take() is None
    del pixels
    assert kept.take() is None
    del part
    assert kept.take() is one
    assert kept.take() is None
    one.close()


def test_no_more_are_kept_than_said():
    kept = Memories()
    for _ in range(MOST + 5):
        kept.give(memory())
    kept.give(large := memory(LARGEST + 1))
    assert len(kept.free) == MOST
    assert large.fd < 0
    pixels = [(m := memory()).array((4,), "|u1") for _ in range(WATCHED + 3)]
    for one in pixels:
        kept.until_gone(one, m := memory())
    assert len(kept.used) == WATCHED
    assert m.fd < 0  # one more descriptor is not held
    del pixels, one
    assert not kept.used
    kept.close()
    assert not kept.free


def films(folder: Path, sides: list[int]) -> fp.Dataset:
    for i, side in enumerate(sides):
        noise = np.random.default_rng(i).integers(0, 256, (side, side), np.uint8)
        Image.fromarray(noise).save(folder / f"{i:02d}.png")
    return fp.load_dataset(folder, group="none", label="none")


def jobs(data: fp.Dataset) -> list:
    return [partial(job, data, i, 1) for i in range(len(data))]


def test_pictures_that_stay_are_not_written_over(tmp_path, few):
    workers, kept = few
    data = films(tmp_path, [300, 400, 300, 260, 500, 300, 20, 400, 300, 300, 256, 257])
    first = list(ahead(jobs(data), workers, 2))
    expected = list(ahead(jobs(data), here, 1))
    for _ in range(3):  # again, while the first are held
        for one, right in zip(ahead(jobs(data), workers, 2), expected):
            np.testing.assert_array_equal(one.pixels, right.pixels)
    for one, right in zip(first, expected):
        np.testing.assert_array_equal(one.pixels, right.pixels)
        assert one.levels == right.levels
    assert kept.free


def test_a_memory_is_lent_again_and_grows_with_the_pictures(tmp_path, few):
    workers, kept = few
    data = films(tmp_path, [300, 300, 400, 300])
    small, same, larger, fits = (make() for make in jobs(data))
    del_after = workers(small)
    del del_after
    (one,) = kept.free
    again = workers(same)
    assert not kept.free
    assert kept.used == {one}
    del again
    assert list(kept.free) == [one]
    assert workers(larger).pixels.shape == (1, 400, 400)
    (two,) = kept.free
    assert (two.size, one.fd) == (400 * 400, -1)  # what had become too small is no longer kept
    assert workers(fits).pixels.shape == (1, 300, 300)
    assert list(kept.free) == [two]


def test_what_a_dead_decoder_was_lent_is_not_used_again(tmp_path, few):
    workers, kept = few
    data = films(tmp_path, [300, 300])
    first, second = (make() for make in jobs(data))
    workers(first)
    (one,) = kept.free
    for process in list(workers._all):
        process.process.kill()
        process.process.wait()
        with pytest.raises(EOFError):
            process.run(second, 5)
    assert one.fd == -1
    assert workers(second).pixels is not None


def test_items_that_fail_leave_no_descriptor(tmp_path, few):
    workers, kept = few
    data = films(tmp_path, [300, 300, 20])
    good, broken, small = (make() for make in jobs(data))
    workers(good)
    (one,) = kept.free
    (tmp_path / "01.png").write_bytes(b"no picture")
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(5):
        failed = workers(broken)
        assert failed.pixels is None
        assert failed.text
        assert workers(small).pixels.shape == (1, 20, 20)  # in the message itself
        assert list(kept.free) == [one]
    assert len(os.listdir("/proc/self/fd")) == before


@given(st.lists(st.integers(0, 3), max_size=60))
def test_nothing_is_lost_or_given_twice(moves):
    kept, held = Memories(), []
    for move in moves:
        if move == 0 and held:
            held.pop(0)
        elif move == 1 and held:
            held.pop()
        else:
            one = kept.take() or memory(64)
            held.append(one.array((8,), "|u1"))
            kept.until_gone(held[-1], one)
        assert len(kept.used) == len(held)
        assert not kept.used & set(kept.free)
        assert len(set(kept.free)) == len(kept.free) <= module.MOST
    held.clear()
    kept.close()
