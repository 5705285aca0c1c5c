"""What backbones of optional libraries share: import, hub, checkpoint files."""

from __future__ import annotations

import importlib
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from featprobe.backbones.formats.layout import not_needed, unwrapped
from featprobe.backbones.formats.reading import tensors
from featprobe.backbones.hub_files import hub_file, hub_reachable
from featprobe.backbones.source import Source, strictly
from featprobe.core.errors import FeatprobeError, InputError, MissingExtra, reason

WRAPPERS = ("state_dict.", "model.", "module.", "_orig_mod.", "net.", "network.", "backbone.")


def library(name: str, extra: str) -> Any:
    """Import an optional library; :class:`~featprobe.core.errors.MissingExtra` names the extra."""
    try:
        return importlib.import_module(name)
    except ImportError as error:
        missing = error.name or name
        raise MissingExtra(
            f"{extra} models need {missing}: pip install 'featprobe[{extra}]'"
        ) from error
    except Exception as error:  # torchvision built for another torch fails in ways of its own
        raise MissingExtra(
            f"{name} is installed but cannot be imported ({reason(error)}); torch and torchvision "
            f"must be built for each other: pip install 'featprobe[{extra}]'"
        ) from error


@contextmanager
def hub(place: str, what: str = "weights are") -> Iterator[None]:
    """Let a library load from the hub; offline it finds cached files at once, or none.

    ``what`` is loaded, with its verb. What goes wrong becomes one
    :class:`~featprobe.core.errors.InputError` about ``place``.
    """
    from huggingface_hub import constants

    before = constants.HF_HUB_OFFLINE
    constants.HF_HUB_OFFLINE = before or not hub_reachable()
    try:
        yield
    except (OSError, RuntimeError, ValueError, KeyError) as error:
        if isinstance(error, FeatprobeError):
            raise
        text = str(error)
        if "state_dict" in text or "No pretrained weights" in text:
            raise InputError(f"{place}: cannot be loaded: {reason(error)[:400]}") from error
        instead = "; or give --weights FILE, or --init random" if "weights" in what else ""
        raise InputError(
            f"{place}: its {what} not in the local Hugging Face cache and could not be "
            f"downloaded; check the name and the network{instead}"
        ) from error
    finally:
        constants.HF_HUB_OFFLINE = before


def provenance(repository: str, files: tuple[str, ...], revision: str | None) -> dict[str, Any]:
    """Commit and sha256 of the weights file that the hub's cache holds, as far as known."""
    for name in files:
        found = hub_file(repository, name, revision)
        if found:
            sha = Path(found).resolve().name  # the cache names large files by their sha256
            known = {"sha256": sha} if len(sha) == 64 else {}
            return {"file": name, "revision": Path(found).parent.name, **known}
    return {}


def weights_file(source: Source) -> Path:
    """The one checkpoint file of the source."""
    if len(source.weights) != 1:
        raise InputError(f"{source.text} takes one weights file, not {len(source.weights)}")
    return source.weights[0]


def state_of(
    path: Path, source: Source, origin: dict[str, Any], own: Collection[str]
) -> dict[str, Tensor]:
    """The tensors of a checkpoint file without what training code wraps around their names.

    ``own``: the keys of the network. Heads and the state of a training beside it are left out, and
    they, and what the source says of keys, go into ``origin``. What else is beside it stays, to be
    refused.
    """
    dropped: list[str] = []
    flat = tensors(source.state(path, dropped))
    inside, beside = unwrapped(flat, own)
    if inside is flat:  # a network that is not whole, as files of one without its classifier
        inside = {k: v for k, v in flat.items() if k.startswith("state_dict.")} or flat
        while any(all(k.startswith(w) for k in inside) for w in WRAPPERS):
            inside = {k.partition(".")[2]: v for k, v in inside.items()}
        known = set(own) & inside.keys()  # none in a layout that is converted later
        beside = [k for k in inside if k not in own] if known else []
        spelled = inside
    else:
        spelled = flat
    odd = [k for k in beside if not not_needed(k)]
    dropped += [k for k in beside if k not in odd]
    origin |= source.about(dropped)
    kept = {k: v for k, v in inside.items() if k not in dropped}
    return kept | {k: spelled[k] for k in odd}


def fill(module: nn.Module, state: dict[str, Tensor], where: str) -> None:
    """Load strictly; only counters of BatchNorm, which old files lack, may be missing."""
    counters = {k: v for k, v in module.state_dict().items() if k.endswith("num_batches_tracked")}
    strictly(module, counters | state, where)
