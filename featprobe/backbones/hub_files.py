"""Files of weights that lie elsewhere: whether the hub answers, and downloads."""

from __future__ import annotations

import os
import socket
import urllib.error
from pathlib import Path
from urllib.parse import urlsplit

import torch

from featprobe.backbones.source import Source
from featprobe.backbones.spec import LIBRARIES
from featprobe.core.errors import InputError, reason


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


def fetched(address: str) -> Path:
    """A checkpoint file by its address, downloaded once into torch.hub's own folder.

    A file that torch.hub has downloaded before is used as it is. Raises
    :class:`~featprobe.core.errors.InputError` when it cannot be downloaded.
    """
    path = Path(torch.hub.get_dir()) / "checkpoints" / Path(urlsplit(address).path).name
    if not path.is_file():
        path.parent.mkdir(parents=True, exist_ok=True)
        try:  # written beside and renamed when complete
            torch.hub.download_url_to_file(address, str(path))
        except (OSError, urllib.error.URLError) as error:
            raise InputError(
                f"{address} could not be downloaded ({reason(error)}); put the file at {path}, "
                "give it with --weights FILE, or use --init random"
            ) from error
    return path


def hub_file(repository: str, name: str, revision: str | None = None) -> str | None:
    """Path of a file in the local Hugging Face cache, or None when it is not there."""
    from huggingface_hub import try_to_load_from_cache
    from huggingface_hub.errors import HFValidationError

    try:
        found = try_to_load_from_cache(repository, name, revision=revision)
    except HFValidationError:
        return None
    return found if isinstance(found, str) else None


def weights_here(source: Source) -> str | None:
    """The folder or file of the weights, if they are on this machine; nothing is downloaded.

    None also for timm, open_clip and torchvision, which keep theirs by rules of their own.
    """
    if source.weights:
        return str(source.weights[0])
    if source.folder:
        return str(source.folder)
    if source.spec is not None and not source.place:
        folder = Path(torch.hub.get_dir()) / "checkpoints"
        files = [folder / f.rsplit("/", 1)[-1] for f in source.spec.files]
        return str(folder) if files and all(f.is_file() for f in files) else None
    if source.place.partition(":")[0] in LIBRARIES:
        return None
    names = ("model.safetensors", "model.safetensors.index.json", "pytorch_model.bin")
    found = (hub_file(source.place, name, source.revision) for name in names)
    return next((f for f in found if f), None)
