"""Loading a backbone from whatever names it: the one entry, :func:`load_backbone`."""

from __future__ import annotations

import importlib
import os
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from featprobe.backbones.base import Backbone
from featprobe.backbones.exported import is_export, load_export, name_of
from featprobe.backbones.plugins import built, model, models
from featprobe.backbones.source import Loaded, Source
from featprobe.backbones.spec import ModelSpec
from featprobe.backbones.transforms import label_part, transformed
from featprobe.backbones.yaml_description import read_description
from featprobe.core.errors import InputError, MissingPath, UnknownName, nearest
from featprobe.core.paths import expanded, path_text

# scheme -> module that loads it; each needs an extra
LIBRARIES = {
    "timm": "timm_models", "open_clip": "open_clip_models", "torchvision": "torchvision_models",
}  # fmt: skip


def load_backbone(
    name_or_dir: str | os.PathLike[str],
    *,
    init: str | None = None,
    seed: int = 0,
    image_size: int | None = None,
    weights: str | os.PathLike[str] | Sequence[str | os.PathLike[str]] | None = None,
    revision: str | None = None,
    strip_prefix: str = "",
    ignore_keys: Sequence[str] = (),
    transform: str | None = None,
) -> Backbone:
    """Load a backbone with the preprocessing of its checkpoint.

    ``name_or_dir``: a catalog name (``dinov2_vitl14``), a hub id (``facebook/dinov2-small``), a
    folder saved by transformers or exported after fine-tuning, ``timm:NAME``,
    ``open_clip:ARCH:TAG``, ``torchvision:NAME``, a YAML file that describes a backbone, or the name
    that another package or a script registered.
    ``init="random"`` builds the architecture with weights drawn under ``seed`` and needs no
    download. ``weights``: a checkpoint file for the architecture, safetensors or the original
    authors', or two: the backbone's and its linear head's. ``image_size``: square input size in
    pixels, other than the checkpoint's. ``strip_prefix`` and ``ignore_keys``: what is around the
    network in that file, where it is not recognised (``net.encoder.``; patterns such as
    ``head.*``). Keys that are not used are in ``origin["dropped"]``. ``transform``: another
    preprocessing than the checkpoint's, ``authors`` or ``wacv,stats=chexpert``, see
    :mod:`featprobe.backbones.transforms`.

    Raises :class:`~featprobe.core.errors.UnknownName` with the nearest name, or
    :class:`~featprobe.core.errors.InputError` when weights are missing or do not fit: every
    missing, surplus or reshaped key is named.
    """
    if init not in (None, "random"):
        raise InputError(f"unknown init {init!r}: only 'random' can be asked for")
    if init and weights:
        raise InputError("init='random' and weights=... exclude each other")
    if (strip_prefix or ignore_keys) and not weights:
        raise InputError("strip_prefix and ignore_keys are of a checkpoint file: give weights")
    options = [weights] if isinstance(weights, (str, os.PathLike)) else weights or []
    files = tuple(expanded(f) for f in options)
    source = resolve(path_text(name_or_dir))
    source = replace(
        source, init=init, seed=seed, revision=revision or source.revision,
        weights=files or source.weights, strip_prefix=strip_prefix,
        ignore_keys=(ignore_keys,) if isinstance(ignore_keys, str) else tuple(ignore_keys),
    )  # fmt: skip
    if source.spec is not None and source.spec.build is not None:
        if strip_prefix or ignore_keys:
            raise InputError(f"{source.text}: strip_prefix and ignore_keys are not for a plug-in")
        if transform:
            raise InputError(f"{source.text}: transform is not for a plug-in")
        requested = {"init": init, "seed": seed, "image_size": image_size, "revision": revision}
        return built(source.spec, requested | {"weights": files[0] if len(files) == 1 else files})
    loaded = _load(source)
    preprocess = loaded.preprocess
    if transform:
        preprocess = transformed(preprocess, transform, source.spec)
    if image_size is not None:
        preprocess = preprocess.at(image_size)
    origin: dict[str, Any] = {"name": source.text}
    if init == "random":
        origin |= {"init": "random", "seed": seed}
    origin |= {"transform": transform} if transform else {}
    return Backbone(
        name=label_of(source, files, image_size, init, seed, transform),
        module=loaded.module,
        adapter=loaded.adapter,
        preprocess=preprocess,
        origin=origin | loaded.origin,
        config=loaded.config,
        random=init == "random",
        version=getattr(loaded.adapter, "version", 1),
    )


def label_of(
    source: Source, weights: Sequence[str | os.PathLike[str]] = (), image_size: int | None = None,
    init: str | None = None, seed: int = 0, transform: str | None = None,
) -> str:  # fmt: skip
    """What a backbone of these options of :func:`load_backbone` is called, before it is loaded."""
    label = source.label
    if weights:
        label += f"-{expanded(weights[0]).stem}"
    if transform:
        label += label_part(transform, source.spec)
    if image_size is not None:
        label += f"@{image_size}"
    return f"{label}-random{seed}" if init == "random" else label


def _load(source: Source) -> Loaded:
    if is_export(source.folder):
        return load_export(source, resolve, _load)
    if source.spec is not None and source.spec.build is not None:
        made = built(source.spec, {})  # of an export, whose weights replace these
        preprocess = source.preprocess or made.preprocess
        return Loaded(made.module, made.adapter, preprocess, made.config, made.origin)
    library, _, rest = source.place.partition(":")
    if library in LIBRARIES and rest:
        module = importlib.import_module(f"featprobe.backbones.{LIBRARIES[library]}")
        loaded: Loaded = module.load(source)
        return loaded
    from featprobe.backbones import hf

    return hf.load(source)


def resolve(text: str) -> Source:
    """What the text names; nothing is loaded."""
    spec = model(text)
    if spec is not None:
        return from_spec(text, spec)
    path = expanded(text)
    if path.suffix in (".yaml", ".yml"):
        return read_description(path)
    if text.partition(":")[0] in LIBRARIES and ":" in text:
        return Source(text, label=text.replace(":", "_").replace("/", "_"), place=text)
    if path.is_dir():
        return Source(text, label=name_of(path), place=str(path))
    if text.count("/") == 1 and not text.startswith((".", "/", "~")):
        return Source(text, label=text.rsplit("/", 1)[1], place=text)
    if "/" in text:
        raise MissingPath(f"{text}: no such model folder")
    raise UnknownName(
        f"unknown model {text!r}.{nearest(text, models())} See 'featprobe models'; a hub id "
        "(org/name), timm:NAME, open_clip:ARCH:TAG, a folder or a YAML file works too."
    )


def from_spec(text: str, spec: ModelSpec) -> Source:
    """The source of an entry of the catalog."""
    return Source(
        text, label=spec.name, place=spec.place, spec=spec, revision=spec.revision,
        preprocess=spec.preprocess,
    )  # fmt: skip
