"""Backbones of the catalog at reduced size: of the same kind, narrow and shallow."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from featprobe.backbones.catalog import CATALOG
from featprobe.backbones.spec import LIBRARIES

NARROW: dict[str, Any] = {
    "hidden_size": 32, "num_hidden_layers": 4, "num_attention_heads": 2, "intermediate_size": 64,
    "projection_dim": 16, "global_attn_indexes": [1, 3], "window_size": 2, "output_channels": 16,
    "embed_dim": 8, "depths": [1, 1, 1, 1], "embedding_size": 8, "hidden_sizes": [8, 16, 24, 32],
    "width_coefficient": 0.1, "depth_coefficient": 0.1, "hidden_dim": 128,
}  # fmt: skip


def reduce(monkeypatch: pytest.MonkeyPatch, *names: str) -> tuple[list[str], list[str]]:
    """Give entries of the catalog small configurations; names of those, and of the ones that a
    library builds, which has its own."""
    small, others = [], []
    for name in names:
        spec = CATALOG[name]
        if spec.source.partition(":")[0] in LIBRARIES:
            others.append(name)
            continue
        config = spec.config | {k: v for k, v in NARROW.items() if k in spec.config}
        assert spec.preprocess is not None
        seen = spec.preprocess.at(2 * (spec.patch or 16))  # a few tokens
        monkeypatch.setitem(CATALOG, name, replace(spec, config=config, preprocess=seen))
        small.append(name)
    return small, others
