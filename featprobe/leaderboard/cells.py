"""The cells of a leaderboard, before anything is opened or run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from featprobe.leaderboard.finetune_request import FinetuneRequest
from featprobe.leaderboard.model_request import Model
from featprobe.leaderboard.probe_request import ProbeRequest, without_views
from featprobe.leaderboard.protocol_request import ProtocolRequest
from featprobe.leaderboard.yaml_entries import Data


@dataclass(frozen=True)
class Cell:
    """A data set, a backbone, and what is asked of them under a protocol and a seed."""

    data: Data
    model: Model
    work: ProbeRequest | FinetuneRequest
    protocol: ProtocolRequest
    seed: int
    among: int = 1  # how many seeds there are

    @property
    def name(self) -> str:
        """``films / dinov2_vits14 / knn, 10 % of train, seed 1``."""
        return self.name_with(self.work.name)

    def name_with(self, work: str) -> str:
        """The same with what its probe is called where a preset's view of the backbone is known."""
        said = [work, self.protocol.name]
        said += [f"seed {self.seed}"] if self.among > 1 and self.protocol.seeded else []
        return f"{self.data.name} / {self.model.name} / {', '.join(filter(None, said))}"

    @property
    def probes(self) -> bool:
        """Whether it is of frozen features; otherwise of a training."""
        return isinstance(self.work, ProbeRequest)

    @property
    def called(self) -> dict[str, Sequence[Any]]:
        """By key of an exclusion what the cell may be called there."""
        work = self.work
        frozen = isinstance(work, ProbeRequest)
        return {
            "data": (self.data.name, self.data.text),
            "model": self.model.names,
            "probe": work.names if frozen else (),
            "finetune": () if frozen else work.names,
            "protocol": (self.protocol.kind,),
            "view": self._views,
            "image_size": tuple(
                v for m in self.model.sources for k, v in m.options if k == "image_size"
            ),
            "subset": (self.protocol.subset,),
            "seed": (self.seed,),
        }

    @property
    def _views(self) -> tuple[str, ...]:
        if not isinstance(self.work, ProbeRequest):
            return ()
        return (self.model.name,) if self.model.parts else self.work.views_of(self.model.offer)


def cells_of(
    data: Sequence[Data], models: Sequence[Model], probes: Sequence[ProbeRequest],
    finetune: Sequence[tuple[Model | None, FinetuneRequest]],
    protocols: Sequence[ProtocolRequest], seeds: Sequence[int],
) -> list[Cell]:  # fmt: skip
    """All cells, those of one backbone together: first ``models``, then those that a fine-tuning
    names itself. A fine-tuning is under the protocols that it can be under; a protocol that nothing
    is drawn in has one seed. Joined backbones name their views themselves, and are not trained."""
    joined = [p.of_joined() for p in without_views(probes)]
    every: dict[Model, list[ProbeRequest | FinetuneRequest]] = {
        m: [*joined] if m.parts else [*probes, *(t for own, t in finetune if own is None)]
        for m in models
    }
    for own, tuning in finetune:
        if own is not None:
            every.setdefault(own, []).append(tuning)
    out = []
    for model, works in every.items():
        for kind in (ProbeRequest, FinetuneRequest):
            for d in data:
                seeing = model.seeing(d)
                for work in works:
                    if isinstance(work, kind):
                        out += _under(Cell(d, seeing, work, protocols[0], 0), protocols, seeds)
    return out


def _under(cell: Cell, protocols: Sequence[ProtocolRequest], seeds: Sequence[int]) -> list[Cell]:
    out = []
    for protocol in protocols:
        if not cell.probes and not protocol.trains:
            continue
        for seed in seeds if protocol.seeded else seeds[:1]:
            work = cell.work if len(seeds) == 1 else cell.work.seeded(seed)
            out.append(replace(cell, work=work, protocol=protocol, seed=seed, among=len(seeds)))
    return out
