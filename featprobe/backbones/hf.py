"""Backbones through transformers: by hub id, by folder, at random or from a checkpoint file."""

from __future__ import annotations

import json
import os
import socket
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import torch
from torch import nn

from featprobe.backbones.families import Plan, known, plan
from featprobe.backbones.source import Loaded, Source, account, strictly
from featprobe.backbones.spec import Preprocess
from featprobe.errors import InputError, MissingPath, reason

# Heads that a bare vision tower does not use; any other surplus key of a checkpoint is an error.
HEADS = ("classifier.", "cls_classifier.", "distillation_classifier.", "head.", "pooler.",
         "decoder.", "lm_head.")  # fmt: skip
VOLATILE = ("_name_or_path", "transformers_version", "dtype", "architectures", "torch_dtype")


def load(source: Source) -> Loaded:
    """Build the architecture and fill it with the weights that the source asks for."""
    config = _config(source)
    known(config)
    preprocess = source.preprocess or _preprocess(source)
    steps = plan(config, heads=source.weights is None)
    origin: dict[str, Any] = {}
    if source.init == "random":
        module = _random(steps, source.seed)
    elif source.weights is not None:
        module = _random(steps, 0)
        _load_file(module, source.weights, source.text)
    else:
        module = _pretrained(source, steps)
        place = source.folder.name if source.folder else source.place
        origin = {"source": place, "revision": getattr(module.config, "_commit_hash", None)}
    return Loaded(
        steps.finished(module), steps.adapter(), preprocess,
        {k: v for k, v in steps.config.to_diff_dict().items() if k not in VOLATILE}, origin,
    )  # fmt: skip


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


def _config(source: Source) -> Any:
    from transformers import AutoConfig

    spec, folder = source.spec, source.folder
    if spec is not None and (source.init or source.weights):
        return AutoConfig.for_model(spec.family, **spec.config)
    if not source.place:
        files = ", ".join(spec.files) if spec else ""
        raise InputError(
            f"{source.text} is published as a file only{': ' + files if files else ''}; give it "
            "with --weights FILE, or use --init random"
        )
    if folder and not (folder / "config.json").is_file():
        raise InputError(f"{folder}: no config.json; not a folder saved by transformers")
    try:
        config = AutoConfig.from_pretrained(
            source.place, revision=source.revision,
            local_files_only=folder is not None or not hub_reachable(),
        )  # fmt: skip
    except (OSError, ValueError, KeyError) as error:
        raise _not_loaded(source.place, error) from error
    if spec is not None:  # the authors' rule for other input sizes is no part of hub files
        for name in ("interpolate_offset", "interpolate_antialias"):
            if name in spec.config:
                setattr(config, name, spec.config[name])
    return config


def _not_loaded(place: str, error: Exception) -> InputError:
    if Path(place).is_dir():
        return InputError(f"{place}: cannot be loaded: {reason(error)}")
    return InputError(
        f"{place} is not in the local Hugging Face cache and could not be downloaded; check the "
        "name and the network, give a local folder or --weights FILE, or use --init random"
    )


def _preprocess(source: Source) -> Preprocess:
    name = "preprocessor_config.json"
    if source.folder:
        path = source.folder / name
        if not path.is_file():
            raise InputError(
                f"{source.folder}: no {name}, and preprocessing belongs to the "
                "checkpoint; save the image processor beside the weights"
            )
    else:
        from transformers.utils import cached_file

        try:
            found = cached_file(
                source.place, name, revision=source.revision, local_files_only=not hub_reachable()
            )
        except OSError as error:
            raise _not_loaded(source.place, error) from error
        path = Path(str(found))
    try:
        return Preprocess.from_hf(json.loads(path.read_text()))
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"{path}: not a preprocessing that is understood: {error}") from error


def _random(steps: Plan, seed: int) -> nn.Module:
    with torch.random.fork_rng(devices=[]):  # the caller's random state stays as it is
        torch.manual_seed(seed)
        build = getattr(steps.model, "from_config", steps.model)
        if build is steps.model:  # a class of its own, not AutoModel
            build = steps.model._from_config
        return build(steps.config, **steps.keywords)


def _pretrained(source: Source, steps: Plan) -> nn.Module:
    try:
        module, info = steps.model.from_pretrained(
            source.place, config=steps.config, revision=source.revision, output_loading_info=True,
            dtype=torch.float32, local_files_only=bool(source.folder) or not hub_reachable(),
            ignore_mismatched_sizes=True, key_mapping=dict(steps.family.renamed) or None,
            **steps.keywords,
        )  # fmt: skip
    except (OSError, ValueError, RuntimeError) as error:
        raise _not_loaded(source.place, error) from error
    except Exception as error:  # safetensors raises a type of its own for a damaged file
        if type(error).__name__ != "SafetensorError":
            raise
        raise InputError(f"{source.place}: damaged weights: {reason(error)}") from error
    reshaped = [f"{k[0]} {tuple(k[1])} for {tuple(k[2])}" for k in info["mismatched_keys"]]
    dropped = (*HEADS, *steps.family.drops)
    surplus = [k for k in info["unexpected_keys"] if not k.startswith(dropped)]
    account(source.place, info["missing_keys"], surplus, reshaped)
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
    state = {k: v for k, v in state.items() if k in own or not k.startswith(HEADS)}
    strictly(module, state, f"{path} for {text}")
