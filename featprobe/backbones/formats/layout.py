"""A key layout as a table: which key of a file fills which keys of the transformers model."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from torch import Tensor

# What a template's fields stand for: block numbers, and the tensors of a layer.
FIELDS = {
    "n": r"\d+",
    "m": r"\d+",
    "p": "weight|bias",
    "s": "weight|bias|running_mean|running_var|num_batches_tracked",
}
# Names of dictionaries and modules that training code wraps around a network: torch.compile
# (_orig_mod), DistributedDataParallel (module), Lightning (state_dict, model, net), DINOv2
# (teacher), lightly-train (teacher_embedding_model.wrapped_model._model).
_WRAPPER = (
    r"(?:model|model_ema|state_dict|module|_orig_mod|net|network|vit|ema|ema_model|_model"
    r"|wrapped_model|(?:(?:teacher|student)(?:_(?:embedding_model|backbone|model|encoder))?)"
    r"|target_encoder|backbone|encoder|image_encoder|feature_extractor)\."
)
WRAPPERS = re.compile(f"(?:{_WRAPPER})*")
# taken only where there is no other
SECOND = re.compile(r"(?:^|\.)(?:student(?:_\w+)?|model_ema|ema|ema_model)\.")
# State of a training run beside the network.
TRAINING = {
    r"(optimizer|lr_scheduler|scheduler|scaler|loss_scaler|fp16_scaler|amp)\.": "training state",
    r"(model\.)?(dino_loss|ibot_patch_loss)\.": "centre of a self-supervised loss",
    rf"(?:{_WRAPPER})*(head|heads|classifier|fc|linear|predictor|projector|(\w+_)?projection_head"
    r"|(\w+_)?prediction_head|dino_head|ibot_head|criterion)\.": "head beside the network",
    rf"(?:{_WRAPPER})*student_\w+\.": "student beside its teacher",
    rf"(?:{_WRAPPER})*(ema|ema_model|model_ema)\.": "average beside its model",
}


@dataclass(frozen=True)
class Rule:
    """``source`` fills ``targets``; several targets share its rows in equal parts, in order."""

    source: str
    targets: tuple[str, ...]


def rule(source: str, *targets: str) -> Rule:
    """The row of a table: templates such as ``blocks.{n}.norm1.{p}``."""
    return Rule(source, targets)


@dataclass(frozen=True)
class Layout:
    """One authors' layout. A network's inner keys are those below the wrappers.

    ``families``: the model types of transformers that it can fill. ``marks``: patterns that all
    occur among the inner keys, and not in a layout that is asked later. ``beside``: pattern of an
    inner key -> why it is not needed; ``dropped``: the same for keys elsewhere in the file.
    ``shorten``: pattern and replacement that undo a numbering of blocks by chunks. ``facts``: what
    the tensors fix of the configuration beyond doubt; ``fixed``: what the authors' code does.
    ``filled``: values for keys of the model
    that older files lack and inference does not read. ``refuse``: why a file with these keys
    cannot serve a configuration, or None.
    """

    name: str
    families: tuple[str, ...]
    marks: tuple[str, ...]
    rules: tuple[Rule, ...]
    dropped: Mapping[str, str] = field(default_factory=dict)
    beside: Mapping[str, str] = field(default_factory=dict)
    shorten: tuple[str, str] | None = None
    facts: Callable[[Mapping[str, Tensor]], dict[str, Any]] = lambda _tensors: {}
    fixed: Mapping[str, Any] = field(default_factory=dict)
    filled: Mapping[str, Tensor] = field(default_factory=dict)
    refuse: Callable[[Mapping[str, str], Any], str | None] = lambda _keys, _config: None

    @cached_property
    def forward(self) -> list[tuple[re.Pattern[str], Rule]]:
        return [(_pattern(r.source), r) for r in self.rules]

    @cached_property
    def backward(self) -> list[tuple[re.Pattern[str], str]]:
        return [(_pattern(t), r.source) for r in self.rules for t in r.targets]

    def match(self, key: str) -> tuple[str, ...]:
        """The keys that a key below the wrappers fills; none where the table has no row."""
        for pattern, r in self.forward:
            if found := pattern.fullmatch(key):
                return tuple(t.format(**found.groupdict()) for t in r.targets)
        return ()

    def inverse(self, target: str) -> str | None:
        """The key below the wrappers that would fill a key of the model."""
        for pattern, source in self.backward:
            if found := pattern.fullmatch(target):
                return source.format(**found.groupdict())
        return None

    def drops(self, key: str, inner: str | None) -> bool:
        """Whether a key without a row in the table is known not to be needed.

        ``inner``: its name below the wrappers, or None for a key that lies elsewhere.
        """
        if inner is not None:
            return any(re.match(pattern, inner) for pattern in self.beside)
        return any(re.match(pattern, key) for pattern in (*TRAINING, *self.dropped))


def _pattern(template: str) -> re.Pattern[str]:
    parts = re.split(r"\{(\w)\}", template)
    out = ""
    for i, part in enumerate(parts):
        out += f"(?P<{part}>{FIELDS[part]})" if i % 2 else re.escape(part)
    return re.compile(out)


@dataclass(frozen=True)
class Keys:
    """The keys of a file below the wrappers of its network: inner name -> key of the file."""

    root: str
    inner: Mapping[str, str]
    outer: tuple[str, ...]  # keys of the file elsewhere

    def marked(self, layout: Layout) -> bool:
        return all(any(re.match(mark, key) for key in self.inner) for mark in layout.marks)

    def spelled(self, name: str) -> str:
        """How the file would spell an inner name that it lacks, judged by its neighbours."""
        parent = name
        while "." in parent:
            parent = parent.rpartition(".")[0]
            for inner, key in self.inner.items():
                if inner.startswith(f"{parent}."):
                    rest = inner[len(parent) :]
                    return key[: len(key) - len(rest)] + name[len(parent) :]
        return self.root + name


def find(layout: Layout, keys: Iterable[str]) -> Keys:
    """Where in a file a layout's network lies: under the wrappers that hold most keys of its table.

    Of several copies the plain one or the teacher's is taken before an average or a student's.
    """
    split = {key: _split(key, layout) for key in keys}
    counts = Counter(root for root, inner in split.values() if layout.match(inner))
    most = max(counts.values(), default=0)
    plenty = (root for root in counts if counts[root] * 2 >= most)
    best = min(plenty, key=lambda root: (bool(SECOND.search(root)), -counts[root]), default="")
    inside: dict[str, str] = {}
    outside: list[str] = []
    for key, (root, inner) in split.items():
        if root == best and inner not in inside:
            inside[inner] = key
        else:  # also a block that two chunks have
            outside.append(key)
    return Keys(best, inside, tuple(outside))


def _split(key: str, layout: Layout) -> tuple[str, str]:
    root = WRAPPERS.match(key).group()  # type: ignore[union-attr]
    inner = key[len(root) :]
    return root, re.sub(*layout.shorten, inner) if layout.shorten else inner


def not_needed(key: str) -> bool:
    """Whether a key beside a network is known to be of the training, or a head."""
    return any(re.match(pattern, key) for pattern in TRAINING)


def unwrapped(flat: dict[str, Tensor], own: Collection[str]) -> tuple[dict[str, Tensor], list[str]]:
    """The tensors below what training code wrapped around a network, and the keys of the others.

    ``own``: the keys of the network itself. All tensors as they are where such a key is not below
    a wrapper, or fewer than half of them are in one place.
    """
    own = set(own)
    roots: Counter[str] = Counter()
    for key in flat:
        for cut in (m.end() for m in re.finditer(r"\.", key)):
            if WRAPPERS.fullmatch(key[:cut]) and key[cut:] in own:
                roots[key[:cut]] += 1
    if not roots or 2 * max(roots.values()) < len(own) or any(key in own for key in flat):
        return flat, []
    best = min(roots, key=lambda root: (bool(SECOND.search(root)), -roots[root]))
    inside = {k.removeprefix(best): t for k, t in flat.items() if k.startswith(best)}
    inside = {k: t for k, t in inside.items() if k in own}
    return inside, [k for k in flat if k.removeprefix(best) not in inside]
