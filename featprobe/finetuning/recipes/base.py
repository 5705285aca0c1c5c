"""The contract of recipes: from a frozen backbone to one of which a part trains."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from typing import Any, ClassVar, Literal

from torch import nn

from featprobe.backbones.base import Backbone


@dataclass
class Trainable:
    """A backbone of which the parameters with ``requires_grad`` train.

    ``backbone``: its module is changed in place where the recipe adds something, and its adapter
    says how the changed network is read. ``live``: the modules that run in train mode while it
    trains; all others stay in eval mode, so that no statistic of a frozen layer drifts.
    ``plain``: makes of the trained network the backbone to be exported (adapters merged).
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
class Recipe:
    """Which parameters train. A subclass is a frozen dataclass whose fields are its options.

    ``name``: on the command line; ``lr``: the learning rate of the backbone's parameters where
    none is given; ``start``: weights of the head at the start, ``zeros`` or ``solved`` (the
    logistic probe's on the frozen features, as LP-FT has it).
    """

    name: ClassVar[str]
    lr: ClassVar[float] = 1e-4
    start: ClassVar[Literal["zeros", "solved"]] = "zeros"

    def apply(self, backbone: Backbone) -> Trainable:
        """Change the backbone in place; everything in it is frozen and in eval mode when given.

        Raises :class:`~featprobe.errors.InputError` for a network that the recipe is not for.
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
    return Trainable(backbone, live, lambda: backbone)


def selected(backbone: Backbone, wanted: Callable[[str, nn.Module], bool]) -> Trainable:
    """The backbone with the parameters trained of which ``wanted(name, module)`` is true.

    ``name`` is that of the parameter within the module that holds it. All modules stay in eval
    mode.
    """
    for module in backbone.module.modules():
        for name, parameter in module.named_parameters(recurse=False):
            if wanted(name, module):
                parameter.requires_grad_(True)
    return Trainable(backbone, [], lambda: backbone)


def blocks_of(backbone: Backbone) -> list[nn.Module]:
    """Blocks of a transformer or stages of a network in stages, from the input to the output.

    Where the adapter knows the whole network only, they are the members of its first list of
    several parts that hold parameters.
    """
    found = backbone.adapter.blocks_of(backbone.module)
    if len(found) > 1:
        return found
    queue = deque(found)
    while queue:
        module = queue.popleft()
        children = [c for c in module.children() if any(True for _ in c.parameters())]
        if isinstance(module, (nn.ModuleList, nn.Sequential)) and len(children) > 1:
            return children
        queue.extend(children)
    return found
