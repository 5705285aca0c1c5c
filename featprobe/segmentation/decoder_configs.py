"""What a user asks for: decoders and their training, from names, a preset and settings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

from featprobe.core.errors import UnknownName, nearest
from featprobe.segmentation.decoders.base import Decoder
from featprobe.segmentation.decoders.named import DECODERS, make_decoder
from featprobe.segmentation.losses import Loss
from featprobe.segmentation.presets import preset as study
from featprobe.segmentation.training import Training, usual

USUAL = "linear"


@dataclass(frozen=True)
class DecoderConfig:
    """One decoder with its training; ``refit``: a preset trains again on train and val."""

    decoder: Decoder
    training: Training
    refit: bool = False


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
    return [DecoderConfig(d, usual(d, **{**own, "loss": loss}), refit) for d in decoders]
