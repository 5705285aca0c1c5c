"""What a network makes of items, without training it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from featprobe.backbones.base import Backbone
from featprobe.core.devices import frames_at_once
from featprobe.extraction.device import out_of_memory
from featprobe.finetuning.feeding import SCORED, Feed
from featprobe.finetuning.network import Network

if TYPE_CHECKING:
    from accelerate import Accelerator


def outputs(
    network: Network, backbone: Backbone, feed: Feed, rows: np.ndarray, accelerator: Accelerator,
    read: Callable[[Tensor, Tensor], Tensor],
) -> list[np.ndarray]:  # fmt: skip
    """What ``read`` gives of features (f, D) and counts (B,), float32, for items in their order.

    All frames are taken. So many go through the network together as there is memory for: 256 on a
    GPU, or half as often as that does not suffice.
    """
    network.eval()
    out, most = [], frames_at_once(accelerator.device, SCORED, torch.get_num_threads())
    with torch.inference_mode(), accelerator.autocast(), feed.ahead(feed.plan(rows)) as parts:
        for _, frames, _ in parts:
            x = backbone.normalised(frames.shown(accelerator.device))
            features = None
            while features is None:
                features = _features(network, x, most)
                most = most if features is not None else most // 2
            out.append(read(features, frames.counts).float().cpu().numpy())
    return out


def _features(network: Network, x: Tensor, most: int) -> Tensor | None:
    """(f, D) of normalised frames, ``most`` at once; None where half of that may be less."""
    try:
        return torch.cat([network.features(part) for part in x.split(most)])
    except (MemoryError, RuntimeError) as error:
        if most == 1 or not out_of_memory(error):
            raise
        return None
