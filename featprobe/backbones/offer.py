"""What a backbone has to give, stored or not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from featprobe.backbones.spec import POOLED


@dataclass(frozen=True)
class Offer:
    """``outputs``: name -> blocks of a backbone, whether they are stored or not; ``pooled``: the
    one of them that its own classifier sees, or what comes closest to it."""

    name: str
    outputs: Mapping[str, int]
    pooled: str

    @classmethod
    def of(cls, name: str, outputs: Mapping[str, int], pooled: str = "") -> Offer:
        """``pooled`` where the network does not say: the first of ``POOLED`` that it has."""
        vectors = [n for n in outputs if n != "tokens"]
        usual = next((n for n in POOLED if n in outputs), next(iter(vectors), "tokens"))
        return cls(name, outputs, pooled if pooled in outputs else usual)

    def __str__(self) -> str:
        return ", ".join(f"{n} ({b} block{'s' * (b > 1)})" for n, b in self.outputs.items())
