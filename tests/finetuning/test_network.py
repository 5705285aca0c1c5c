"""network.py: how a head pools the frames of items."""

from __future__ import annotations

import pytest
import torch

from featprobe.finetuning.network import Head
from featprobe.solvers.gated import GatedAttention


@pytest.mark.parametrize("pool", ["mean", "max", "attention"])
def test_a_way_to_pool_is_its_word_whoever_wrote_it(pool: str) -> None:
    """A word that was read from a file is equal to the one in the code, and is not the same."""
    word = "".join(list(pool))
    assert word is not pool
    head = Head(4, 2, pool=word)
    assert isinstance(head.linear, GatedAttention) is (pool == "attention")
    frames = torch.arange(20.0).reshape(5, 4)
    counts = torch.tensor([3, 2])
    rows = head.rows(frames, counts)
    if pool == "attention":
        assert rows is frames  # pooled by the head itself
    else:
        parts = (frames[:3], frames[3:])
        want = [p.amax(0) if pool == "max" else p.mean(0) for p in parts]
        assert torch.equal(rows, torch.stack(want))
    assert head(frames, counts).shape == (2, 2)
