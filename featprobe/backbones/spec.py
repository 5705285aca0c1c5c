"""What is known of a backbone before any weight is loaded. Imports no torch."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from typing import Any

from featprobe.errors import InputError

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)
HALF = (0.5, 0.5, 0.5)
INTERPOLATIONS = {0: "nearest", 2: "bilinear", 3: "bicubic"}  # PIL's numbers


@dataclass(frozen=True)
class Preprocess:
    """From a frame with values in [0, 1] to the input of a backbone.

    ``resize``: length of the shorter edge, or (height, width), or None. ``crop``: (height, width)
    of the centre crop, or None. ``interpolation``: nearest, bilinear or bicubic, antialiased.
    ``mean``, ``std``: per channel, of values in [0, 1].
    """

    resize: int | tuple[int, int] | None
    crop: tuple[int, int] | None
    interpolation: str = "bicubic"
    mean: tuple[float, float, float] = IMAGENET_MEAN
    std: tuple[float, float, float] = IMAGENET_STD

    def __post_init__(self) -> None:
        if self.interpolation not in INTERPOLATIONS.values():
            raise InputError(
                f"interpolation {self.interpolation!r} is none of "
                f"{', '.join(INTERPOLATIONS.values())}"
            )
        if any(s <= 0 for s in self.std):
            raise InputError(f"preprocessing std {self.std} must be positive")

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) of the frames that the backbone sees."""
        if self.crop is not None:
            return self.crop
        if isinstance(self.resize, tuple):
            return self.resize
        raise InputError("the preprocessing fixes no input size: neither a crop nor (h, w)")

    def at(self, image_size: int) -> Preprocess:
        """The same for square inputs of another size, resize and crop kept in ratio."""
        if image_size < 8:
            raise InputError(f"image size {image_size} is too small")
        ratio = image_size / self.size[0]
        resize = self.resize
        if isinstance(resize, tuple):
            resize = (round(resize[0] * ratio), round(resize[1] * ratio))
        elif resize is not None:
            resize = round(resize * ratio)
        return replace(self, resize=resize, crop=(image_size, image_size) if self.crop else None)

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        d = asdict(self)
        return {k: list(v) if isinstance(v, tuple) else v for k, v in d.items()}

    @classmethod
    def from_hf(cls, config: dict[str, Any]) -> Preprocess:
        """Read a ``preprocessor_config.json`` of transformers.

        Understands size / crop_size in their several spellings and the ``crop_pct`` rule of
        ConvNeXt and ResNet processors (below 384 px: resize to size / crop_pct, then crop).
        """
        size = _size(config.get("size"))
        crop = _size(config.get("crop_size")) if config.get("do_center_crop") else None
        resize = size if config.get("do_resize", True) else None
        kind = str(config.get("image_processor_type") or config.get("feature_extractor_type") or "")
        if "ConvNext" in kind and isinstance(size, int):
            pct = config.get("crop_pct") or 224 / 256
            resize, crop = (int(size / pct), (size, size)) if size < 384 else ((size, size), None)
        elif isinstance(resize, int) and crop is None:
            resize = (resize, resize)
        resample = config.get("resample", 3)
        if resample not in INTERPOLATIONS:
            raise InputError(f"the checkpoint resizes by PIL's filter {resample}: not supported")
        normalize = config.get("do_normalize", True)
        mean = config.get("image_mean") or IMAGENET_MEAN
        std = config.get("image_std") or IMAGENET_STD
        return cls(
            resize=resize,
            crop=(crop, crop) if isinstance(crop, int) else crop,
            interpolation=INTERPOLATIONS[resample],
            mean=_three(mean) if normalize else (0.0, 0.0, 0.0),
            std=_three(std) if normalize else (1.0, 1.0, 1.0),
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

    ``family``: the ``model_type`` of transformers. ``config``: arguments of the family's config
    class that build the architecture without the hub. ``width``: D; ``blocks``: L;
    ``parameters``: in millions.
    """

    name: str
    family: str
    hub_id: str
    width: int
    blocks: int
    parameters: float
    preprocess: Preprocess
    patch: int | None = None
    revision: str | None = None
    pretraining: str = ""
    licence: str = "Apache-2.0"
    config: dict[str, Any] = field(default_factory=dict)
    files: tuple[str, ...] = ()

    @property
    def place(self) -> str:
        return self.hub_id

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values, for ``featprobe models --json``."""
        return {**asdict(self), "preprocess": self.preprocess.to_dict()}
