"""The part of a study that segments: decoders on the patch tokens of data sets with masks.

    segment:
      - {data: {data: montgomery, split: rad}, models: [dinov2_vitl14],
         presets: [rad-seg-linear, rad-seg-unet], shots: [1, 2, 4], draw: spaced}

Every preset learns from all of train, and from so many items of it, val choosing. What the cache
has is not run again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from featprobe.core import paths as settings
from featprobe.core.errors import InputError
from featprobe.core.fingerprint import digest
from featprobe.core.jsonvalues import plain
from featprobe.core.yaml_file import at, checked
from featprobe.evaluation import results
from featprobe.evaluation.protocols import Full
from featprobe.evaluation.results import Result
from featprobe.extraction.local import extract
from featprobe.features.tokens import TokenSet
from featprobe.leaderboard.cell_work import Cache, known
from featprobe.leaderboard.model_request import Model
from featprobe.leaderboard.yaml_entries import Data, make_data
from featprobe.leaderboard.yaml_models import make_models, one_backbone
from featprobe.leaderboard.yaml_schema import entries
from featprobe.segmentation.decoder_configs import decoder_configs
from featprobe.segmentation.items import MaskedItems
from featprobe.segmentation.partition import Shots
from featprobe.segmentation.presets import preset
from featprobe.segmentation.run import segment

ENTRY = {
    "data": Any, "models": Any, "presets": tuple[str, ...], "shots": tuple[int, ...], "draw": str,
}  # fmt: skip


@dataclass(frozen=True)
class Decoding:
    """A preset of decoders on the tokens of a backbone and a data set. ``among``: it and the others
    on the same tokens; ``few``: what is learnt from few items besides."""

    data: Data
    model: Model
    preset: str
    among: tuple[str, ...]
    few: Shots | None = None

    @property
    def name(self) -> str:
        """``montgomery / dinov2_vits14 / rad-seg-linear``."""
        return f"{self.data.name} / {self.model.name} / {self.preset}"

    def is_of(self, data: Sequence[str], models: Sequence[str]) -> bool:
        """Whether it is of one of these data sets and backbones, by default of any."""
        there = not data or bool({*data} & {self.data.name, self.data.text})
        return there and (not models or bool({*models} & {*self.model.names}))

    def run(self, cache: Cache = None, progress: bool = False) -> tuple[list[Result], bool]:
        """Its Results, and whether it had to run: tokens are extracted where they are missing."""
        dataset, backbone = self.data.open(cache), self.model.load()
        if "tokens" not in backbone.outputs:
            raise InputError(f"{backbone.name} has no patch tokens for {self.preset}")
        configs = {n: decoder_configs((), n, {})[0] for n in self.among}
        blocks = min(
            max(c.decoder.takes for c in configs.values()), backbone.outputs["tokens"][0]
        )  # one store for all presets
        made = extract(
            backbone, dataset, cache=cache, progress=progress, features=(f"tokens:{blocks}",)
        )
        tokens = TokenSet(made, dataset)
        config = configs[self.preset].on(tokens.features)
        items = MaskedItems(tokens, config.training.scale)
        root = settings.cache_root(cache)
        there = known(results.read(root, lambda text: None))
        masks = None if dataset.masks is None else dataset.masks.digest
        out: list[Result] = []
        ran = False
        ways: list[Full | Shots] = [Full(), *([self.few] if self.few else [])]
        for way in ways:
            asked = {
                "key": made.key.digest, "masks": masks, "preset": asdict(preset(self.preset)),
                "protocol": way.to_dict(),
            }  # fmt: skip
            requested = digest(plain(asked))
            shots = way.shots if isinstance(way, Shots) else (None,)
            found = [r for n in shots if (r := there.get(requested, {}).get(n)) is not None]
            if len(found) < len(shots):
                ran = True
                found = list(segment(
                    items, config.decoder, way, config.training, cache=cache, save=True,
                    refit=config.refit and way.name == "full", label=self.preset,
                ))  # fmt: skip
                for result in found:
                    result.request = requested
                    results.amend(root, result)
            out += found
        return out, ran


def decodings_of(listed: Sequence[Any], folder: Path, place: str) -> list[Decoding]:
    """Those of a study's file; errors name the place. Nothing is opened."""
    out = []
    for here, entry in entries(list(listed), "data", place):
        given = checked(entry, ENTRY, here)
        for key in ("data", "models", "presets"):
            if key not in given:
                raise InputError(f"{here}: {key!r} is needed")
        ((_, data),) = entries(given["data"], "data", f"{here}, data")
        made = make_data(data, folder, f"{here}, data")
        models = [
            m for p, e in entries(given["models"], "model", f"{here}, models")
            for m in make_models(e, folder, p)
        ]  # fmt: skip
        one_backbone(models, here, "decoders are of the patch tokens of one")
        with at(here):
            draw = given.get("draw", "spaced")
            few = Shots(given["shots"], 1, draw, True) if given.get("shots") else None
            for name in given["presets"]:
                preset(name)
        every = given["presets"]
        out += [Decoding(made, m.seeing(made), n, every, few) for m in models for n in every]
    return out
