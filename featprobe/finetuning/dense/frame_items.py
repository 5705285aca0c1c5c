"""Items as decoders meet them, with tokens that a network under training gives now."""

from __future__ import annotations

import copy

import numpy as np
import torch
from torch.nn import functional as F

from featprobe.backbones.base import Backbone
from featprobe.core.errors import InputError
from featprobe.datasets.base import Dataset
from featprobe.features.with_masks import WithMasks
from featprobe.finetuning.dense.network import without_padding
from featprobe.finetuning.frames import WHITE, joined
from featprobe.finetuning.images import Images
from featprobe.finetuning.inference import features_of
from featprobe.finetuning.state import TrainState
from featprobe.finetuning.validation import calmer
from featprobe.segmentation.items import in_channels


class FrameItems(WithMasks):
    """Kept frames in the place of stored tokens, of which a
    :class:`~featprobe.segmentation.items.MaskedItems` is made.

    Rows are those of ``labeled``; ``blocks`` L, ``grid`` (h, w) and ``width`` D are of the
    backbone's tokens. Tokens are there once a network :meth:`sees` them.
    """

    def __init__(
        self, labeled: Images, data: Dataset, backbone: Backbone, blocks: int = 1
    ) -> None:  # fmt: skip
        """``blocks``: that a decoder takes, on whose grid tokens are.

        Raises :class:`InputError` for a backbone without tokens.
        """
        if "tokens" not in backbone.outputs:
            have = ", ".join(backbone.outputs)
            raise InputError(f"{backbone.name} has no patch tokens to decode; it has {have}")
        self.features, self.data = labeled, data
        self.dataset, self.backbone = labeled.dataset, labeled.backbone
        self.ids, self.groups, self.split = labeled.ids, labeled.groups, labeled.split
        self.rows, self.preprocess = labeled.rows, backbone.preprocess
        self.blocks, self.width = backbone.outputs["tokens"]
        h, w = backbone.shape("tokens", max(1, blocks))[1:3]
        self.grid = h, w
        self._state: TrainState | None = None

    def seen_by(self, state: TrainState) -> FrameItems:
        """The same with the tokens of the network as it is."""
        seen = copy.copy(self)
        seen._state = state
        return seen

    def frames(self, i: int) -> int:
        return int(self.features.frames.count[self.rows[i]])

    def tokens(
        self, i: int, blocks: int | None = None, frames: slice | np.ndarray | None = None
    ) -> np.ndarray:
        """Tokens float32 (F, L, h, w, D) of frames of item i, of the blocks that the network gives.

        Raises :class:`InputError` where they are not finite.
        """
        state = self._state
        if state is None:
            raise InputError(f"{self.dataset}: no network sees these frames")
        kept = self.features.frames.of(int(self.rows[i]))
        batch = joined([kept[slice(None) if frames is None else frames]])
        found = features_of(state, batch)
        if not bool(found.isfinite().all()):
            raise InputError(
                f"the tokens of the trained network are not finite {calmer(state.experiment)}"
            )
        out: np.ndarray = found.cpu().numpy()
        return out[:, -(blocks or self.blocks) :]

    def images(self, i: int, size: tuple[int, int]) -> np.ndarray:
        """Frames float32 (F, C, h, w) of item i in [0, 1] on a grid of ``size`` over what the
        network is shown; C is 3 where any item has colours."""
        x = torch.from_numpy(self.features.frames.of(int(self.rows[i])).astype(np.float32)) / WHITE
        x = without_padding(x, self.preprocess)
        out: np.ndarray = F.adaptive_avg_pool2d(x, size).numpy()
        return in_channels(out, int(self.features.frames.shape[:, 0].max()))
