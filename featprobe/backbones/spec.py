"""What is known of a backbone before any weight is loaded. Imports no torch."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from featprobe.core.errors import InputError, UnknownName, nearest
from featprobe.core.options import annotations_of, checked

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)
HALF = (0.5, 0.5, 0.5)
LARGEST = 16384  # pixels on an edge, beyond what any network's memory holds
LIBRARIES = ("timm", "open_clip", "torchvision")  # which have the preprocessing themselves
OUTPUTS = ("cls", "mean", "tokens", "prelogits", "logits", "projection", "neck")
# of a network that does not say what its classifier sees: the first of these that it has
POOLED = ("prelogits", "cls", "projection", "mean", "logits")
AUGMENTATIONS = ("flip", "vflip", "crop", "rotate", "brightness", "contrast", "noise", "erase")
INTERPOLATIONS = {0: "nearest", 2: "bilinear", 3: "bicubic"}  # PIL's numbers


def known_outputs(texts: Iterable[str]) -> None:
    """Raise :class:`UnknownName` for an output, or ``OUTPUT:BLOCKS``, that no backbone has."""
    for text in texts:
        name = text.partition(":")[0]
        if name not in OUTPUTS:
            raise UnknownName(
                f"unknown output {name!r}.{nearest(name, OUTPUTS)} Known: {', '.join(OUTPUTS)}"
            )


@dataclass(frozen=True)
class Preprocess:
    """From a frame with values in [0, 1] to the input of a backbone.

    ``resize``: length of the shorter edge, or (height, width), or None. ``crop``: (height, width)
    of the centre crop, or None. ``interpolation``: nearest, bilinear or bicubic, antialiased.
    ``mean``, ``std``: per channel, of values in [0, 1]. ``channels``: 3, or 1: the frame is grey
    and read by the first channel of the patch embedding alone, the others being 0. ``pad``:
    (height, width) or None, as SAM has it: then ``resize`` is the length of the longer edge,
    nothing is cropped, and the normalised frame is filled up with zeros at the right and at the
    bottom. ``centre``: what a crop leaves off before the centre where the margin is odd: half of it
    rounded ``down``, as image processors of transformers do, or to the next ``even`` number, as
    torchvision's CenterCrop does, and timm, open_clip and most authors with it.
    """

    resize: int | tuple[int, int] | None
    crop: tuple[int, int] | None
    interpolation: str = "bicubic"
    mean: tuple[float, float, float] = IMAGENET_MEAN
    std: tuple[float, float, float] = IMAGENET_STD
    pad: tuple[int, int] | None = None
    channels: int = 3
    centre: str = "down"

    def __post_init__(self) -> None:
        for name, kind in annotations_of(Preprocess).items():
            checked(name, getattr(self, name), kind, "preprocessing")  # kept as given: keys hold it
        for name in ("resize", "crop", "pad"):
            sizes = getattr(self, name)
            if sizes is not None and min(sizes if isinstance(sizes, tuple) else (sizes,)) < 1:
                raise InputError(f"preprocessing {name} {sizes} must be at least 1 pixel")
        if self.pad and (not isinstance(self.resize, int) or self.crop):
            raise InputError("padding goes with the length of the longer edge and without a crop")
        if self.interpolation not in INTERPOLATIONS.values():
            raise InputError(
                f"interpolation {self.interpolation!r} is none of "
                f"{', '.join(INTERPOLATIONS.values())}"
            )
        if self.centre not in ("down", "even"):
            raise InputError(f"preprocessing centre {self.centre!r} is neither down nor even")
        if self.channels not in (1, 3):
            raise InputError(f"preprocessing channels {self.channels} are neither 1 nor 3")
        if any(s <= 0 for s in self.std):
            raise InputError(f"preprocessing std {self.std} must be positive")

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) of the frames that the backbone sees."""
        if self.pad is not None:
            return self.pad
        if self.crop is not None:
            return self.crop
        if isinstance(self.resize, tuple):
            return self.resize
        raise InputError("the preprocessing fixes no input size: neither a crop nor (h, w)")

    def at(self, image_size: int) -> Preprocess:
        """The same for square inputs of another size, resize and crop kept in ratio."""
        if not 8 <= image_size <= LARGEST:
            raise InputError(f"image size {image_size} is not between 8 and {LARGEST} pixels")
        ratio = image_size / self.size[0]
        resize = self.resize
        if isinstance(resize, tuple):
            resize = (round(resize[0] * ratio), round(resize[1] * ratio))
        elif resize is not None:
            resize = round(resize * ratio)
        square = (image_size, image_size)
        return replace(
            self,
            resize=resize,
            crop=square if self.crop else None,
            pad=square if self.pad else None,
        )

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values; ``pad``, ``channels`` and ``centre`` only where they say something:
        older keys keep their digest."""
        d = asdict(self)
        for name, usual in (("pad", None), ("channels", 3), ("centre", "down")):
            if d[name] == usual:
                del d[name]
        return {k: list(v) if isinstance(v, tuple) else v for k, v in d.items()}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Preprocess:
        """The inverse of :meth:`to_dict`."""
        options: dict[str, Any] = {
            k: tuple(v) if isinstance(v, list) else v for k, v in values.items()
        }
        return cls(**options)

    def to_hf(self) -> dict[str, Any]:
        """The ``preprocessor_config.json`` that :meth:`from_hf` reads back as this."""
        height, width = self.size
        box = {"height": height, "width": width}
        kind = "SamImageProcessor" if self.pad else "BitImageProcessor"
        out: dict[str, Any] = {
            "image_processor_type": kind,
            "do_resize": self.resize is not None,
            "do_center_crop": self.crop is not None,
            "resample": next(k for k, v in INTERPOLATIONS.items() if v == self.interpolation),
            "do_rescale": True,
            "rescale_factor": 1 / 255,
            "do_normalize": True,
            "image_mean": list(self.mean),
            "image_std": list(self.std),
            "do_convert_rgb": True,
        }
        if self.channels == 1:
            out["first_channel_only"] = True  # of featprobe alone
        if self.centre != "down":
            out["centre"] = self.centre  # likewise
        if self.crop:
            out["crop_size"] = box
        if self.pad:
            return out | {"size": {"longest_edge": self.resize}, "do_pad": True, "pad_size": box}
        if isinstance(self.resize, tuple):
            out["size"] = {"height": self.resize[0], "width": self.resize[1]}
        elif self.resize is not None:
            out["size"] = {"shortest_edge": self.resize}
        return out

    @classmethod
    def from_hf(cls, config: dict[str, Any]) -> Preprocess:
        """Read a ``preprocessor_config.json`` of transformers.

        Understands size / crop_size in their several spellings, the ``crop_pct`` rule of ConvNeXt
        and ResNet processors (below 384 px: resize to size / crop_pct, then crop), the padding of
        SAM's, and EfficientNet's ``include_top``, which divides by the deviation once more.
        """
        pad = _size(config.get("pad_size")) if config.get("do_pad") else None
        size = _size(config.get("size")) if pad is None else int(config["size"]["longest_edge"])
        crop = _size(config.get("crop_size")) if config.get("do_center_crop") else None
        resize = size if config.get("do_resize", True) else None
        kind = str(config.get("image_processor_type") or config.get("feature_extractor_type") or "")
        if "ConvNext" in kind and isinstance(size, int):
            pct = config.get("crop_pct") or 224 / 256
            resize, crop = (int(size / pct), (size, size)) if size < 384 else ((size, size), None)
        elif isinstance(resize, int) and crop is None and pad is None:
            resize = (resize, resize)
        resample = config.get("resample", 3)
        if resample not in INTERPOLATIONS:
            raise InputError(f"the checkpoint resizes by PIL's filter {resample}: not supported")
        normalize = config.get("do_normalize", True)
        mean = config.get("image_mean") or IMAGENET_MEAN
        std = config.get("image_std") or IMAGENET_STD
        if "EfficientNet" in kind and config.get("include_top", True):
            std = [s * s for s in std]
        return cls(
            resize=resize,
            crop=(crop, crop) if isinstance(crop, int) else crop,
            interpolation=INTERPOLATIONS[resample],
            mean=_three(mean) if normalize else (0.0, 0.0, 0.0),
            std=_three(std) if normalize else (1.0, 1.0, 1.0),
            pad=(pad, pad) if isinstance(pad, int) else pad,
            channels=1 if config.get("first_channel_only") else 3,
            centre=config.get("centre", "down"),
        )


def _three(values: Any) -> tuple[float, float, float]:
    a, b, c = (float(v) for v in values)
    return a, b, c


def _size(value: Any) -> int | tuple[int, int] | None:
    if value is None or isinstance(value, int):
        return value
    if "shortest_edge" in value:
        return int(value["shortest_edge"])
    return int(value["height"]), int(value["width"])


@dataclass(frozen=True)
class ModelSpec:
    """An entry of the model catalog.

    ``family``: the ``model_type`` of transformers, or ``timm`` or ``open_clip``. ``source``: a hub
    id, ``timm:NAME``, ``open_clip:NAME:PRETRAINED`` or ``open_clip:hf-hub:ID``; empty where the
    weights exist only as a file for ``--weights``. ``files``: names or addresses of the authors'
    own checkpoint files. ``revision``: the pinned commit of a hub id.

    ``width``: D of the last block. ``blocks``: how many blocks can be read, 1 for networks in
    stages. ``parameters``: in millions, of the vision tower without heads. ``patch``: pixels
    between neighbouring tokens, None for networks in stages. ``outputs``: what the checkpoint has,
    of :data:`OUTPUTS`. ``preprocess``: None for timm and open_clip, which keep it with the weights.

    ``data``: what it was trained on. ``overlap``: name of a catalog data set -> why results on it
    are not those of unseen data. ``config``: arguments of the family's config class that build the
    architecture without the hub; besides them ``interpolate_offset`` and ``interpolate_antialias``
    say how position embeddings are resized, ``linear_head_blocks`` how many blocks a linear head
    of ``num_labels`` classes reads.

    ``build``: the function of another package that makes it, see
    :mod:`featprobe.backbones.plugins`; what it does not say is 0 or empty.
    """

    name: str
    family: str
    source: str
    width: int
    blocks: int
    parameters: float
    preprocess: Preprocess | None
    patch: int | None = None
    outputs: tuple[str, ...] = ("cls", "mean", "tokens")
    revision: str | None = None
    files: tuple[str, ...] = ()
    pretraining: str = ""
    data: tuple[str, ...] = ()
    licence: str = "unknown"
    citation: str = ""
    overlap: dict[str, str] = field(default_factory=dict)
    config: dict[str, Any] = field(default_factory=dict)
    build: Callable[..., Any] | None = None
    hub: Preprocess | None = None
    authors: Preprocess | None = None

    def __post_init__(self) -> None:
        foreign = self.family in LIBRARIES and self.build is None
        if self.build is None and foreign != (self.preprocess is None):
            known = ", ".join(LIBRARIES)
            raise InputError(f"{self.name}: preprocessing is given, except for {known}")
        if foreign and not self.source.startswith(f"{self.family}:"):
            raise InputError(f"{self.name}: source {self.source!r} is not one of {self.family}")
        if self.revision is not None and not re.fullmatch("[0-9a-f]{40}", self.revision):
            raise InputError(f"{self.name}: revision {self.revision!r} is not a commit")
        if odd := [o for o in self.outputs if o not in OUTPUTS]:
            raise InputError(f"{self.name}: output {odd[0]!r} is none of {', '.join(OUTPUTS)}")

    @property
    def place(self) -> str:
        """Where loading looks for it; ``package:NAME`` is a folder of the package."""
        scheme, _, name = self.source.partition(":")
        return str(Path(__file__).parent / name) if scheme == "package" else self.source

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values, for ``featprobe models --json``."""
        d = {k: list(v) if isinstance(v, tuple) else v for k, v in asdict(self).items()}
        del d["build"]
        own = {n: getattr(self, n) for n in ("preprocess", "hub", "authors")}
        return d | {n: value.to_dict() if value else None for n, value in own.items()}
