"""Backbones through transformers: loading by name, hub id, folder or file."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Iterable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import torch
from torch import nn

from featprobe.backbones.adapters import ADAPTERS, BUILD
from featprobe.backbones.base import Backbone
from featprobe.backbones.catalog import CATALOG
from featprobe.backbones.spec import ModelSpec, Preprocess
from featprobe.errors import InputError, MissingPath, UnknownName, nearest, reason

# Heads that a backbone does not use; any other surplus key of a checkpoint is an error.
HEADS = ("classifier.", "head.", "pooler.", "decoder.", "lm_head.")


def load_backbone(
    name_or_dir: str | os.PathLike[str],
    *,
    init: str | None = None,
    seed: int = 0,
    image_size: int | None = None,
    weights: str | os.PathLike[str] | None = None,
    revision: str | None = None,
) -> Backbone:
    """Load a backbone with the preprocessing of its checkpoint.

    ``name_or_dir``: a catalog name (``dinov2_vitl14``), a hub id (``facebook/dinov2-small``) or a
    folder saved by transformers. ``init="random"`` builds the architecture with weights drawn
    under ``seed`` and needs no download. ``weights``: a safetensors file for the architecture.
    ``image_size``: square input size in pixels, other than the checkpoint's.

    Raises :class:`~featprobe.errors.UnknownName` with the nearest name, or
    :class:`~featprobe.errors.InputError` when weights are missing or do not fit: every missing,
    surplus or reshaped key is named.
    """
    if init not in (None, "random"):
        raise InputError(f"unknown init {init!r}: only 'random' can be asked for")
    if init and weights:
        raise InputError("init='random' and weights=... exclude each other")
    text = os.fspath(name_or_dir)
    spec = CATALOG.get(text)
    folder = Path(text).expanduser()
    if spec is None and not folder.is_dir():
        _check_hub_id(text)
    config = _config(text, spec, folder, init, weights, revision)
    kind = config.model_type
    if kind not in ADAPTERS:
        raise InputError(
            f"{text}: transformers model type {kind!r} is not supported yet; supported: "
            f"{', '.join(ADAPTERS)}"
        )
    preprocess = spec.preprocess if spec else _preprocess(text, folder, revision)
    if image_size is not None:
        preprocess = preprocess.at(image_size)
    origin: dict[str, Any] = {"name": text}
    if init == "random":
        module = _random(config, seed)
        origin |= {"init": "random", "seed": seed}
    elif weights is not None:
        module = _random(config, 0)
        _load_file(module, Path(weights).expanduser(), text)
        origin |= {"weights": Path(weights).name}
    else:
        source = spec.source if spec else text
        wanted = revision or (spec.revision if spec else None)
        module = _pretrained(source, folder, config, wanted)
        origin |= {"source": source if not folder.is_dir() else folder.name}
        origin |= {"revision": getattr(module.config, "_commit_hash", None)}
    label = spec.name if spec else folder.resolve().name if folder.is_dir() else folder.name
    if weights is not None:
        label += f"-{Path(weights).stem}"
    if image_size is not None:
        label += f"@{image_size}"
    if init == "random":
        label += f"-random{seed}"
    volatile = ("_name_or_path", "transformers_version", "dtype", "architectures", "torch_dtype")
    return Backbone(
        name=label,
        module=module,
        adapter=ADAPTERS[kind](config),
        preprocess=preprocess,
        origin=origin,
        config={k: v for k, v in config.to_diff_dict().items() if k not in volatile},
        random=init == "random",
    )


def hub_reachable(seconds: float = 3.0) -> bool:
    """Whether the Hugging Face hub answers, so that a missing network costs no long retries.

    Behind a proxy a direct connection says nothing; the answer is then True.
    """
    from huggingface_hub import constants

    if any(os.environ.get(v) for v in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy")):
        return True
    host = urlsplit(constants.ENDPOINT)
    try:
        port = host.port or (443 if host.scheme == "https" else 80)
        socket.create_connection((host.hostname or "", port), timeout=seconds).close()
    except OSError:
        return False
    return True


def _check_hub_id(text: str) -> None:
    if text.count("/") == 1 and not text.startswith((".", "/", "~")):
        return
    if "/" in text:
        raise MissingPath(f"{text}: no such model folder")
    raise UnknownName(
        f"unknown model {text!r}.{nearest(text, CATALOG)} See 'featprobe models'; a hub id "
        "(org/name) or a folder works too."
    )


def _config(
    text: str, spec: ModelSpec | None, folder: Path, init: str | None, weights: Any,
    revision: str | None,
) -> Any:  # fmt: skip
    from transformers import AutoConfig

    if spec is not None and (init or weights):
        return AutoConfig.for_model(spec.family, **spec.config)
    source = spec.source if spec else text
    if folder.is_dir() and not (folder / "config.json").is_file():
        raise InputError(f"{folder}: no config.json; not a folder saved by transformers")
    try:
        return AutoConfig.from_pretrained(
            source,
            revision=revision or (spec.revision if spec else None),
            local_files_only=folder.is_dir() or not hub_reachable(),
        )
    except (OSError, ValueError, KeyError) as error:
        raise _not_loaded(source, error) from error


def _not_loaded(source: str, error: Exception) -> InputError:
    if Path(source).is_dir():
        return InputError(f"{source}: cannot be loaded: {reason(error)}")
    return InputError(
        f"{source} is not in the local Hugging Face cache and could not be downloaded; check the "
        "name and the network, give a local folder or --weights FILE, or use --init random"
    )


def _preprocess(text: str, folder: Path, revision: str | None) -> Preprocess:
    path = folder / "preprocessor_config.json"
    if folder.is_dir():
        if not path.is_file():
            raise InputError(
                f"{folder}: no preprocessor_config.json, and preprocessing belongs to the "
                "checkpoint; save the image processor beside the weights"
            )
    else:
        from transformers.utils import cached_file

        try:
            found = cached_file(
                text,
                "preprocessor_config.json",
                revision=revision,
                local_files_only=not hub_reachable(),
            )
        except OSError as error:
            raise _not_loaded(text, error) from error
        path = Path(str(found))
    try:
        return Preprocess.from_hf(json.loads(path.read_text()))
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"{path}: not a preprocessing that is understood: {error}") from error


def _random(config: Any, seed: int) -> nn.Module:
    from transformers import AutoModel

    with torch.random.fork_rng(devices=[]):  # the caller's random state stays as it is
        torch.manual_seed(seed)
        return AutoModel.from_config(config, **BUILD.get(config.model_type, {}))


def _pretrained(source: str, folder: Path, config: Any, revision: str | None) -> nn.Module:
    from transformers import AutoModel

    try:
        module, info = AutoModel.from_pretrained(
            source, config=config, revision=revision, output_loading_info=True,
            dtype=torch.float32, local_files_only=folder.is_dir() or not hub_reachable(),
            ignore_mismatched_sizes=True, **BUILD.get(config.model_type, {}),
        )  # fmt: skip
    except (OSError, ValueError, RuntimeError) as error:
        raise _not_loaded(source, error) from error
    except Exception as error:  # safetensors raises a type of its own for a damaged file
        if type(error).__name__ != "SafetensorError":
            raise
        raise InputError(f"{source}: damaged weights: {reason(error)}") from error
    reshaped = [f"{k[0]} {tuple(k[1])} for {tuple(k[2])}" for k in info["mismatched_keys"]]
    _account(source, info["missing_keys"], info["unexpected_keys"], reshaped)
    return module


def _load_file(module: nn.Module, path: Path, text: str) -> None:
    """Strictly load a safetensors file into an architecture."""
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    if not path.is_file():
        raise MissingPath(f"{path}: no such weights file")
    if path.suffix != ".safetensors":
        raise InputError(f"{path}: only .safetensors files are read as --weights")
    try:
        state = load_file(path)
    except (SafetensorError, OSError) as error:
        raise InputError(f"{path}: not a readable safetensors file: {reason(error)}") from error
    own = module.state_dict()
    prefix = getattr(module, "base_model_prefix", "")
    if not set(state) & set(own) and prefix:  # saved from a model with a head around the backbone
        state = {k.removeprefix(f"{prefix}."): v for k, v in state.items()}
    reshaped = [
        f"{k} {tuple(state[k].shape)} for {tuple(own[k].shape)}"
        for k in sorted(set(own) & set(state))
        if own[k].shape != state[k].shape
    ]
    _account(f"{path} for {text}", set(own) - set(state), set(state) - set(own), reshaped)
    module.load_state_dict({k: v for k, v in state.items() if k in own})


def _account(
    source: str, missing: Iterable[str], surplus: Iterable[str], reshaped: list[str]
) -> None:
    odd = sorted(k for k in surplus if not k.startswith(HEADS))
    lacking = sorted(k for k in missing if not k.startswith(HEADS))
    parts = [
        f"{len(keys)} {what} ({', '.join(keys[:4])}{', ...' if len(keys) > 4 else ''})"
        for what, keys in (
            ("missing", lacking),
            ("unexpected", odd),
            ("of another shape", reshaped),
        )
        if keys
    ]
    if parts:
        raise InputError(f"{source}: the weights do not fit: {'; '.join(parts)}")
