"""Decoded frames to batches on a device, and features from there to their shard."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Hashable

import numpy as np
import torch

from featprobe.backbones.augmented_views import view_of
from featprobe.backbones.base import Backbone, Level
from featprobe.extraction.decoding import Decoded
from featprobe.extraction.device import Forward, OnHost, Pending
from featprobe.extraction.shard import Shard
from featprobe.extraction.times import Times
from featprobe.extraction.transfer import Upload
from featprobe.store.format import FeatureKey, array_of

# Pixels that are shown together: a card wants few large steps, a CPU what stays in its cache.
TOGETHER = {"cpu": 1 << 18}
TOGETHER_ON_A_CARD = 1 << 25


class Alike:
    """Frames of one or several items that are shown in the same way, before they are."""

    def __init__(self) -> None:
        self.kind: Hashable = None
        self.how: tuple[Level, Level, str] = (0.0, 1.0, "stretch")
        self.parts: list[np.ndarray] = []
        self.rows: list[np.ndarray] = []  # which frames of the data set they are
        self.pixels = 0

    def take(self) -> tuple[list[np.ndarray], np.ndarray]:
        """Frames and their places, after which there are none."""
        parts, rows = self.parts, np.concatenate(self.rows)
        self.parts, self.rows, self.pixels = [], [], 0
        return parts, rows


class Batches:
    """Queues frames, sends full batches through the backbone and hands features to their shard.

    Frames of neighbouring items with one size, dtype, black and white are uploaded and shown
    together, whatever items they are of: for small images each step costs more than its pixels.
    """

    def __init__(
        self, backbone: Backbone, forward: Forward, batch: int, times: Times, key: FeatureKey,
        upload: Upload | None = None,
    ) -> None:  # fmt: skip
        self.backbone, self.forward, self.batch, self.times = backbone, forward, batch, times
        self.augmented, self.views = key.augmented, range(key.views)
        self.upload = upload or Upload(backbone.device)
        self.most = TOGETHER.get(backbone.device.type, TOGETHER_ON_A_CARD)
        self._alike = Alike()
        self._frames: list[list[torch.Tensor]] = [[] for _ in self.views]
        self._rows: list[int] = []
        self._flying: deque[tuple[Shard, list[int], list[OnHost | Pending]]] = deque()

    @torch.inference_mode()
    def add(self, shard: Shard, decoded: Decoded, rows: np.ndarray, index: np.ndarray) -> None:
        """Queue the frames ``index`` of an item for ``rows`` of a shard."""
        begin = time.perf_counter()
        for start in range(0, len(rows), self.batch):  # a large volume never goes up whole
            part = slice(start, start + self.batch)
            at = shard.start + rows[part]
            for frames in decoded.alike(index[part]):
                self._queue(decoded, frames, at[: len(frames)])
                at = at[len(frames) :]
            self._rows.extend(rows[part].tolist())
            while len(self._rows) >= self.batch:
                self._send(shard)
        self.times.took("device", begin)

    @torch.inference_mode()
    def flush(self, shard: Shard) -> None:
        """Send the last, possibly short batch of a shard."""
        begin = time.perf_counter()
        while self._rows:
            self._send(shard)
        self.times.took("device", begin)

    def land(self, most: int) -> None:
        """Wait until at most ``most`` batches are on their way back."""
        while len(self._flying) > most:
            shard, rows, pending = self._flying.popleft()
            shard.fill(rows, {
                array_of(name, view): values
                for view, one in enumerate(pending) for name, values in one.arrays().items()
            })  # fmt: skip

    def _queue(self, decoded: Decoded, frames: np.ndarray, at: np.ndarray) -> None:
        alike, (low, high) = self._alike, decoded.levels
        levels = tuple(np.atleast_1d(low)), tuple(np.atleast_1d(high))
        kind = (frames.shape[1:], frames.dtype.str, decoded.fit, levels)
        if alike.parts and (kind != alike.kind or alike.pixels + frames.size > self.most):
            self._show()
        alike.kind, alike.how = kind, (low, high, decoded.fit)
        alike.parts.append(frames)
        alike.rows.append(at)
        alike.pixels += frames.size

    def _show(self) -> None:
        """Bring what waits to the device, as the network is to see it."""
        if not self._alike.parts:
            return
        low, high, fit = self._alike.how
        parts, at = self._alike.take()
        shown = self.backbone.render(self.upload(parts), low, high, fit)
        for view in self.views:
            x = view_of(shown, view, at, self.augmented)
            self._frames[view].append(self.backbone.normalised(x))

    def _send(self, shard: Shard) -> None:
        self._show()
        rows, self._rows = self._rows[: self.batch], self._rows[self.batch :]
        pending = []
        for view in self.views:
            frames = self._frames[view]
            x = torch.cat(frames) if len(frames) > 1 else frames[0]
            self._frames[view] = [x[self.batch :]] if len(x) > self.batch else []
            pending.append(self.forward(x[: self.batch]))
        self._flying.append((shard, rows, pending))
        self.land(self.forward.flying)  # the next batch is prepared while these are under way
