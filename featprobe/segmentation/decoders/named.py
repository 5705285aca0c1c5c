"""Decoders by name: the modules of this package, and entry points ``featprobe.decoders``."""

from __future__ import annotations

from typing import Any

from featprobe.core.errors import UnknownName, nearest
from featprobe.core.plugins import subclass_of
from featprobe.core.registry import Registry
from featprobe.segmentation.decoders.base import Decoder

DECODERS = Registry(
    "decoder", "featprobe.segmentation.decoders", "DECODER",
    names={"linear": "linear", "multi": "linear"}, exclude=("base", "named"),
)  # fmt: skip


def plugin(name: str, value: Any, of: str, **facts: Any) -> Any:
    """A decoder of another package or script: a subclass of :class:`Decoder`."""
    return subclass_of("decoder", name, value, Decoder, facts)


def make_decoder(name: str, **options: Any) -> Decoder:
    """A decoder with some options changed.

    Raises :class:`UnknownName` for a name or an option that there is not, and
    :class:`~featprobe.core.errors.InputError` for a value that makes no sense.
    """
    kind: type[Decoder] = DECODERS.get(name)
    known = kind.options()
    for option in options:
        if option not in known:
            text = f"It has {', '.join(known)}" if known else "It has none"
            raise UnknownName(
                f"decoder {name}: unknown option {option!r}.{nearest(option, known)} {text}"
            )
    return kind(**options)
