"""The Backbone: a network, its preprocessing and what its weights are."""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Iterable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field, fields
from functools import cached_property
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from featprobe.backbones.code import code_digest
from featprobe.backbones.offer import Offer
from featprobe.backbones.own import Take, own_adapter
from featprobe.backbones.precisions import PRECISIONS, PURE, as_written, pure
from featprobe.backbones.resizing import constants, shown
from featprobe.backbones.spec import Preprocess
from featprobe.core.display import Displayable
from featprobe.core.errors import InputError

Level = float | np.ndarray  # one value for all channels, or (3,)
# Stored unless others are asked for: tokens and class scores take many times the room.
DEFAULT_OUTPUTS = ("cls", "mean", "projection", "prelogits", "neck")


class Adapter(Protocol):
    """How the outputs of a network are taken.

    ``outputs``: name -> (blocks available, width), of ``cls``, ``mean``, ``tokens``, ``logits``,
    ``projection`` and ``prelogits`` (what a classifier sees where that is neither CLS nor mean, as
    VGG's 4096). ``multiple``: of which input sides must be, in pixels. ``fixed``: the only input
    size (h, w) there is, or None.
    """

    @property
    def multiple(self) -> int: ...

    @property
    def fixed(self) -> tuple[int, int] | None: ...

    @property
    def outputs(self) -> Mapping[str, tuple[int, int]]: ...

    def blocks_of(self, model: nn.Module) -> list[nn.Module]:
        """The parts of the module that take the time, in order."""

    def __call__(self, model: nn.Module, x: Tensor, wanted: Mapping[str, int]) -> dict[str, Tensor]:
        """Frames (B, 3, H, W), normalised, to the wanted outputs (name -> L last blocks).

        Returns name -> (B, L, D), the last L blocks in order; ``tokens`` is (B, L, h, w, D).
        """


@dataclass(repr=False)
class Backbone(Displayable):
    """A frozen network.

    ``name``: for tables and folders; it says when weights are random. ``origin``: where the
    weights come from, for provenance. ``random``: True for a random initialisation. ``config``:
    the architecture's configuration as JSON values. ``version``: of the code that the weights run
    through; None is that of the adapter for what featprobe loads, and for a module of your own a
    digest of its source (see :mod:`featprobe.backbones.code`).
    """

    name: str
    module: nn.Module
    adapter: Adapter
    preprocess: Preprocess
    origin: dict[str, Any] = field(default_factory=dict)
    config: dict[str, Any] = field(default_factory=dict)
    random: bool = False
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    version: int | str | None = None

    def __post_init__(self) -> None:
        self.module.eval().requires_grad_(False)
        height, width = self.preprocess.size
        fixed, m = self.adapter.fixed, self.adapter.multiple
        if fixed and (height, width) != fixed:
            raise InputError(
                f"{self.name}: its input is {fixed[0]} x {fixed[1]} pixels, not {height} x {width}"
            )
        if height % m or width % m:
            raise InputError(
                f"{self.name}: input size {height} x {width} is no multiple of its patch size {m}; "
                f"use --image-size {max(m, round(height / m) * m)}"
            )

    @classmethod
    def from_module(
        cls, module: nn.Module, preprocess: Preprocess | Mapping[str, Any],
        outputs: Mapping[str, Take] | None = None, *, name: str = "",
        version: int | str | None = None, random: bool = False,
    ) -> Backbone:  # fmt: skip
        """A torch module of one's own, called with normalised frames (B, 3, h, w).

        ``preprocess``: a :class:`Preprocess`, or its fields (``crop=224``, ``resize``,
        ``mean``, ``std``). ``outputs``: name -> function from what the module returns to (B, D), of
        ``tokens`` to (B, h, w, D); without it (B, D) is ``mean`` and (B, D, h, w) ``tokens`` and
        ``mean``. ``version``: of your code, by which features are found again; by default a digest
        of its source. The module is put in eval mode and its parameters frozen. Raises
        :class:`InputError` that says what was expected and what came.
        """
        if isinstance(preprocess, Mapping):
            known = [f.name for f in fields(Preprocess)]
            if odd := sorted(set(preprocess) - set(known)):
                raise InputError(f"preprocess: {odd[0]!r} is none of {', '.join(known)}")
            options = {"resize": None, "crop": None, **preprocess}
            if isinstance(options["crop"], int):
                options["crop"] = (options["crop"], options["crop"])
            preprocess = Preprocess(**options)
        if not isinstance(preprocess, Preprocess):
            raise InputError(
                "preprocess: expected a Preprocess or its fields, such as {'resize': (256, 256), "
                f"'crop': 224}}, got {type(preprocess).__name__}; other steps go into the module"
            )
        adapter = own_adapter(module, preprocess.size, outputs)
        kind = type(module)
        origin = {"source": f"module {kind.__module__}.{kind.__qualname__}"}
        return cls(
            name or kind.__name__, module, adapter, preprocess, origin, random=random,
            version=version,
        )  # fmt: skip

    @property
    def outputs(self) -> Mapping[str, tuple[int, int]]:
        """Name -> (blocks available, width D)."""
        return self.adapter.outputs

    def facts(self) -> tuple[Sequence[str], dict[str, Any]]:
        height, width = self.preprocess.size
        count = sum(p.numel() for p in self.module.parameters())
        return (self.name,), {
            "input": f"{height}x{width}",
            "outputs": " ".join(f"{n}:{b}x{d}" for n, (b, d) in self.outputs.items()),
            "parameters": f"{count / 1e6:.3g}M",
            "weights": "random" if self.random else "pretrained",
            "device": str(self.device),
        }

    @property
    def offer(self) -> Offer:
        """The outputs by their blocks, and which of them the network itself pools."""
        blocks = {name: b for name, (b, _) in self.outputs.items()}
        return Offer.of(self.name, blocks, getattr(self.adapter, "pooled_output", ""))

    @property
    def default_outputs(self) -> tuple[str, ...]:
        """What is extracted when nothing is named."""
        return tuple(n for n in DEFAULT_OUTPUTS if n in self.outputs)

    @cached_property
    def grid(self) -> tuple[int, int]:
        """(h, w) of the tokens of the last block, as one black frame shows."""
        return self._grid(1)

    def _grid(self, blocks: int) -> tuple[int, int]:
        x = torch.zeros(1, 3, *self.preprocess.size)
        h, w = self.forward(x, {"tokens": blocks})["tokens"].shape[2:4]
        return h, w

    def shape(self, name: str, blocks: int) -> tuple[int, ...]:
        """Of one frame's output: (L, D), or (L, h, w, D) for ``tokens``."""
        width = self.outputs[name][1]
        if name != "tokens":
            return blocks, width
        grid = self.grid if blocks == 1 else self._grid(blocks)
        return blocks, *grid, width

    @cached_property
    def weights_sha256(self) -> str:
        """sha256 over names, shapes and values of all parameters and buffers."""
        h = hashlib.sha256()
        for name, tensor in sorted(self.module.state_dict().items()):
            h.update(f"{name}{tensor.dtype}{tuple(tensor.shape)}".encode())
            h.update(raw_bytes(tensor).data)
        return h.hexdigest()

    @cached_property
    def versions(self) -> dict[str, int | str]:
        """The part of a key that says by which code features are made; nothing for version 1."""
        if self.version is None:
            return {"code": code_digest(self.module, self.adapter)}
        at = getattr(self.adapter, "version_at", None)
        version = at(self.preprocess.size) if at and self.version == 1 else self.version
        return {} if version == 1 else {"backbone": version}

    def to(self, device: str | torch.device) -> Backbone:
        """Move to a device, in place."""
        self.module.to(device)
        self.device = torch.device(device)
        self.__dict__.pop("pure_module", None)
        return self

    @cached_property
    def pure_module(self) -> nn.Module:
        """See :func:`~featprobe.backbones.precisions.pure`; made when it is first run."""
        return pure(self.module, self.adapter.blocks_of)

    def copied(self) -> Backbone:
        """A backbone to be changed, as it was before extraction."""
        self.__dict__.pop("pure_module", None)
        made = copy.deepcopy(self)
        made.channels_last(False)
        as_written(made.adapter.blocks_of(made.module))
        return made

    def channels_last(self, last: bool = True) -> None:
        """Keep the weights of convolutions with the channels last, in place, or as they were.

        Convolutions then run so throughout: on a CPU a ResNet-50 a tenth to a fifth faster, and
        nothing slower.
        """
        form = torch.channels_last if last else torch.contiguous_format
        for part in self.module.modules():
            if isinstance(part, nn.Conv2d):
                part.weight.data = part.weight.data.contiguous(memory_format=form)

    def compile(self, precision: str = "float32") -> None:
        """Compile the blocks, in place, for the one input shape that extraction uses."""
        for part in as_written(self.adapter.blocks_of(self._module_in(precision))):
            part.forward = torch.compile(part.forward, dynamic=False)

    @torch.inference_mode()
    def prepare(self, pixels: np.ndarray, low: Level, high: Level, fit: str = "stretch") -> Tensor:
        """Frames of one item to network input (F, 3, h, w) float32 on the device.

        What :meth:`render` gives, as :meth:`normalised`.
        """
        return self.normalised(self.render(pixels, low, high, fit))

    @torch.inference_mode()
    def render(
        self, pixels: np.ndarray | Tensor, low: Level, high: Level, fit: str = "stretch"
    ) -> Tensor:
        """Frames of one item as the network is to see them, before its normalisation.

        ``pixels`` (F, H, W) or (F, H, W, 3) of any dtype, ``low`` and ``high`` the values shown as
        black and white (a constant item, low == high, becomes black); arrays (3,) make three
        channels of different windows. ``fit``: ``stretch`` resizes and crops as the preprocessing
        says, ``pad`` places each frame on black by :func:`place`, ``pad-mean`` on the mean colour.
        Returns (F, 1, h, w) of grey frames or (F, 3, h, w), float32 in [0, 1] on the device:
        windowed, resized in float with antialiasing, cropped.
        """
        return shown(pixels, low, high, self.preprocess, fit, self.device)

    def normalised(self, x: Tensor) -> Tensor:
        """Frames (F, 1 or 3, h, w) in [0, 1] to network input (F, 3, H, W)."""
        mean, std = (constants(x.device, v) for v in (self.preprocess.mean, self.preprocess.std))
        x = (x - mean) / std  # grey frames become three channels here, by broadcasting
        if self.preprocess.channels == 1:
            x[:, 1:] = 0  # as a patch embedding cut to its first channel
        h, w = self.preprocess.size
        return F.pad(x, (0, w - x.shape[-1], 0, h - x.shape[-2])) if self.preprocess.pad else x

    @torch.inference_mode()
    def forward(
        self,
        x: Tensor,
        blocks: int | Mapping[str, int] = 1,
        precision: str = "float32",
        outputs: Iterable[str] | None = None,
    ) -> dict[str, Tensor]:
        """Normalised frames (B, 3, H, W) to outputs, float32.

        ``cls`` and ``mean``, the mean of the patch tokens, (B, L, D): the last L blocks in order,
        each after the final norm. ``tokens`` (B, L, h, w, D) in raster order, CLS and registers
        left out. ``logits``, ``projection`` and ``prelogits`` (B, 1, C). ``blocks``: L for all,
        cut to what there is, or name -> L. ``outputs``: names; :attr:`default_outputs` by default.
        """
        x = x.to(self.device)
        if isinstance(blocks, Mapping):
            wanted = dict(blocks)
        else:
            names = self.default_outputs if outputs is None else outputs
            wanted = {n: min(blocks, self.outputs[n][0]) for n in names}
        dtype = PRECISIONS[precision]
        plain = precision == PURE or dtype == torch.float32
        cast = nullcontext() if plain else torch.autocast(self.device.type, dtype)
        with cast:
            x = x.to(dtype) if precision == PURE else x
            out = self.adapter(self._module_in(precision), x, wanted)
        return {name: out[name].float() for name in wanted}

    def _module_in(self, precision: str) -> nn.Module:
        return self.pure_module if precision == PURE else self.module


def raw_bytes(tensor: Tensor) -> np.ndarray:
    """(n,) uint8: the values of a tensor as they lie in memory in C order."""
    flat = tensor.detach().cpu().contiguous().reshape(-1)
    return flat.view(torch.uint8).numpy() if flat.numel() else np.empty(0, dtype=np.uint8)
