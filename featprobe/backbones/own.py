"""How the outputs of a module of one's own are taken."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from featprobe.core.errors import InputError

NAMES = ("cls", "mean", "tokens", "logits", "projection", "prelogits")
Take = Callable[[Any], Tensor]


@dataclass(frozen=True)
class Own:
    """Outputs of a module that is called with normalised frames (B, 3, H, W), the last block alone.

    ``take``: name -> function from what the module returns to (B, D), of ``tokens`` to
    (B, h, w, D); None: what it returns is taken as it is (:func:`returned`). ``outputs`` as of
    :class:`~featprobe.backbones.base.Adapter`; ``size``: the only input (h, w) there is.
    """

    outputs: Mapping[str, tuple[int, int]]
    size: tuple[int, int]
    take: Mapping[str, Take] | None = None

    multiple = 1

    @property
    def fixed(self) -> tuple[int, int]:
        """The input that the outputs were looked at with."""
        return self.size

    def blocks_of(self, model: nn.Module) -> list[nn.Module]:
        """The module as a whole."""
        return [model]

    def __call__(self, model: nn.Module, x: Tensor, wanted: Mapping[str, int]) -> dict[str, Tensor]:
        """See :class:`~featprobe.backbones.base.Adapter`."""
        found = taken(model(x), self.take)
        return {name: found[name][:, None] for name in wanted}


def own_adapter(
    module: nn.Module, size: tuple[int, int], outputs: Mapping[str, Take] | None = None
) -> Own:
    """The adapter of a module, from what it makes of a black frame of that size (h, w).

    Raises :class:`InputError` that says what was expected of it and what came.
    """
    if not isinstance(module, nn.Module):
        raise InputError(f"module: expected a torch.nn.Module, got {type(module).__name__}")
    if isinstance(outputs, (str, list, tuple)):
        raise InputError(
            "outputs: expected a mapping from names to functions of what the module returns, such "
            f"as {{'cls': lambda out: out[:, 0]}}, got {outputs!r}"
        )
    if odd := sorted(set(outputs or ()) - set(NAMES)):
        raise InputError(f"outputs: {odd[0]!r} is none of {', '.join(NAMES)}")
    _check_parameters(module)
    frame = next(module.parameters(), torch.zeros(1)).new_zeros(2, 3, *size)
    try:
        with torch.inference_mode():
            found = taken(module.eval()(frame), outputs)
    except InputError:
        raise
    except Exception as error:
        text = " ".join(str(error).split())[:200]
        raise InputError(
            f"module: called with frames of shape (2, 3, {size[0]}, {size[1]}) it failed with "
            f"{type(error).__name__}: {text}"
        ) from error
    for name, value in found.items():
        axes, form = (4, "(B, h, w, D)") if name == "tokens" else (2, "(B, D)")
        if not isinstance(value, Tensor) or value.ndim != axes or len(value) != 2:
            came = tuple(value.shape) if isinstance(value, Tensor) else type(value).__name__
            raise InputError(f"outputs: {name} must be {form}; for B = 2 frames it is {came}")
    widths = {name: (1, int(value.shape[-1])) for name, value in found.items()}
    return Own(widths, size, None if outputs is None else dict(outputs))


def _check_parameters(module: nn.Module) -> None:
    """Raise :class:`InputError` for parameters without values or of another type than float32."""
    for name, value in module.named_parameters():
        if value.is_meta:
            raise InputError(f"module: {name} is on the meta device and has no values; load them")
        if value.is_floating_point() and value.dtype != torch.float32:
            raise InputError(
                f"module: expected parameters of float32, got {value.dtype} ({name}): give "
                "module.float(); precision='bf16' of extract computes in 16 bits"
            )


def taken(out: Any, take: Mapping[str, Take] | None) -> dict[str, Tensor]:
    """Name -> tensor of what a module returned, or what is taken of it."""
    return returned(out) if take is None else {name: of(out) for name, of in take.items()}


def returned(out: Any) -> dict[str, Tensor]:
    """What a module returned, by name.

    A mapping is that already. A tensor (B, D) is ``mean``, the module's own pooling; a map
    (B, D, h, w) is ``tokens``, and ``mean`` their average. Raises :class:`InputError` for anything
    else: of (B, N, D) nobody knows which token is which.
    """
    if isinstance(out, Mapping):
        if odd := [n for n in out if n not in NAMES]:
            raise InputError(f"outputs: the module returns {odd[0]!r}; give outputs={{name: ...}}")
        return dict(out)
    if isinstance(out, Tensor) and out.ndim == 2:
        return {"mean": out}
    if isinstance(out, Tensor) and out.ndim == 4:
        return {"mean": out.mean((2, 3)), "tokens": out.permute(0, 2, 3, 1)}
    came = f"shape {tuple(out.shape)}" if isinstance(out, Tensor) else type(out).__name__
    raise InputError(
        f"outputs: the module returns {came}, of which it is not known what is what; say it, for "
        "example outputs={'cls': lambda out: out[:, 0], 'mean': lambda out: out[:, 1:].mean(1)}"
    )
