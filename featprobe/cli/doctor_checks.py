"""What this machine has and what a backbone would need: facts for a report, nothing changed."""

from __future__ import annotations

import os
import platform
import shutil
from importlib.util import find_spec
from typing import Any

from featprobe.core import paths as settings
from featprobe.core._version import __version__
from featprobe.core.errors import reason
from featprobe.core.threads import cores
from featprobe.core.versions import version_of

PACKAGES = (
    "torch", "transformers", "accelerate", "peft", "safetensors", "huggingface_hub", "numpy",
    "scipy", "scikit-learn", "zarr", "h5py", "pydicom", "nibabel", "pandas", "pillow", "kornia_rs",
    "tifffile",
)  # fmt: skip
# extra -> the modules that it brings
EXTRAS = {
    "cpu or gpu": ("faiss",),
    "dicom": ("libjpeg", "openjpeg", "gdcm"),
    "sitk": ("SimpleITK",),
    "parquet": ("pyarrow",),
    "tiff": ("imagecodecs",),
    "timm": ("timm", "torchvision"),
    "open_clip": ("open_clip", "torchvision"),
    "ray": ("ray",),
    "torchvision": ("torchvision",),
}


def report(cache: str | os.PathLike[str] | None = None) -> dict[str, Any]:
    """Versions, devices, extras, whether the hub answers, and the cache, as JSON values.

    Sizes are in bytes. An extra maps to the modules it lacks, an empty list when it is there.
    """
    return {
        "featprobe": __version__,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "packages": {p: version_of(p) for p in PACKAGES},
        "extras": {e: [m for m in ms if not find_spec(m)] for e, ms in EXTRAS.items()},
        "devices": devices(),
        "hub": _hub(),
        "cache": cached(cache),
        "data": os.environ.get("FEATPROBE_DATA", ""),
    }


def devices() -> dict[str, Any]:
    """Cores and memory, and the GPUs that torch and faiss see."""
    import torch

    gpus = []
    for i in range(torch.cuda.device_count()):
        p = torch.cuda.get_device_properties(i)
        gpus.append({"device": f"cuda:{i}", "name": p.name, "bytes": p.total_memory})
    found: dict[str, Any] = {
        "cores": cores(),
        "threads": torch.get_num_threads(),
        "bytes": _memory(),
        "torch_cuda": torch.version.cuda,
        "gpus": gpus,
        "bf16": bool(gpus) and torch.cuda.is_bf16_supported(),
        "faiss_gpus": 0,
    }
    if find_spec("faiss"):
        from featprobe.neighbours.library import library

        faiss = library()
        found["faiss_gpus"] = faiss.get_num_gpus() if hasattr(faiss, "get_num_gpus") else 0
    return found


def _memory() -> int | None:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return None


def _hub() -> dict[str, Any]:
    from huggingface_hub import constants

    from featprobe.backbones.hub_files import hub_reachable

    return {
        "address": constants.ENDPOINT,
        "offline": bool(constants.HF_HUB_OFFLINE),
        "reachable": hub_reachable(),
        "folder": constants.HF_HUB_CACHE,
    }


def cached(cache: str | os.PathLike[str] | None = None) -> dict[str, Any]:
    """The cache: how many stores and their bytes, where (``features``, perhaps an address).

    ``path`` is the folder for the rest: what is free there, and whether it is writable. ``error``:
    why the stores cannot be listed, or empty.
    """
    from featprobe.store.cache import entries

    root, features, error = settings.cache_root(cache), settings.feature_root(cache), ""
    try:
        stores = list(entries(features))
        size = sum(e.bytes for e in stores)
    except Exception as problem:  # whatever the library of an address raises
        stores, size, error = [], 0, reason(problem)
    there = next(p for p in (root, *root.parents) if p.exists())
    return {
        "path": str(root),
        "features": str(features),
        "error": error,
        "stores": len(stores),
        "incomplete": sum(e.store is not None and not e.store.complete for e in stores),
        "damaged": sum(e.store is None for e in stores),
        "bytes": size,
        "free": shutil.disk_usage(there).free,
        "writable": os.access(there, os.W_OK),
    }


def needs(name: str) -> dict[str, Any]:
    """What extracting with a backbone of the catalog would need, without loading it.

    ``parameters`` in millions; ``bytes`` of its weights in float32; ``frame_bytes`` of features a
    frame at the default outputs in float16; ``here``: where its weights lie on this machine, or
    None; ``missing``: extras to install. Raises :class:`~featprobe.core.errors.UnknownName`.
    """
    from featprobe.backbones.hub_files import weights_here
    from featprobe.backbones.load import resolve

    source = resolve(name)
    spec = source.spec
    out: dict[str, Any] = {"name": source.label, "place": source.place, "revision": source.revision}
    library = source.place.partition(":")[0]
    modules = EXTRAS.get(library, ())
    out["missing"] = [library] if any(not find_spec(m) for m in modules) else []
    out["here"] = weights_here(source)
    if spec is not None:
        out |= {
            "files": list(spec.files),
            "licence": spec.licence,
            "parameters": spec.parameters,
            "bytes": int(spec.parameters * 4e6),
            "input": list(spec.preprocess.size) if spec.preprocess else None,
            "frame_bytes": 2 * (spec.width * min(4, spec.blocks)) * (2 if spec.patch else 1),
        }
    return out


def problems(found: dict[str, Any]) -> list[str]:
    """What of a report keeps featprobe from working, each with what to do."""
    out = [
        f"{p} is missing: pip install -c constraints.txt featprobe"
        for p, v in found["packages"].items()
        if v is None
    ]
    if found["extras"]["cpu or gpu"]:
        out.append("faiss is missing, kNN needs it: pip install 'featprobe[cpu]' or '[gpu]'")
    if found["cache"]["error"]:
        out.append(
            f"the stores in {found['cache']['features']} cannot be listed: "
            f"{found['cache']['error']}; set FEATPROBE_CACHE to a place that can be read"
        )
    if not found["cache"]["writable"]:
        out.append(f"the cache {found['cache']['path']} is not writable: set FEATPROBE_CACHE")
    if found["cache"]["free"] < 1e9:
        out.append(f"less than 1 GB is free for the cache {found['cache']['path']}")
    if shutil.which("nvidia-smi") and not found["devices"]["gpus"]:
        build = found["devices"]["torch_cuda"] or "none"
        out.append(f"there is an NVIDIA driver, but torch sees no GPU (its CUDA build: {build})")
    return out
