"""What a fine-tuning to masks is told beside its recipe and training: decoder, loss, grid."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any

from featprobe.core.errors import InputError
from featprobe.core.options import Checked, checked
from featprobe.finetuning.recipes.base import Recipe
from featprobe.finetuning.recipes.named import RECIPES
from featprobe.finetuning.settings import Training
from featprobe.finetuning.studies import study
from featprobe.probes.selection import AUTO
from featprobe.segmentation.decoders.base import Decoder, Trained
from featprobe.segmentation.decoders.named import DECODERS, make_decoder
from featprobe.segmentation.items import SCALE
from featprobe.segmentation.losses import Loss

TASK = "segmentation"
SELECT = ("dice", "log_loss")
OF_DECODER = "decoder."  # before an option that a recipe has, too
_OF_LOSS = ("weights",)
# settings of a training that mean nothing here, and what does
_IDLE = {
    "balanced": "give --set weights=[...], one of each class",
    "head_dropout": "decoders have none",
    "view": "a decoder takes the tokens of as many blocks as it has",
    "pool": "frames are segmented one by one",
    "train_frames": "--batch counts frames",
    "standardize": "decoders have norms of their own",
}


@dataclass(frozen=True)
class Segmentation(Checked):
    """A decoder to be trained with the backbone.

    ``decoder``: one that is a network and looks at tokens, by name with its own options' defaults,
    or made by :func:`~featprobe.segmentation.decoders.named.make_decoder`. ``loss``: over the
    frames of a batch, background included. ``scale``: cells along a patch on which the loss is
    taken and answers are given (no more than pixels), as in ``featprobe segment``.
    """

    decoder: Trained | str = "linear"
    loss: Loss = field(default_factory=lambda: Loss("dice_ce"))
    scale: int = SCALE

    def owner(self) -> str:
        return "a segmentation"

    def check(self) -> None:
        made = make_decoder(self.decoder) if isinstance(self.decoder, str) else self.decoder
        object.__setattr__(self, "decoder", checked_decoder(made))
        if self.scale < 1:
            raise InputError(f"scale {self.scale} must be at least 1")

    @property
    def network(self) -> Trained:
        """The decoder, made."""
        assert isinstance(self.decoder, Trained)
        return self.decoder

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values, options of the decoder that a recipe may have, too, under their full
        names."""
        own = self.network.to_dict()
        loss = {"loss": self.loss.kind, "weights": self.loss.weights}
        plain = {k: list(v) if isinstance(v, tuple) else v for k, v in loss.items()}
        named = {f"{OF_DECODER}{k}": v for k, v in own.items()}
        return {"decoder": self.network.name, **named, **plain, "scale": self.scale}

    def fitted(self, training: Training, recipe: Recipe) -> tuple[Segmentation, Training]:
        """These settings beside those of a training, each where it is used.

        Raises :class:`InputError`, in one line, for a setting of the training that has no effect on
        masks, and for a recipe that starts from a probe.
        """
        usual = Training()
        for name, instead in _IDLE.items():
            if getattr(training, name) != getattr(usual, name):
                raise InputError(f"{name} has no effect on {TASK}: {instead}")
        if training.select not in (AUTO, *SELECT):
            raise InputError(
                f"select {training.select!r}: {TASK} is chosen by {' or '.join(SELECT)}"
            )
        if recipe.start != "zeros":
            raise InputError(
                f"recipe {recipe.name} starts from the logistic probe of items, which masks have "
                "none of; use full with --set warmup=0.2, or last-n"
            )
        smoothing = training.smoothing or self.loss.smoothing
        if smoothing and self.loss.kind == "dice":
            raise InputError("smoothing has no effect with loss dice; use ce or dice_ce")
        loss = replace(self.loss, smoothing=smoothing)
        return replace(self, loss=loss), replace(training, smoothing=smoothing, standardize=False)


def checked_decoder(decoder: Decoder) -> Trained:
    """A decoder, which must be a network on tokens."""
    if not isinstance(decoder, Trained) or decoder.alone:
        raise InputError(
            f"decoder {decoder.name} is nothing that a backbone trains through; use linear, multi, "
            "unet, conv or dpt, and 'featprobe segment' for others"
        )
    return decoder


def segmentation_of(
    recipe: str | None, preset: str | None, decoder: str | None, loss: str | None,
    values: Mapping[str, Any],
) -> tuple[Segmentation, dict[str, Any]]:  # fmt: skip
    """The settings that names and values ask for, and the values that are of something else.

    A value belongs to the decoder where it has an option of that name and the recipe (or the
    preset's) has none; ``decoder.NAME`` is always the decoder's. Raises :class:`UnknownName` and
    :class:`InputError` as those do that are made.
    """
    left = dict(values)
    name = str(decoder or left.pop("decoder", "linear"))
    kind = loss or left.pop("loss", "dice_ce")
    used = RECIPES.get(study(preset).recipe if preset else recipe or "full")
    theirs = [f.name for f in fields(used)]
    own = {n: left.pop(n) for n in DECODERS.get(name).options() if n in left and n not in theirs}
    for full in [n for n in left if n.startswith(OF_DECODER)]:
        own[full.removeprefix(OF_DECODER)] = left.pop(full)
    of_loss = {n: left.pop(n) for n in _OF_LOSS if n in left}
    made = Loss(**{"kind": kind, **of_loss})
    scale = checked("scale", left.pop("scale", SCALE), int, "a segmentation")
    return Segmentation(checked_decoder(make_decoder(name, **own)), made, scale), left
