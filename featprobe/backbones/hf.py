"""Backbones through transformers: by hub id, by folder, at random or from a checkpoint file."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from featprobe.backbones.adapter_rules import LinearClassifier
from featprobe.backbones.checkpoints import (
    HEADS,
    adopt,
    linear_head,
    load_state,
    quiet,
    read_checkpoint,
)
from featprobe.backbones.families import Plan, known, plan
from featprobe.backbones.hub_files import fetched, hub_file, hub_reachable
from featprobe.backbones.source import Loaded, Source, account, drawn, strictly
from featprobe.backbones.spec import Preprocess
from featprobe.core.errors import InputError, reason

# SAM's and BLIP's configurations state a deviation of 1e-10 for weights that are drawn: such a
# network gives the same features of every image, which is no control. Others state 0.02.
LEAST_SPREAD, USUAL_SPREAD = 1e-3, 0.02
VOLATILE = ("_name_or_path", "transformers_version", "dtype", "architectures", "torch_dtype")


def load(source: Source) -> Loaded:
    """Build the architecture and fill it with the weights that the source asks for."""
    source = _with_files(source)
    config = _config(source)
    known(config)
    preprocess = source.preprocess or preprocess_of(source)
    dropped: list[str] = []
    states = [source.state(path, dropped) for path in source.weights[:1]]
    states += [read_checkpoint(path) for path in source.weights[1:]]
    steps = plan(config, heads=not states)
    if states:
        for name, value in adopt(states[0], steps.config.model_type).items():
            setattr(steps.config, name, value)
    origin: dict[str, Any] = {}
    if states or source.init == "random":
        with drawn(source.seed), _spread(steps.config):
            module = steps.build()
    if states:
        layouts = _fill(module, states, source, dropped)
        origin = {"weights": [f.name for f in source.weights], "layout": layouts}
        origin |= source.about(dropped)
    elif source.init != "random":
        module = _pretrained(source, steps)
        place = source.folder.name if source.folder else source.place
        origin = {"source": place, "revision": _commit(source)}
    return Loaded(
        steps.finished(module), steps.adapter(), preprocess, described(steps.config), origin
    )


@contextmanager
def _spread(config: Any) -> Iterator[None]:
    """Weights are drawn with a deviation by which a network sees its images; the configuration,
    which is in keys, stays as it is."""
    stated = getattr(config, "initializer_range", USUAL_SPREAD)
    if stated < LEAST_SPREAD:
        config.initializer_range = USUAL_SPREAD
    try:
        yield
    finally:
        if stated < LEAST_SPREAD:
            config.initializer_range = stated


def described(config: Any) -> dict[str, Any]:
    """A configuration of transformers as JSON values, without what does not change the network."""
    return {k: v for k, v in config.to_diff_dict().items() if k not in VOLATILE}


def _with_files(source: Source) -> Source:
    """A model that is published as files only gets them from their addresses."""
    spec = source.spec
    if source.place or source.init or source.weights or spec is None or not spec.files:
        return source
    if not all(f.startswith("https://") for f in spec.files):
        return source
    return replace(source, weights=tuple(fetched(address) for address in spec.files))


def _fill(module: nn.Module, states: list[Any], source: Source, dropped: list[str]) -> str:
    """Load one file, or a backbone's and its linear head's, strictly."""
    names = [f"{path} for {source.text}" for path in source.weights]
    if isinstance(module, LinearClassifier):
        if len(states) != 2:
            raise InputError(
                f"{source.text} needs two weights files, its backbone's and then its linear head's"
            )
        layout = load_state(module.backbone, states[0], names[0], dropped)
        try:
            weight, bias = linear_head(states[1])
        except InputError as error:
            raise InputError(f"{names[1]}: {error}") from error
        strictly(module.head, {"weight": weight, "bias": bias}, names[1])
        return layout
    if len(states) > 1:
        raise InputError(f"{source.text} takes one weights file, not {len(states)}")
    return load_state(module, states[0], names[0], dropped)


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


def preprocess_of(source: Source) -> Preprocess:
    """The preprocessing that lies beside the weights, in the source's folder or on the hub."""
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


def _commit(source: Source) -> str | None:
    """The commit of the hub whose files were read; transformers 5 no longer says it."""
    found = None if source.folder else hub_file(source.place, "config.json", source.revision)
    return Path(found).parent.name if found else None


def _pretrained(source: Source, steps: Plan) -> nn.Module:
    try:
        with quiet():
            module, info = steps.model.from_pretrained(
                source.place, config=steps.config, revision=source.revision, dtype=torch.float32,
                local_files_only=bool(source.folder) or not hub_reachable(),
                output_loading_info=True, ignore_mismatched_sizes=True,
                key_mapping=dict(steps.family.renamed) or None, **steps.keywords,
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
