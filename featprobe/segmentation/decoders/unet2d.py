"""A U-Net on the images, from scratch: the baseline that no backbone helps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from torch import Tensor
from torch.nn import functional as F

from featprobe.core.errors import InputError, MissingExtra
from featprobe.segmentation.decoders.base import Network, Shape, Trained


@dataclass(frozen=True)
class UNet2D(Trained):
    """MONAI's ``UNet`` in two dimensions, on images as the network of the tokens was shown them.

    ``widths``: channels of its levels, each half the resolution of the one before. ``scale`` of the
    training says how large the images are.
    """

    name: ClassVar[str] = "unet2d"
    sees: ClassVar[bool] = True
    alone: ClassVar[bool] = True
    widths: tuple[int, ...] = (16, 32, 64, 128)

    @property
    def takes(self) -> int:
        return 0

    def check(self) -> None:
        if len(self.widths) < 2 or min(self.widths) < 1:
            raise InputError("decoder unet2d has at least two widths, none of them 0")

    def network(self, shape: Shape) -> UNet2DNetwork:
        return UNet2DNetwork(shape, self.widths)


def monai_unet() -> Any:
    """The class, or :class:`MissingExtra` that says how to get it."""
    try:
        from monai.networks.nets import UNet
    except ImportError as error:
        raise MissingExtra(
            "decoder unet2d is MONAI's, which is not installed: pip install 'featprobe[segment]'"
        ) from error
    return UNet


class UNet2DNetwork(Network):
    def __init__(self, shape: Shape, widths: tuple[int, ...]) -> None:
        super().__init__()
        self.multiple = 2 ** (len(widths) - 1)
        self.unet = monai_unet()(
            spatial_dims=2, in_channels=shape.channels, out_channels=shape.classes,
            channels=widths, strides=(2,) * (len(widths) - 1), num_res_units=2, norm="BATCH",
        )  # fmt: skip

    def forward(self, tokens: Tensor, image: Tensor | None = None) -> Tensor:
        assert image is not None
        h, w = image.shape[-2:]
        below, right = -h % self.multiple, -w % self.multiple
        out: Tensor = self.unet(F.pad(image, (0, right, 0, below)))
        return out[..., :h, :w]


DECODER = UNet2D
