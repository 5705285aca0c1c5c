"""A backbone with a decoder: from frames to logits of cells."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from featprobe.backbones.base import Backbone
from featprobe.backbones.spec import Preprocess
from featprobe.finetuning.network import Network
from featprobe.segmentation.decoders.base import Network as DecoderNetwork
from featprobe.segmentation.decoders.base import Shape, Trained
from featprobe.segmentation.upsampling import upsampled

_BLANK = 1e-4  # of normalised pixels: a step of 16 bits is less


def of_channels(preprocess: Preprocess, device: torch.device) -> tuple[Tensor, Tensor]:
    """Mean and deviation (1, 3, 1, 1) of the normalisation."""
    mean, std = (torch.tensor(v, device=device) for v in (preprocess.mean, preprocess.std))
    return mean.view(1, 3, 1, 1), std.view(1, 3, 1, 1)


def without_padding(shown: Tensor, preprocess: Preprocess) -> Tensor:
    """Frames (f, C, h, w) in [0, 1] with black in the place of padding, which is what the
    normalisation makes zero of in all channels; no grey is that where their means differ."""
    if not preprocess.pad:
        return shown
    mean, std = of_channels(preprocess, shown.device)
    return shown * (((shown - mean) / std).abs() > _BLANK).any(1, keepdim=True)


class Decoding(nn.Module):
    """The head: a decoder's network. Its logits lie on the grid of the answer."""

    def __init__(self, decoder: Trained, shape: Shape) -> None:
        super().__init__()
        self.decoder: DecoderNetwork = decoder.network(shape)
        self.size = shape.size

    def forward(self, tokens: Tensor, image: Tensor | None) -> Tensor:
        """Tokens (f, L, h, w, D) and images (f, C, H, W) to logits (f, K, H, W)."""
        return upsampled(self.decoder(tokens, image)[None], self.size)[0]


class DenseNetwork(Network):
    """A backbone's module with a :class:`Decoding`; called as
    :class:`~featprobe.finetuning.network.Network` is, of whose frames it makes one answer each."""

    head: Decoding  # type: ignore[assignment]

    def __init__(self, backbone: Backbone, decoder: Trained, shape: Shape) -> None:
        nn.Module.__init__(self)
        self.backbone = backbone.module
        self.head = Decoding(decoder, shape)
        self.adapter, self.wanted = backbone.adapter, {"tokens": shape.blocks}
        self.channels = shape.channels if decoder.sees else 0
        self.preprocess = backbone.preprocess

    @property
    def live(self) -> list[nn.Module]:
        return [self.head]

    def features(self, x: Tensor) -> Tensor:
        """Normalised frames (f, 3, H, W) to tokens (f, L, h, w, D)."""
        found: Tensor = self.adapter(self.backbone, x, self.wanted)["tokens"]
        return found

    def image(self, x: Tensor) -> Tensor | None:
        """What a decoder sees beside tokens: (f, C, H, W) in [0, 1] on the grid of the answer, None
        where it sees none. Padding is black, as in stored images."""
        if not self.channels:
            return None
        mean, std = of_channels(self.preprocess, x.device)
        shown = without_padding(x * std + mean, self.preprocess)
        return F.adaptive_avg_pool2d(shown[:, : self.channels], self.head.size)

    def forward(self, x: Tensor, counts: Tensor) -> Tensor:
        """Normalised frames (f, 3, H, W) to logits (f, K, H, W)."""
        return self.head(self.features(x), self.image(x))
