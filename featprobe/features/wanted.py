"""Which view a study looks at, in terms that every kind of backbone has.

A ViT with CLS has blocks to choose from, a CNN one pooled map, SAM tokens without CLS and a neck,
an image-text model a projection. What a study did with each is data here, and probes, trainings and
the commands that extract for them ask the same question.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from featprobe.backbones.offer import Offer
from featprobe.core.errors import InputError
from featprobe.features.feature_set import FeatureSet
from featprobe.features.view_names import view_part

OWN = "pooled"  # in a view: the vector that the network itself makes of a frame


@dataclass(frozen=True)
class Wanted:
    """The views of a study (``by``): the first of ``options`` that a backbone has.

    Each option is a list of views among which validation data choose. ``pooled`` in a view stands
    for :attr:`Offer.pooled`. ``unless``: an output that only backbones have which the study treats
    in another way: as ``otherwise`` says, or not at all.
    """

    by: str
    options: tuple[tuple[str, ...], ...]
    unless: str = ""
    otherwise: Wanted | None = None

    def of(self, offer: Offer) -> tuple[str, ...]:
        """The views of a backbone; raises :class:`InputError` that says which view would do."""
        if found := self.served(offer):
            return found
        asked = " or ".join(dict.fromkeys(v for o in self._options(offer) for v in o))
        raise InputError(
            f"{self.by} reads {asked or 'other backbones'}, which {offer.name} does not have: it "
            f"has {offer}. Use --features {offer.pooled} for what its own classifier sees"
        )

    def served(self, offer: Offer) -> tuple[str, ...]:
        """The views of a backbone, none where the study has no view of it."""
        for option in self._options(offer):
            views = tuple("+".join(_named(v, offer.pooled)) for v in option)
            if all(blocks <= offer.outputs.get(n, 0) for n, blocks in outputs_of(views).items()):
                return views
        return ()

    def _options(self, offer: Offer) -> tuple[tuple[str, ...], ...]:
        if self.unless not in offer.outputs:
            return self.options
        return self.otherwise.options if self.otherwise else ()

    def stored(self, features: FeatureSet) -> tuple[str, ...]:
        """The views of a feature set; raises :class:`InputError` also where the backbone has them
        and the store does not, with what extracts them."""
        views = self.of(offer_of(features))
        needed, there = outputs_of(views), features.store.layout.outputs
        lacking = [n for n, b in needed.items() if n not in there or there[n][0] < b]
        if not lacking:
            return views
        every = needed | {n: max(shape[0], needed.get(n, 0)) for n, shape in there.items()}
        said = " ".join(f"{n}:{b}" if b > 1 else n for n, b in every.items())
        raise InputError(
            f"{features.dataset} / {features.backbone}: {self.by} reads {' or '.join(views)}, and "
            f"{', '.join(lacking)} of it is not stored; run extract again with --features {said}"
        )

    @property
    def every(self) -> tuple[str, ...]:
        """All views that it may come to, ``pooled`` as such."""
        more = self.otherwise.options if self.otherwise else ()
        return tuple(dict.fromkeys(v for option in (*self.options, *more) for v in option))

    @property
    def most(self) -> int:
        """The largest number of views that val may have to choose among."""
        return max(len(option) for option in self.options)


def offer_of(features: FeatureSet) -> Offer:
    """What the backbone of a feature set has; of stores that do not say, what is stored."""
    stored = {n: shape[0] for n, shape in features.store.layout.outputs.items()}
    said = features.provenance.get("outputs") or {}
    blocks = said | {n: max(b, said.get(n, 0)) for n, b in stored.items()}
    return Offer.of(features.backbone, blocks, features.provenance.get("pooled") or "")


def parts_of(view: str) -> list[tuple[str, int]]:
    """Outputs of a view, each with how many last blocks."""
    return [view_part(part, view) for part in view.split("+")]


def outputs_of(views: Iterable[str]) -> dict[str, int]:
    """Output -> last blocks that have to be stored for some views."""
    found: dict[str, int] = {}
    for name, blocks in (part for view in views for part in parts_of(view)):
        found[name] = max(blocks, found.get(name, 0))
    return found


def _named(view: str, own: str) -> list[str]:
    return [own if part == OWN else part for part in view.split("+")]


_BLOCKS_AND_MEAN = ("cls", "cls+mean", "cls:4", "cls:4+mean")
_CLS = (("cls",), (OWN,))
# Sources: Oquab et al. 2023, facebookresearch/dinov2 dinov2/eval (linear.py, knn.py); Baharoon et
# al. 2023, MohammedSB/DINOv2ForRadiology dinov2/eval/utils.py (SAM: mean of the tokens, BiomedCLIP:
# its projection) and classification/linear.py (CNNs: one block, no average pooling); Huix et al.
# 2024, joanaapa/Foundation-Medical defaults/models.py (SAM, SEEM: mean of the map, CLIP: what the
# tower returns); Doerrich et al. 2024, rethinking-model-prototyping-MedMNISTPlus
# feature_extraction.py (timm's forward_head(pre_logits=True), which for SAM is behind the neck);
# Huang et al. 2024, GuanghuiFU/medical_dino_eval utils.py (logits of DINOv2, features of CNNs).
STUDIES = {
    "dinov2": Wanted("dinov2", _CLS),
    "dinov2-linear": Wanted("dinov2-linear", (_BLOCKS_AND_MEAN, *_CLS)),
    "rad": Wanted("rad", _CLS),
    "rad-linear": Wanted("rad-linear", (_BLOCKS_AND_MEAN, *_CLS)),
    "wacv": Wanted("wacv", (("projection",), *_CLS)),
    "medmnist": Wanted("medmnist", (("neck",), (OWN,))),
    "freeze-cnn": Wanted("freeze", ((OWN,),), unless="cls"),
    "freeze": Wanted("freeze", ((OWN,),), "cls", Wanted("freeze", (("logits",),))),
    "freeze-tuned": Wanted("freeze", ((OWN,),), "cls", Wanted("freeze", (("logits",), (OWN,)))),
}
