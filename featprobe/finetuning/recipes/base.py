"""The contract of recipes: from a frozen backbone to one of which a part trains."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, replace
from typing import Any, ClassVar, Literal

from torch import nn

from featprobe.backbones.adapters import Tokens
from featprobe.backbones.base import Backbone
from featprobe.backbones.timm_adapters import TimmTokens
from featprobe.core.errors import InputError
from featprobe.core.options import Checked
from featprobe.finetuning.settings import HEAD_LR


@dataclass
class Trainable:
    """A backbone of which the parameters with ``requires_grad`` train.

    ``backbone``: its module is changed in place where the recipe adds something, and its adapter
    says how the changed network is read. ``live``: the modules that run in train mode while it
    trains; all others stay in eval mode, so that no statistic of a frozen layer drifts.
    ``plain``: ends the training: of the trained network it makes the backbone to be exported, in
    place (adapters merged, all frozen), as a new one whose weights are hashed anew.
    """

    backbone: Backbone
    live: list[nn.Module]
    plain: Callable[[], Backbone]

    def train(self) -> None:
        """Put the network in the mode it trains in."""
        self.backbone.module.eval()
        for module in self.live:
            module.train()


@dataclass(frozen=True)
class Recipe(Checked):
    """Which parameters train. A subclass is a frozen dataclass whose fields are its options.

    Options are checked when a recipe is made, see :class:`~featprobe.core.options.Checked`.

    ``name``: on the command line; ``lr`` and ``head_lr``: the learning rates of the backbone's and
    the head's parameters where none is given; ``start``: weights of the head at the start,
    ``zeros`` or ``solved`` (the logistic probe's on the frozen features, as LP-FT has it);
    ``idles``: settings of a training that have no effect with this recipe.
    """

    name: ClassVar[str]
    lr: ClassVar[float] = 1e-4
    head_lr: ClassVar[float] = HEAD_LR
    start: ClassVar[Literal["zeros", "solved"]] = "zeros"
    idles: ClassVar[tuple[str, ...]] = ()

    def owner(self) -> str:
        return f"recipe {self.name}"

    def apply(self, backbone: Backbone) -> Trainable:
        """Change the backbone in place; everything in it is frozen and in eval mode when given.

        Raises :class:`~featprobe.core.errors.InputError` for a network that the recipe is not for.
        """
        raise NotImplementedError

    def to_dict(self) -> dict[str, Any]:
        """The options, as JSON values."""
        return {k: list(v) if isinstance(v, tuple) else v for k, v in asdict(self).items()}


def unfrozen(backbone: Backbone, modules: Iterable[nn.Module]) -> Trainable:
    """The backbone with all parameters of these modules trained; nothing is added to it."""
    live = list(modules)
    for module in live:
        module.requires_grad_(True)
    return Trainable(backbone, live, lambda: replace(backbone))


def selected(backbone: Backbone, wanted: Callable[[str, nn.Module], bool]) -> Trainable:
    """The backbone with the parameters trained of which ``wanted(name, module)`` is true.

    ``name`` is that of the parameter within the module that holds it. All modules stay in eval
    mode. Raises :class:`InputError` where there is none.
    """
    for module in backbone.module.modules():
        for name, parameter in module.named_parameters(recurse=False):
            if wanted(name, module):
                parameter.requires_grad_(True)
    if not any(p.requires_grad for p in backbone.module.parameters()):
        raise InputError(f"{backbone.name} has no parameter of the kind that this recipe trains")
    return Trainable(backbone, [], lambda: replace(backbone))


def blocks_of(backbone: Backbone) -> list[nn.Module]:
    """Blocks of a transformer or stages of a network in stages, from the input to the output.

    A network that its adapter does not know by blocks is searched level by level: stages are the
    members of a list, or children that differ by a number alone (``layer1``, ``layer2``) and hold
    half of the parameters; of several such on a level, the longest, then the largest. Where there
    are none, it is the adapter's parts.
    """
    found = backbone.adapter.blocks_of(backbone.module)
    if isinstance(backbone.adapter, (Tokens, TimmTokens)):
        return found
    half = _size([backbone.module]) / 2
    level = [backbone.module]
    while level:
        series = [one for module in level for one in _series(module, half)]
        if series:
            return max(series, key=lambda one: (len(one), _size(one)))
        level = [child for module in level for child in module.children()]
    return found


def _series(module: nn.Module, half: float) -> list[list[nn.Module]]:
    """The runs of several children with parameters that could be stages."""
    children = [(name, child) for name, child in module.named_children() if _size([child])]
    if isinstance(module, (nn.ModuleList, nn.Sequential)):
        return [[child for _, child in children]] if len(children) > 1 else []
    runs: dict[str, list[nn.Module]] = {}
    for name, child in children:
        if name[-1].isdigit():
            runs.setdefault(name.rstrip("0123456789"), []).append(child)
    return [run for run in runs.values() if len(run) > 1 and _size(run) >= half]


def _size(modules: Iterable[nn.Module]) -> int:
    return sum(p.numel() for module in modules for p in module.parameters())
