"""All that a ``featprobe extract`` imports, to be imported once before many of them are forked."""

from __future__ import annotations

import h5py
import PIL.PngImagePlugin
import torch
import transformers.models.dinov2.modeling_dinov2
import zarr

import featprobe.backbones.load
import featprobe.cli.extract
import featprobe.extraction.local
import featprobe.store.hdf5
import featprobe.store.zarr

torch.set_num_threads(1)
__all__ = ["PIL", "featprobe", "h5py", "torch", "transformers", "zarr"]
