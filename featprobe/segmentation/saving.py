"""A fitted decoder in a file: options, weights and the tokens it is of; nothing in it is run."""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from featprobe.core._version import __version__
from featprobe.core.errors import InputError
from featprobe.core.paths import expanded
from featprobe.probes.saving import SUFFIX, FeatureSource, write_sealed
from featprobe.probes.sealed import damage_named, read_sealed
from featprobe.segmentation.decoders.base import Decoder, Shape, Trained
from featprobe.segmentation.decoders.named import make_decoder
from featprobe.segmentation.fitted import Fitted, Networks, Solved

HEADER, FORMAT_VERSION = "featprobe-decoder", 1


@dataclass(frozen=True)
class SavedDecoder:
    """What a file holds. ``source``: the features; ``shape``: what the decoder meets;
    ``classes``: with background but for multi-label masks."""

    fitted: Fitted
    source: FeatureSource
    shape: Shape
    classes: tuple[str, ...]
    multilabel: bool

    @property
    def decoder(self) -> Decoder:
        return self.fitted.decoder


def save_decoder(saved: SavedDecoder, path: str | os.PathLike[str]) -> Path:
    """Write a decoder with one candidate to a ``.safetensors`` file, whole or not at all.

    Raises :class:`InputError` for a baseline, which is of no features, and for a place that cannot
    be written.
    """
    file, decoder = expanded(path), saved.decoder
    if file.suffix != SUFFIX:
        raise InputError(f"{file}: a saved decoder is a file named *{SUFFIX}")
    if decoder.alone:
        raise InputError(f"--save keeps decoders of tokens, and {decoder.name} is a baseline")
    arrays = {k: np.ascontiguousarray(v) for k, v in saved.fitted.arrays().items()}
    header = {
        "format": FORMAT_VERSION, "featprobe": __version__, "decoder": decoder.name,
        "options": decoder.to_dict(), "candidate": saved.fitted.candidates[0],
        "shape": asdict(saved.shape), "classes": list(saved.classes),
        "multilabel": saved.multilabel, "features": saved.source.to_dict(),
    }  # fmt: skip
    write_sealed(file, HEADER, header, arrays)
    return file


def is_decoder(path: str | os.PathLike[str]) -> bool:
    """Whether a file says that it is a saved decoder."""
    from safetensors import safe_open

    try:
        with safe_open(path, framework="np") as f:
            return HEADER in (f.metadata() or {})
    except Exception:  # safetensors raises classes of its own
        return False


def read_decoder(path: str | os.PathLike[str]) -> SavedDecoder:
    """The inverse of :func:`save_decoder`.

    Raises :class:`MissingPath`, or :class:`StoreError` for a file that is damaged, foreign or of a
    newer version.
    """
    file, header, arrays = read_sealed(path, HEADER, FORMAT_VERSION, "decoder")
    with damage_named(file, "decoder"):
        return _made(header, arrays)


def _made(header: dict[str, Any], arrays: dict[str, np.ndarray]) -> SavedDecoder:
    decoder = make_decoder(header["decoder"], **header["options"])
    kept = header["shape"]
    shape = Shape(**{**kept, "grid": tuple(kept["grid"]), "size": tuple(kept["size"])})
    multilabel, candidate = bool(header["multilabel"]), header["candidate"]
    if isinstance(decoder, Solved):
        fitted = decoder.restored(shape, arrays, candidate, multilabel)
    else:
        assert isinstance(decoder, Trained)
        network = decoder.network(shape).eval()
        network.load_state_dict({k: torch.from_numpy(v.copy()) for k, v in arrays.items()})
        fitted = Networks(decoder, [network], [candidate], multilabel, [])
    source = FeatureSource.from_dict(header["features"])
    return SavedDecoder(fitted, source, shape, tuple(header["classes"]), multilabel)


def saved_of(fitted: Fitted, items: Any, source: FeatureSource) -> SavedDecoder:
    """What a file is to hold of a decoder that was fitted to these items."""
    features = replace(source, task="segmentation", classes=items.classes)
    shape = items.shape(fitted.decoder)
    return SavedDecoder(fitted, features, shape, items.classes, items.multilabel)
