"""What smaller stores of tokens cost in Dice, on volumes of the hippocampus."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.benchmarks.rows import Row

STORED: tuple[dict[str, Any], ...] = (
    {"dtype": "float16"}, {"dtype": "int8"}, {"dtype": "float8"}, {"dim": 128}, {"dim": 64},
    {"dim": 64, "dtype": "int8"},
)  # fmt: skip
SIZE = 112


def compression(data: Any, cache: Path) -> Iterator[Row]:
    """Dice of the logistic decoder, which has no chance in it, on tokens stored in several ways."""
    import featprobe as fp
    from featprobe.evaluation.protocols import Full
    from featprobe.features.tokens import TokenSet
    from featprobe.segmentation.decoders.named import make_decoder
    from featprobe.segmentation.items import MaskedItems
    from featprobe.segmentation.run import segment

    backbone = fp.load_backbone("tiny_vit14", image_size=SIZE)
    decoder = make_decoder("logistic", Cs=(1.0,), background=(0.25, 0.15, 0.1))
    first: tuple[float, float] | None = None
    for how in STORED:
        made = fp.extract(backbone, data, cache=cache, features=["tokens"], workers=0, **how)
        tokens = TokenSet(made, data)
        (r,) = segment(MaskedItems(tokens), decoder, Full())
        first = first or (r.metrics["dice"], float(tokens.nbytes))
        low, high = r.ci["dice"]
        name = " ".join(f"{k} {v}" for k, v in how.items())
        told = f"[{low:.3f}, {high:.3f}], {tokens.nbytes / first[1]:.2f} of the bytes"
        yield Row(
            f"tiny_vit14@{SIZE}, tokens as {name}: Dice of logistic against float16's",
            r.metrics["dice"], first[0], "Dice", note=told,
        )  # fmt: skip
