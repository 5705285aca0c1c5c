"""What the grid allows, beside what decoders reach."""

from __future__ import annotations

import numpy as np
import pytest

from featprobe.evaluation.protocols import Full
from featprobe.segmentation.ceiling import MOST, ceiling
from featprobe.segmentation.decoders.named import make_decoder
from featprobe.segmentation.items import MaskedItems
from featprobe.segmentation.run import segment
from tests.segmentation.phantoms import Phantoms


@pytest.mark.parametrize("multilabel", [False, True])
def test_more_patches_allow_more_and_cells_more_than_patches(multilabel: bool) -> None:
    found = []
    for grid in (4, 8, 16):
        items = MaskedItems(Phantoms(items=6, grid=grid, multilabel=multilabel))
        found.append(ceiling(items, np.arange(6)))
    patches = [f["patches"] for f in found]
    assert patches == sorted(patches)
    assert patches[0] < 0.9 < patches[2]
    assert all(f["cells"] > f["patches"] for f in found)


def test_a_grid_of_every_voxel_loses_nothing() -> None:
    assert ceiling(MaskedItems(Phantoms(items=3)), np.arange(3))["cells"] == pytest.approx(1)


def test_void_and_classes_that_no_item_has_do_not_count() -> None:
    phantoms = Phantoms(items=3)
    for values in phantoms.values:
        values[values == 2] = 0
        values[:, :4] = 255
    assert ceiling(MaskedItems(phantoms), np.arange(3))["cells"] == pytest.approx(1, abs=0.01)
    for values in phantoms.values:
        values[values == 1] = 0
    assert np.isnan(ceiling(MaskedItems(phantoms), np.arange(3))["cells"])


def test_a_result_tells_it_and_no_more_masks_are_read_than_needed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    phantoms = Phantoms(items=30, frames=1)
    items, read = MaskedItems(phantoms), []
    whole = phantoms.mask
    monkeypatch.setattr(phantoms, "mask", lambda i: read.append(i) or whole(i))
    first = ceiling(items, np.arange(30))
    assert len(set(read)) == MOST
    assert ceiling(items, np.arange(30)) is first
    assert len(set(read)) == MOST
    (r,) = segment(items, make_decoder("position"), Full())
    assert set(r.ceiling) == {"patches", "cells"}
    assert any(f"8 x 8 patches and back have Dice {r.ceiling['patches']:.3f}" in n for n in r.notes)
