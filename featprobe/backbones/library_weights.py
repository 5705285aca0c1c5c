"""Where timm, open_clip and torchvision keep the weights of a backbone, if they are here."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from featprobe.backbones.hub_files import hub_file
from featprobe.backbones.source import Source

NAMES = ("model.safetensors", "pytorch_model.bin", "open_clip_model.safetensors",
         "open_clip_pytorch_model.bin")  # fmt: skip


def library_weights(source: Source) -> str | None:
    """Path of the weights of ``timm:NAME``, ``open_clip:ARCH:TAG`` or ``torchvision:NAME:TAG`` in
    the library's own cache, or None; nothing is downloaded. The library must be installed."""
    library, _, rest = source.place.partition(":")
    name, _, tag = rest.partition(":")
    repository, file, address = "", "", ""
    if rest.startswith(("hf-hub:", "hf_hub:")):
        repository = rest[len("hf-hub:") :]
    elif library == "timm":
        found = import_module("timm.models").get_pretrained_cfg(name)
        repository = (getattr(found, "hf_hub_id", None) or "").removesuffix("/")
        repository = f"{repository}/{name}" if repository == "timm" else repository
        address = getattr(found, "url", None) or ""
    elif library == "open_clip":
        config: dict[str, Any] = import_module("open_clip").get_pretrained_cfg(name, tag) or {}
        repository, file = _in_repository(config.get("hf_hub", ""))
        address = config.get("url", "")
    elif library == "torchvision":
        address = _torchvision(name, tag)
    if repository:
        names = (file, *NAMES) if file else NAMES
        here = next((p for n in names if (p := hub_file(repository, n))), None)
        if here:
            return here
    return _downloaded(address) if address else None


def _in_repository(text: str) -> tuple[str, str]:
    """``owner/name/file`` as repository and file, which may be missing."""
    parts = text.strip("/").split("/")
    return "/".join(parts[:2]), "/".join(parts[2:])


def _torchvision(name: str, tag: str) -> str:
    weights: Any = import_module("torchvision.models").get_model_weights(name)
    return str(getattr(weights, tag or "DEFAULT").url)


def _downloaded(address: str) -> str | None:
    """A file that torch.hub has downloaded before."""
    import torch

    path = Path(torch.hub.get_dir()) / "checkpoints" / Path(urlsplit(address).path).name
    return str(path) if path.is_file() else None
