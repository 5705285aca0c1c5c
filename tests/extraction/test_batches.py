"""Frames of several items become batches on a device, through pinned buffers: the same pixels."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from featprobe.backbones import resizing
from featprobe.extraction.batches import Batches
from featprobe.extraction.decoding import Decoded
from featprobe.extraction.device import Forward
from featprobe.extraction.times import Times
from featprobe.extraction.transfer import BUFFERS, Upload
from featprobe.store.format import FeatureKey


@dataclass
class Late:
    """A copy that is made when it is waited for, as late as a card may make it."""

    host: Tensor
    out: Tensor
    done: bool = False

    def synchronize(self) -> None:
        if not self.done:
            self.out.copy_(self.host)
        self.done = True


@dataclass
class Slow:
    """A lane whose copies are read at the last moment."""

    made: int = 0
    copies: list[Late] = field(default_factory=list)

    def memory(self, n: int) -> Tensor:
        self.made += 1
        return torch.full((n,), 255, dtype=torch.uint8)

    def copy(self, host: Tensor) -> tuple[Tensor, Late]:
        self.copies.append(Late(host, torch.empty_like(host)))
        return self.copies[-1].out, self.copies[-1]


def frames(n: int, side: int, kind: str, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 100, (n, side, side)).astype(kind)


@given(
    st.lists(
        st.tuples(
            st.lists(st.integers(1, 3), min_size=1, max_size=3),
            st.integers(1, 9),
            st.sampled_from(["uint8", "int16", "uint16", "int32", "float32"]),
        ),
        max_size=7,
    )
)
def test_a_buffer_is_written_again_only_when_it_has_been_read(uploads) -> None:
    lane = Slow()
    upload = Upload(torch.device("cuda"), lane)
    expected, found = [], []
    for counts, side, kind in uploads:
        parts = [frames(n, side, kind, i) for i, n in enumerate(counts)]
        expected.append(np.concatenate(parts))
        found.append(upload(parts))
        assert sum(not c.done for c in lane.copies) <= BUFFERS  # no more are under way
    for copy in lane.copies:
        copy.synchronize()
    for a, b in zip(expected, found, strict=True):
        assert b.numpy().dtype == a.dtype
        np.testing.assert_array_equal(b.numpy(), a)


def test_buffers_grow_and_stay() -> None:
    lane = Slow()
    upload = Upload(torch.device("cuda"), lane)
    for side in (4, 4, 2, 3, 4, 1):
        upload([frames(2, side, "uint8", 0)])
    assert lane.made == BUFFERS
    for _ in range(BUFFERS):
        upload([frames(2, 8, "uint8", 0)])
    assert lane.made == 2 * BUFFERS


def test_on_a_cpu_frames_stay_where_they_are() -> None:
    x = frames(2, 4, "float32", 0)
    assert np.shares_memory(Upload(torch.device("cpu"))([x]).numpy(), x)


class Shard:
    """Keeps what comes back, by row."""

    start = 0

    def __init__(self) -> None:
        self.found: dict[int, np.ndarray] = {}

    def fill(self, rows: list[int], features: dict[str, np.ndarray]) -> None:
        for i, row in enumerate(rows):
            self.found[row] = features["cls"][i]


KEY = FeatureKey(
    weights="", config="", preprocess={}, recipe={}, outputs={"cls": 1}, precision="float32",
    dtype="float32", dataset="", versions={},
)  # fmt: skip


@pytest.mark.parametrize("most", [1, 1 << 30])
@pytest.mark.parametrize("lane", [None, "slow"])
def test_frames_shown_together_are_those_shown_alone(tiny_backbone, most, lane, monkeypatch):
    rng = np.random.default_rng(0)
    items = [
        Decoded(0, frames(1, 40, "uint8", 0), (0.0, 255.0)),
        Decoded(1, frames(3, 40, "uint8", 1), (0.0, 255.0)),
        Decoded(2, frames(2, 40, "uint8", 2), (0.0, 90.0)),  # another white
        Decoded(3, frames(7, 33, "uint16", 3), (0.0, 90.0)),  # another size
        Decoded(4, frames(2, 33, "uint16", 4), (0.0, 90.0)),
        Decoded(5, rng.integers(0, 255, (2, 33, 33, 3), dtype=np.uint8), (0.0, 255.0)),
        Decoded(6, frames(1, 33, "int16", 6), (np.zeros(3), np.array([9.0, 50.0, 70.0]))),
        Decoded(7, frames(1, 33, "int16", 7), (np.zeros(3), np.array([9.0, 50.0, 71.0])), "pad"),
    ]
    shown: list[int] = []
    render = type(tiny_backbone).render

    def counted(self, pixels, *rest):
        if lane:
            device.upload.lane.copies[-1].synchronize()
        shown.append(len(pixels))
        return render(self, pixels, *rest)

    upload = Upload(tiny_backbone.device, Slow()) if lane else None
    forward = Forward(tiny_backbone, {"cls": 1}, "float32", 5)
    device = Batches(tiny_backbone, forward, 5, Times(), KEY, upload)
    device.most = most
    monkeypatch.setattr(type(tiny_backbone), "render", counted)
    shard, row = Shard(), 0
    for one in items:
        n = len(one.pixels)
        device.add(shard, one, np.arange(row, row + n), np.arange(n))
        row += n
    device.flush(shard)
    device.land(0)
    assert sum(shown) == row
    assert len(shown) < row if most > 1 else len(shown) >= len(items)
    monkeypatch.setattr(type(tiny_backbone), "render", render)
    row = 0
    for one in items:
        x = tiny_backbone.prepare(one.pixels, *one.levels, one.fit)
        for values in tiny_backbone.forward(x, {"cls": 1})["cls"].numpy():
            np.testing.assert_allclose(shard.found[row], values, rtol=1e-4, atol=1e-5)
            row += 1


def test_small_images_of_many_items_are_shown_at_once(tiny_backbone, monkeypatch) -> None:
    device = Batches(
        tiny_backbone, Forward(tiny_backbone, {"cls": 1}, "float32", 8), 8, Times(), KEY
    )
    shown: list[int] = []
    render = type(tiny_backbone).render
    monkeypatch.setattr(
        type(tiny_backbone), "render",
        lambda self, x, *rest: (shown.append(len(x)), render(self, x, *rest))[1],
    )  # fmt: skip
    shard = Shard()
    for i in range(20):
        device.add(shard, Decoded(i, frames(1, 28, "uint8", i), (0.0, 255.0)), np.array([i]),
                   np.zeros(1, int))  # fmt: skip
    device.flush(shard)
    device.land(0)
    assert shown == [8, 8, 4]
    assert sorted(shard.found) == list(range(20))


def test_statistics_lie_on_the_device_and_do_not_hinder_training(tiny_backbone) -> None:
    with torch.inference_mode():
        first = resizing.constants(torch.device("cpu"), (0.25, 0.5, 0.75))
    assert first.shape == (1, 3, 1, 1)
    assert resizing.constants(torch.device("cpu"), (0.25, 0.5, 0.75)) is first
    weight = torch.ones(1, requires_grad=True)
    (weight * first).sum().backward()
    assert float(weight.grad) == 1.5
