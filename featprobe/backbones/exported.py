"""Folders of fine-tuned backbones, as :mod:`featprobe.finetuning.export` writes them.

What transformers can hold lies in its own files. ``featprobe.json`` says the rest: ``about`` the
training, ``from`` which origin, and where they are needed ``prompts`` (how many, at every block or
not), ``weights``, a file with the whole state of a network that transformers does not save as it
is, and ``model``, the name by which another library builds the architecture.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from featprobe.backbones import hf
from featprobe.backbones.adapters import Tokens
from featprobe.backbones.prompts import NAME, Prompts, add_prompts
from featprobe.backbones.source import Loaded, Source, drawn, strictly
from featprobe.core.errors import InputError, reason

FILE, PROMPTS, WEIGHTS = "featprobe.json", "prompts.safetensors", "state.safetensors"
PREPROCESS = "preprocessor_config.json"
FORMAT = 1


def is_export(folder: Path | None) -> bool:
    """Whether a folder is one that a fine-tuned backbone was exported to."""
    return folder is not None and (folder / FILE).is_file()


def name_of(folder: Path) -> str:
    """What the model of a folder is called in tables: an export says so, others by their folder."""
    named: Any = None
    if is_export(folder):
        named = _read(folder / FILE).get("about", {}).get("name")
    return str(named or folder.resolve().name)


def load_export(
    source: Source, resolve: Callable[[str], Source], build: Callable[[Source], Loaded]
) -> Loaded:
    """The network of an exported folder with its prompts; ``origin`` says how it was trained.

    ``resolve`` and ``build`` are for the architecture of another library. With ``init`` of the
    source the same architecture is drawn at random, its prompts too.

    Raises :class:`~featprobe.core.errors.InputError` for a folder that is damaged.
    """
    folder = source.folder
    assert folder is not None
    if source.weights:
        raise InputError(f"{folder}: an exported backbone has its own weights: leave --weights out")
    held = _read(folder / FILE)
    loaded = _network(folder, held, source, resolve, build)
    if held.get("prompts"):
        _with_prompts(loaded, folder, held["prompts"], source)
    if source.init is None:
        keys = ("about", "from", "model")
        loaded.origin = {"source": folder.name} | {k: held[k] for k in keys if k in held}
    return loaded


def _network(
    folder: Path, held: dict[str, Any], source: Source, resolve: Callable[[str], Source],
    build: Callable[[Source], Loaded],
) -> Loaded:  # fmt: skip
    """The network without its prompts."""
    if "weights" not in held:
        return hf.load(source)
    drawn_at_random = replace(source, init="random")
    if "model" in held:
        if not held["model"]:
            raise InputError(
                f"{folder}: has the weights of a network that no name builds again: build it "
                f"yourself and load {WEIGHTS} into it; models of timm:NAME, open_clip:ARCH:TAG and "
                "of the catalog are built by their names"
            )
        inner = resolve(str(held["model"]))
        preprocess = source.preprocess or hf.preprocess_of(source)
        loaded = build(replace(inner, init="random", seed=source.seed, preprocess=preprocess))
    else:
        loaded = hf.load(drawn_at_random)
    if source.init is None:
        path = folder / str(held["weights"])
        strictly(loaded.module, _tensors(path), str(path))
    return loaded


def _with_prompts(loaded: Loaded, folder: Path, held: dict[str, Any], source: Source) -> None:
    """Put the prompts of a folder into its network, in place."""
    adapter, path = loaded.adapter, folder / PROMPTS
    if not isinstance(adapter, Tokens):
        raise InputError(f"{folder / FILE}: names prompts, but the network takes none")
    try:
        layers, number = adapter.blocks if held["deep"] else 1, int(held["number"])
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"{folder / FILE}: its prompts need number and deep") from error
    with drawn(source.seed):
        prompts = Prompts(layers, number, adapter.width, adapter.patch)
    if source.init is None:
        strictly(prompts, _tensors(path), str(path))
    loaded.adapter = add_prompts(loaded.module, adapter, prompts)


def _read(path: Path) -> dict[str, Any]:
    """The content of a ``featprobe.json``."""
    try:
        held: Any = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: not readable ({reason(error)}); export again") from error
    version = held.get("format") if isinstance(held, dict) else None
    if not isinstance(version, int):
        raise InputError(f"{path}: not written by featprobe's export")
    if version > FORMAT:
        raise InputError(
            f"{path}: written by featprobe {held.get('featprobe')} in format {version}; this one "
            f"reads up to {FORMAT}: upgrade featprobe"
        )
    return held


def _tensors(path: Path) -> dict[str, Tensor]:
    from safetensors.torch import load_file

    if not path.is_file():
        raise InputError(f"{path}: not there, but {FILE} beside it names it; export again")
    try:
        return load_file(path)
    except Exception as error:  # safetensors raises a type of its own for a damaged file
        raise InputError(f"{path}: damaged ({reason(error)}); export again") from error


def split_state(state: dict[str, Tensor]) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """The state of a network on the CPU: without its prompts, and that of the prompts alone."""
    with torch.no_grad():
        flat = {k: v.detach().cpu().contiguous() for k, v in state.items()}
    start = f"{NAME}."
    own = {k: v for k, v in flat.items() if not k.startswith(start)}
    return own, {k.removeprefix(start): v for k, v in flat.items() if k.startswith(start)}
