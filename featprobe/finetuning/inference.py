"""What a network makes of items, without training it."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from featprobe.core.devices import frames_at_once, out_of_memory
from featprobe.finetuning.frames import Batch
from featprobe.finetuning.loader import SCORED
from featprobe.finetuning.memory import enough_memory
from featprobe.finetuning.network import Network
from featprobe.finetuning.state import TrainState


def outputs(
    state: TrainState, rows: np.ndarray, read: Callable[[Tensor, Tensor], Tensor]
) -> list[np.ndarray]:
    """What ``read`` gives of features (f, D) and counts (B,), float32, for items in their order.

    All frames are taken. So many go through the network together as there is memory for: 256 on a
    GPU, or half as often as that does not suffice. Raises :class:`InputError` where one is too
    much.
    """
    experiment, network = state.experiment, state.network
    loader, device = experiment.loader, experiment.accelerator.device
    network.eval()
    size = state.backbone.preprocess.size
    out, most = [], frames_at_once(device, SCORED, torch.get_num_threads(), size)
    with (
        enough_memory(device, experiment.effective),
        torch.inference_mode(),
        experiment.accelerator.autocast(),
        loader.prefetched(loader.micro_batches(rows)) as parts,
    ):
        for _, frames, _ in parts:
            x = state.backbone.normalised(frames.shown(device))
            features = None
            while features is None:
                features = _features(network, x, most)
                most = most if features is not None else most // 2
            out.append(read(features, frames.counts).float().cpu().numpy())
    return out


def features_of(state: TrainState, frames: Batch) -> Tensor:
    """What the network makes of frames in evaluation mode, float32 on the device."""
    experiment = state.experiment
    device = experiment.accelerator.device
    state.network.eval()
    size = state.backbone.preprocess.size
    most = frames_at_once(device, SCORED, torch.get_num_threads(), size)
    with (
        enough_memory(device, experiment.effective),
        torch.inference_mode(),
        experiment.accelerator.autocast(),
    ):
        x = state.backbone.normalised(frames.shown(device))
        features = None
        while features is None:
            features = _features(state.network, x, most)
            most //= 2
        return features.float()


def _features(network: Network, x: Tensor, most: int) -> Tensor | None:
    """(f, D) of normalised frames, ``most`` at once; None where half of that may be less."""
    try:
        return torch.cat([network.features(part) for part in x.split(most)])
    except (MemoryError, RuntimeError) as error:
        if most == 1 or not out_of_memory(error):
            raise
        return None
