"""Which layers adapters are put on: roles that users know, told by the names that families give."""

from __future__ import annotations

import re
from collections.abc import Sequence

from torch import nn

from featprobe.backbones.base import Backbone
from featprobe.core.errors import InputError, UnknownName, nearest
from featprobe.finetuning.recipes.base import blocks_of

# Part of a role -> how the paths of its linear layers end, in transformers, timm, open_clip and
# torchvision. The first that fits counts.
_NAMES = {
    "q": "q|q_proj|query",
    "k": "k|k_proj|key",
    "v": "v|v_proj|value",
    "fused": "qkv|kv|Wqkv|projection_in",
    "proj": r"\w*(attn|attention|modulation)\.(proj|o_proj|out_proj|projection|projection_out|"
    r"output\.dense)",
    "fc1": r"fc1|fc1_g|fc1_x|lin1|dense1|proj_in|up_proj|gate_proj|weights_in|c_fc|"
    r"pwconv1|pointwise_conv1|intermediate\.dense|mlp\.0|block\.3",
    "fc2": r"fc2|lin2|dense2|proj_out|down_proj|weights_out|c_proj|"
    r"pwconv2|pointwise_conv2|output\.dense|mlp\.[23]|block\.5",
}
_PATTERNS = {part: re.compile(rf"(^|\.)({names})$") for part, names in _NAMES.items()}

# ``qkv``: what makes queries, keys and values, fused or not; ``proj``: what follows the attention;
# ``mlp``: both layers of the MLP, ``fc1`` the first (with a gate, both of its halves) and ``fc2``
# the last; ``q``, ``k``, ``v``: where they are not fused; ``conv``: convolutions.
ROLES = {
    "qkv": ("q", "k", "v", "fused"),
    "proj": ("proj",),
    "mlp": ("fc1", "fc2"),
    "fc1": ("fc1",),
    "fc2": ("fc2",),
    "q": ("q",),
    "k": ("k",),
    "v": ("v",),
    "conv": ("conv",),
}


def check_roles(roles: Sequence[str], owner: str) -> None:
    """Raise :class:`UnknownName` for the first that is none."""
    for role in roles:
        if role not in ROLES:
            raise UnknownName(
                f"unknown target {role!r} of {owner}.{nearest(role, ROLES)} "
                f"Known: {', '.join(ROLES)}"
            )


def find_targets(
    backbone: Backbone, roles: Sequence[str], usual: Sequence[str]
) -> dict[str, list[str]]:
    """Part of a role (``q``, ``fc1``, ``conv``, ...) -> paths of its layers, inside of the blocks.

    Without ``roles``, those of ``usual`` that the network has, and ``conv`` where it has no
    attention. Raises :class:`InputError` where a role matches nothing, and for attention of
    ``nn.MultiheadAttention``, which reads the weights of its projections past their modules.
    """
    there, others = _layers(backbone)
    wanted = list(roles) or list(usual)
    if "attention" in others and {"q", "k", "v", "fused", "proj"} & _parts(wanted):
        raise InputError(
            f"{backbone.name}: its attention is torch's nn.MultiheadAttention, whose projections "
            "are no layers that an adapter could be put on; name others, such as targets=mlp"
        )
    if not roles:
        wanted = [role for role in usual if _parts([role]) & there.keys()]
        if not _parts(["qkv"]) & there.keys() and "conv" in there:
            wanted.append("conv")
    for role in wanted or ["conv" if "conv" in others else usual[0]]:
        if not _parts([role]) & there.keys():
            raise InputError(_nothing(backbone, role, there, others))
    return {part: there[part] for part in there if part in _parts(wanted)}


def _parts(roles: Sequence[str]) -> set[str]:
    return {part for role in roles for part in ROLES[role]}


def _layers(backbone: Backbone) -> tuple[dict[str, list[str]], dict[str, list[str]]]:
    """Paths by part of a role, and of what cannot have an adapter by why."""
    inside = {id(m) for block in blocks_of(backbone) for m in block.modules()}
    there: dict[str, list[str]] = {}
    others: dict[str, list[str]] = {}
    attention: tuple[str, ...] = ()
    for path, module in backbone.module.named_modules():
        if id(module) not in inside or path.startswith(attention):
            continue
        if isinstance(module, nn.MultiheadAttention):
            attention = (*attention, f"{path}.")
            others.setdefault("attention", []).append(path)
        elif isinstance(module, nn.Linear):
            part = next((p for p, pattern in _PATTERNS.items() if pattern.search(path)), None)
            (others if part is None else there).setdefault(part or "linear", []).append(path)
        elif isinstance(module, nn.Conv2d):
            (there if _plain(module) else others).setdefault("conv", []).append(path)
    return there, others


def _plain(conv: nn.Conv2d) -> bool:
    """Whether a low-rank change of its output is one of its weight, so that it can be merged."""
    whole = conv.groups == 1 and conv.dilation == (1, 1) and conv.padding_mode == "zeros"
    return type(conv) is nn.Conv2d and whole


def _nothing(
    backbone: Backbone, role: str, there: dict[str, list[str]], others: dict[str, list[str]]
) -> str:
    """What is said of a role that matches nothing."""
    if role == "conv" and "conv" in others:
        return (
            f"{backbone.name}: no convolution of its blocks can have an adapter; they are grouped, "
            f"dilated, not padded by zeros or of a class of their own: {kinds(others['conv'])}"
        )
    parts = (there | others).items()
    linear = [p for part, paths in parts if part not in ("conv", "attention") for p in paths]
    conv = f"; {len(there['conv'])} convolutions are targets=conv" if "conv" in there else ""
    return (
        f"{backbone.name}: targets={role} matches nothing; linear layers of its blocks: "
        f"{kinds(linear)}{conv}"
    )


def kinds(paths: Sequence[str]) -> str:
    """Paths with their numbers left out, each once."""
    kinds = dict.fromkeys(re.sub(r"(^|\.)\d+(?=\.|$)", r"\1*", p) for p in paths)
    return ", ".join(kinds) or "none"
