"""Learning rates at the end of a grid."""

from __future__ import annotations

import numpy as np
import pytest

from featprobe.segmentation.decoders.linear import LinearDecoder
from featprobe.segmentation.items import MaskedItems
from featprobe.segmentation.rates import choose
from featprobe.segmentation.run import segment
from featprobe.segmentation.training import Training, usual
from featprobe.segmentation.work import Work
from tests.segmentation.phantoms import Phantoms


class Slow(LinearDecoder):
    """Its own rates are far too small."""

    rates = (1e-5, 1e-4)


@pytest.fixture(scope="module")
def items() -> MaskedItems:
    return MaskedItems(Phantoms(items=16, frames=2))


def test_the_decoders_own_grid_goes_on_beyond_its_end(items: MaskedItems) -> None:
    t = usual(Slow(), epochs=4, min_steps=1, batch=8)
    work = Work(Slow(), items, t, seeds=(0, 1))
    found = choose(work, work.learn(np.arange(10)), np.arange(10), np.arange(10, 16))
    assert found.notes == [
        "the best lr was at the end of the grid, and 0.0003, 0.001 were tried too"
    ]
    assert [c["lr"] for c in found.fitted[0].candidates] == pytest.approx([1e-5, 1e-4, 3e-4, 1e-3])
    assert [len(f.candidates) for f in found.fitted] == [4, 4]
    assert found.best == 3
    assert found.val == work.choose(found.fitted, np.arange(10, 16))[1]


def test_a_grid_that_was_given_is_kept_and_its_end_is_said(items: MaskedItems) -> None:
    t = Training(lr=(1e-5, 1e-4), epochs=4, min_steps=1, batch=8)
    (r,) = segment(items, LinearDecoder(), training=t)
    assert r.params["lr"] == 1e-4
    assert any("the best lr 0.0001 is the largest that was tried" in n for n in r.notes)
    (r,) = segment(items, LinearDecoder(), training=Training(lr=(1e-2,), min_steps=1, batch=8))
    assert not any("the best lr" in n for n in r.notes)


def test_the_chosen_rate_beyond_the_grid_is_trained_again_by_refit(items: MaskedItems) -> None:
    t = usual(Slow(), epochs=4, min_steps=1, batch=8)
    (r,) = segment(items, Slow(), training=t, refit=True)
    assert r.params["lr"] == pytest.approx(1e-3)
