"""Vision towers through open_clip: ``open_clip:ARCH:TAG`` and ``open_clip:hf-hub:org/name``.

Only the vision tower is built and filled; the text tower of a checkpoint is left out.
"""

from __future__ import annotations

import copy
import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor, nn

from featprobe.backbones.adapters import Maps, Tokens
from featprobe.backbones.base import Adapter
from featprobe.backbones.optional_libraries import (
    fill,
    hub,
    library,
    provenance,
    state_of,
    weights_file,
)
from featprobe.backbones.positions import interpolate
from featprobe.backbones.source import Loaded, Source, drawn
from featprobe.backbones.spec import INTERPOLATIONS, Preprocess
from featprobe.backbones.timm_adapters import adapter as timm_adapter
from featprobe.core.errors import InputError, MissingPath, UnknownName, nearest, reason
from featprobe.core.paths import expanded

CONFIG = "open_clip_config.json"
FILES = ("open_clip_model.safetensors", "open_clip_pytorch_model.bin")  # as open_clip asks
# The smallest text tower there is: open_clip's classes build one, and it is dropped.
TEXT = {"context_length": 1, "vocab_size": 1, "width": 8, "heads": 1, "layers": 1}


@dataclass
class Named:
    """What a name stands for: configurations of model and preprocessing, and where weights lie.

    ``repository``: of the hub; ``tag``: open_clip's entry of the weights; ``folder``: a local one.
    """

    model: dict[str, Any]
    preprocess: dict[str, Any] = field(default_factory=dict)
    repository: str = ""
    tag: dict[str, Any] = field(default_factory=dict)
    folder: Path | None = None


def load(source: Source) -> Loaded:
    """Build a vision tower and fill it; float32, projection not normalised.

    Raises :class:`~featprobe.core.errors.MissingExtra`, :class:`~featprobe.core.errors.UnknownName`
    with the nearest name, or :class:`~featprobe.core.errors.InputError` for weights that cannot be
    had.
    """
    open_clip = library("open_clip", "open_clip")
    named = find(open_clip, source)
    model = named.model
    try:
        vision = {**model["vision_cfg"], "timm_model_pretrained": False}
        quick = bool(model.get("quick_gelu") or named.tag.get("quick_gelu"))
        with drawn(source.seed):
            clip = open_clip.CLIP(model["embed_dim"], vision, dict(TEXT), quick_gelu=quick)
    except (KeyError, TypeError) as error:
        raise InputError(
            f"{source.text}: not a configuration of open_clip: {reason(error)}"
        ) from error
    visual = clip.visual
    origin: dict[str, Any] = {}
    if source.weights:
        path = weights_file(source)
        state = state_of(path, source, origin, _own(clip))
        aside = take(open_clip, clip, state, f"{path} for {source.text}")
        origin |= {"dropped": origin.get("dropped", []) + aside} if aside else {}
        origin["weights"] = [path.name]
    elif not source.init:
        path = weights(open_clip, named, source)
        take(open_clip, clip, state_of(path, source, {}, _own(clip)), source.place)
        origin = {"source": source.place, "file": path.name}
        if named.repository:
            origin |= provenance(named.repository, (path.name,), source.revision)
    size = visual.image_size
    size = (size, size) if isinstance(size, int) else tuple(size)
    module, adapter = tower(visual.eval(), size, model["embed_dim"])
    config = {"library": "open_clip", "embed_dim": model["embed_dim"], "quick_gelu": quick}
    return Loaded(
        module, adapter, source.preprocess or preprocess(named.preprocess, size, source.text),
        json.loads(json.dumps(config | {"vision_cfg": vision})), origin,
    )  # fmt: skip


def find(open_clip: Any, source: Source) -> Named:
    """Resolve ARCH:TAG, hf-hub:org/name or local-dir:folder; ARCH alone for random or own weights.

    A catalog entry's ``config`` with a ``model_cfg`` stands in for the hub's file where no weights
    of the hub are asked for.
    """
    name = source.place.removeprefix("open_clip:")
    scheme, _, rest = name.partition(":")
    own = bool(source.init or source.weights)
    if scheme == "local-dir":
        folder = expanded(rest)
        if not (folder / CONFIG).is_file():
            raise MissingPath(f"{source.text}: no {CONFIG} in {folder}")
        return _read(folder / CONFIG, folder=folder)
    if scheme == "hf-hub":
        if own and source.spec is not None and "model_cfg" in source.spec.config:
            held = source.spec.config
            return Named(copy.deepcopy(held["model_cfg"]), dict(held.get("preprocess_cfg", {})))
        from huggingface_hub import hf_hub_download

        with hub(source.place, "configuration is"):
            path = Path(hf_hub_download(rest, CONFIG, revision=source.revision))
        return _read(path, repository=rest)
    architecture, tag = scheme.replace("/", "-"), rest
    model = open_clip.get_model_config(architecture)
    if model is None:
        hint = nearest(architecture, open_clip.list_models())
        raise UnknownName(f"open_clip has no model {scheme!r}.{hint}")
    tags = open_clip.list_pretrained_tags_by_model(architecture)
    entry = open_clip.get_pretrained_cfg(architecture, tag) if tag else {}
    if not entry and (tag or not own):
        known = f" There are {', '.join(tags)}." if tags else " It has random weights only."
        raise UnknownName(f"open_clip has no weights {name!r}.{nearest(tag, tags)}{known}")
    repository = entry.get("hf_hub", "").rpartition("/")[0]
    return Named(copy.deepcopy(model), dict(entry), repository, dict(entry))


def _read(path: Path, **place: Any) -> Named:
    try:
        held = json.loads(path.read_text())
        return Named(held["model_cfg"], held.get("preprocess_cfg", {}), **place)
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path}: not a configuration of open_clip: {reason(error)}") from error


def weights(open_clip: Any, named: Named, source: Source) -> Path:
    """The checkpoint file, downloaded by open_clip's own code where the cache lacks it."""
    if named.folder is not None:
        for name in (*FILES, "model.safetensors", "pytorch_model.bin"):
            if (named.folder / name).is_file():
                return named.folder / name
        raise MissingPath(f"{named.folder}: no {' or '.join(FILES)}")
    with hub(source.place):
        if not named.repository:
            return Path(open_clip.download_pretrained(named.tag))
        file = named.tag.get("hf_hub", "").rpartition("/")[2] or None
        return Path(
            open_clip.pretrained.download_pretrained_from_hf(
                named.repository, filename=file, revision=source.revision
            )
        )


def _own(clip: nn.Module) -> list[str]:
    """The keys of the vision tower, as a whole model and as the tower alone has them."""
    names = [k for k in clip.state_dict() if k.startswith("visual.")]
    return [*names, *(k.removeprefix("visual.") for k in names)]


def take(open_clip: Any, clip: nn.Module, state: dict[str, Any], where: str) -> list[str]:
    """Fill the vision tower from a checkpoint of a whole model, or of the tower alone.

    Returns the keys of the other tower, which are not used.
    """
    if "image_encoder.model.patch_emb.0.block.conv.weight" in state or (
        "image_encoder.model.patch_embed.0.rbr_conv.0.conv.weight" in state
    ):
        state = open_clip.factory.convert_state_dict(clip, state)  # MobileCLIP's own spelling
    inner = {k.removeprefix("visual."): v for k, v in state.items() if k.startswith("visual.")}
    fill(clip.visual, inner or state, where)  # type: ignore[arg-type]
    return [k for k in state if not k.startswith("visual.")] if inner else []


class Tower(nn.Module):
    """A vision tower with transformers' manner of calling: ``projection`` is what it returns.

    The position embeddings of a transformer follow the input, interpolated as open_clip does when
    it builds a model of another size (``open_clip.model.resize_pos_embed``).
    """

    def __init__(self, visual: Any) -> None:
        super().__init__()
        self.visual = visual
        if getattr(visual, "output_tokens", False):
            visual.output_tokens = False

    def forward(self, pixel_values: Tensor) -> Any:
        return SimpleNamespace(projection=self._sized(*pixel_values.shape[-2:])(pixel_values))

    def _sized(self, height: int, width: int) -> Any:
        """The tower with positions for this input; other threads see its own ones meanwhile."""
        own = self.visual
        positions = getattr(own, "positional_embedding", None)
        if positions is None:
            return own
        grid = height // own.patch_size[0], width // own.patch_size[1]
        if grid == tuple(own.grid_size):
            return own
        patches = interpolate(positions[None, 1:], *grid, antialias=True)[0]
        twin = copy.copy(own)
        new = nn.Parameter(torch.cat([positions[:1], patches]), requires_grad=False)
        twin._parameters = own._parameters | {"positional_embedding": new}
        return twin


def _last_map(out: Tensor, _x: Tensor) -> tuple[None, Tensor, Tensor]:
    return None, out.mean((2, 3)), out.permute(0, 2, 3, 1)


def tower(visual: Any, size: tuple[int, int], projected: int) -> tuple[nn.Module, Adapter]:
    """The module that is kept, and how its outputs are taken."""
    head = {"projection": projected}
    if hasattr(visual, "trunk"):  # a model of timm with a head behind it
        cfg = visual.trunk.pretrained_cfg
        anything = not cfg.get("fixed_input_size")
        made = timm_adapter(visual.trunk, size, anything, "trunk", "head")
        made.head = head
        return visual, made
    if hasattr(visual, "attnpool"):  # OpenAI's ResNet: attention pools a map of one size
        return Tower(visual), Maps(
            visual.layer4[-1].bn3.num_features, _last_map, "visual.layer4", head=head, fixed=size
        )
    # Attention pooling and CLIPA's norm come behind the blocks; patches stay as the last block
    # leaves them.
    late = visual.attn_pool is None and visual.final_ln_after_pool
    norm = "" if late or visual.attn_pool is not None else "visual.ln_post"
    blocks = visual.transformer.resblocks
    square = visual.grid_size[0] == visual.grid_size[1]
    return Tower(visual), Tokens(
        "visual.transformer.resblocks", norm, visual.conv1.out_channels, len(blocks),
        visual.patch_size[0], pooled="visual.ln_post" if late else "", head=head,
        fixed=None if square else size,
    )  # fmt: skip


def preprocess(given: dict[str, Any], size: tuple[int, int], text: str) -> Preprocess:
    """open_clip's transform for evaluation, from its configuration and the tower's input size."""
    from open_clip.transform import PreprocessCfg

    defaults = asdict(PreprocessCfg())
    cfg = defaults | {k: v for k, v in given.items() if k in defaults and v is not None}
    mode, filter_ = cfg["resize_mode"], cfg["interpolation"]
    filter_ = "bicubic" if filter_ == "random" else filter_
    if filter_ not in INTERPOLATIONS.values():
        raise InputError(f"{text}: resizes by {filter_!r}: not supported")
    if mode == "longest" or (mode == "shortest" and size[0] != size[1]):
        raise InputError(f"{text}: resizes the {mode} edge to {size[0]} x {size[1]}: not supported")
    shape: dict[str, Any] = {"resize": size, "crop": None}
    if mode == "shortest":
        shape = {"resize": size[0], "crop": size, "centre": "even"}
    return Preprocess(
        **shape, interpolation=filter_, mean=tuple(cfg["mean"]), std=tuple(cfg["std"])
    )
