"""What a user asks for: decoders and their training, from names, a preset and settings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

from featprobe.core.errors import InputError, UnknownName, nearest
from featprobe.features.feature_set import FeatureSet
from featprobe.segmentation.decoders.base import Decoder
from featprobe.segmentation.decoders.named import DECODERS, make_decoder
from featprobe.segmentation.losses import Loss
from featprobe.segmentation.presets import preset as study
from featprobe.segmentation.training import Training, usual

USUAL = "linear"


@dataclass(frozen=True)
class DecoderConfig:
    """One decoder with its training; ``refit``: a preset trains again on train and val.

    ``preset``: its name, where that says how many blocks the decoder takes, empty otherwise.
    """

    decoder: Decoder
    training: Training
    refit: bool = False
    preset: str = ""

    def on(self, features: FeatureSet) -> DecoderConfig:
        """The same for a backbone with fewer blocks of tokens than its preset takes.

        A U-Net then has fewer stages, each twice the grid of the one before. Of stores that do not
        say what their backbone has nothing is changed. Raises :class:`InputError` with the preset
        that would do where one block is all there is.
        """
        blocks = (features.provenance.get("outputs") or {}).get("tokens", self.decoder.takes)
        if not self.preset or blocks >= self.decoder.takes:
            return self
        options = self.decoder.to_dict()
        if blocks < 2:
            raise InputError(
                f"preset {self.preset} takes tokens of {self.decoder.takes} blocks, and "
                f"{features.backbone} has {blocks}: use --preset rad-seg-linear or "
                "dinov2-seg-linear"
            )
        fewer = {**options, "blocks": blocks, "widths": tuple(options["widths"][1 - blocks :])}
        return replace(self, decoder=make_decoder(self.decoder.name, **fewer))


def decoder_configs(
    names: Sequence[str], preset: str | None, values: Mapping[str, Any]
) -> list[DecoderConfig]:
    """The decoders of these names (or the preset's), with values over those of the preset.

    A value belongs to the decoders that have an option of that name, or else to training
    (``weights`` and ``smoothing`` to its loss). Raises :class:`UnknownName` for a value that
    nothing has, and :class:`~featprobe.core.errors.InputError` for one that makes no sense.
    """
    chosen = study(preset) if preset else None
    names = list(dict.fromkeys(names)) or [chosen.decoder if chosen else USUAL]
    if chosen and names != [chosen.decoder]:
        raise UnknownName(
            f"preset {preset} is of the decoder {chosen.decoder}: leave --decoder out"
        )
    base = {**(chosen.training if chosen else {}), **values}
    options = dict(chosen.options) if chosen else {}
    training = [f.name for f in fields(Training)]
    of_loss = [f.name for f in fields(Loss) if f.name != "kind"]
    kinds = {n: DECODERS.get(n).options() for n in names}
    known = {*training, *of_loss, *(o for k in kinds.values() for o in k)}
    for name in base:
        if name not in known:
            raise UnknownName(
                f"unknown setting {name!r}.{nearest(name, known)} Known: {', '.join(sorted(known))}"
            )
    loss = Loss(**{
        "kind": base.get("loss", Training().loss.kind),
        **{n: base[n] for n in of_loss if n in base},
    })  # fmt: skip
    own = {n: base[n] for n in training if n in base and n != "loss"}
    decoders = [
        make_decoder(n, **{**options, **{o: base[o] for o in kinds[n] if o in base}}) for n in names
    ]
    refit = bool(chosen and chosen.refit)
    named = chosen.name if chosen and "blocks" in chosen.options and "blocks" not in values else ""
    return [DecoderConfig(d, usual(d, **{**own, "loss": loss}), refit, named) for d in decoders]
