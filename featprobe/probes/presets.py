"""Probes with the settings of published studies, as plain data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from featprobe.core.errors import look_up
from featprobe.features.feature_set import FeatureSet
from featprobe.features.wanted import STUDIES, Wanted, offer_of
from featprobe.probes.selection import AUTO

_SGD = {
    "optimizer": "sgd",
    "momentum": 0.9,
    "weight_decay": 0.0,
    "batch": 128,
    "schedule": "cosine",
    "standardize": False,
}
_ADAM = {
    "weight_decay": 0.0,
    "batch": 32,
    "epochs": 100,
    "patience": 100,
    "standardize": False,
}
_VOTE = {"metric": "cosine", "vote": "softmax"}
_FREEZE = (
    "Huang et al. 2024, arXiv 2402.07595, GuanghuiFU/medical_dino_eval utils.py: Adam is AdamW "
    "without decay; the best epoch is that of val there, of a tenth held out of train here."
)
_ADAMW = {"optimizer": "adamw", "lr": 1e-4, "batch": 64, "epochs": 100, "scale_lr": False}


@dataclass(frozen=True)
class Preset:
    """What a study did with frozen features.

    ``probe`` and its ``params``; ``views``: by kind of backbone those among which validation data
    choose, together with the probe's own candidates; ``refit``: whether the chosen one is fitted
    again on train and val; ``select``: by what the study chooses, and the first best one, whatever
    the others are; ``source``: the study and file that say so, and what differs here. ``variants``:
    presets that stand for it where they are for a backbone (by their views) or a task, the first
    that is; ``tasks``: those of a variant, all where empty.
    """

    name: str
    probe: str
    params: dict[str, Any]
    views: Wanted
    refit: bool
    source: str
    select: str = AUTO
    variants: tuple[Preset, ...] = ()
    tasks: tuple[str, ...] = ()

    def on(self, features: FeatureSet) -> Preset:
        """The preset, or the variant of it, for a backbone and the task of a data set."""
        for variant in self.variants:
            task = not variant.tasks or features.task in variant.tasks
            if task and variant.views.served(offer_of(features)):
                return variant
        return self

    @property
    def how(self) -> dict[str, Any]:
        """How val chooses, as keyword arguments of ``evaluate``."""
        return {} if self.select == AUTO else {"select": self.select, "one_se": False}


_ALL = (
    Preset(
        "dinov2-linear",
        "sgd",
        {
            **_SGD,
            "lr": (1e-5, 2e-5, 5e-5, 1e-4, 2e-4, 5e-4, 1e-3, 2e-3, 5e-3, 1e-2, 2e-2, 5e-2, 0.1),
            "scale_lr": True,
            "iterations": 12_500,
        },
        STUDIES["dinov2-linear"],
        False,
        "Oquab et al. 2023, facebookresearch/dinov2 dinov2/eval/linear.py, on one GPU: there rates "
        "are scaled by the number of GPUs too, and training images are cropped and flipped at "
        "random, which cached features cannot be.",
        select="accuracy",
    ),
    Preset(
        "dinov2-logreg",
        "logistic",
        {
            "Cs": tuple(float(10 ** (-6 + 11 * i / 44)) for i in range(45)),
            "standardize": False,
            "tol": 1e-12,
        },
        STUDIES["dinov2"],
        True,
        "Oquab et al. 2023, facebookresearch/dinov2 dinov2/eval/log_regression.py: C is chosen on "
        "a random tenth of train there, on val here, and all of it is fitted again.",
        select="accuracy",
    ),
    Preset(
        "rad-linear",
        "sgd",
        {
            **_SGD,
            "lr": (1e-3, 5e-3, 1e-2, 5e-2),
            "scale_lr": False,
            "epochs": 10,
            "reduction": "sum",
            "two_classes": "sigmoid",
        },
        STUDIES["rad-linear"],
        True,
        "Baharoon et al. 2023, arXiv 2312.02366, MohammedSB/DINOv2ForRadiology "
        "dinov2/eval/classification/linear.py: the loss of labels is summed over the batch, two "
        "classes are one sigmoid. Of several classes each is scored by a sigmoid there, all by "
        "the softmax here.",
        select="auroc",
    ),
    Preset(
        "wacv-linear",
        "sgd",
        {
            **_ADAMW,
            "weight_decay": 1e-5,
            "schedule": "constant",
            "warmup": 1000,
            "clip": 1.0,
            "patience": 100,
            "standardize": False,
            "start": "uniform",
        },
        STUDIES["wacv"],
        False,
        "Huix et al., WACV 2024, joanaapa/Foundation-Medical params.json: the best epoch is that "
        "of val there, of a tenth held out of train here, and images are augmented there.",
    ),
    Preset(
        "medmnist-linear",
        "sgd",
        {
            **_ADAMW,
            "weight_decay": 0.01,
            "schedule": "cosine",
            "patience": 5,
            "standardize": False,
        },
        STUDIES["medmnist"],
        False,
        "Doerrich et al., sdoerrich97/rethinking-model-prototyping-MedMNISTPlus train.py: patience "
        "looks at val there, at a tenth held out of train here, and the cosine falls by epoch "
        "there, by step here.",
    ),
    Preset(
        "freeze",
        "mlp",
        {"width": 256, **_ADAM, "lr": 1e-4},
        STUDIES["freeze"],
        False,
        _FREEZE
        + " On top of DINOv2's ImageNet logits is a hidden layer of 256, not a linear one; on "
        "a CNN one linear layer.",
        variants=(
            Preset(
                "freeze",
                "sgd",
                {
                    **_ADAM,
                    "optimizer": "adamw",
                    "lr": 1e-4,
                    "schedule": "constant",
                    "scale_lr": False,
                    "start": "uniform",
                },
                STUDIES["freeze-cnn"],
                False,
                _FREEZE + " Its frozen VGG trains three layers.",
            ),
        ),
    ),
)
_KNN = (
    Preset(
        "dinov2-knn",
        "knn",
        {**_VOTE, "k": (10, 20, 100, 200), "temperature": 0.07},
        STUDIES["dinov2"],
        True,
        "Oquab et al. 2023, facebookresearch/dinov2 dinov2/eval/knn.py.",
        select="accuracy",
    ),
    Preset(
        "rad-knn",
        "mlknn",
        {"k": (5, 20, 50, 100, 200), "metric": "cosine", "smoothing": 1.0, "own_neighbour": True},
        STUDIES["rad"],
        True,
        "Baharoon et al. 2023, arXiv 2312.02366, MohammedSB/DINOv2ForRadiology "
        "dinov2/eval/classification/mlknn.py, of labels, where a training item is one of "
        "its own neighbours. BiomedCLIP is read at its projection there: --features projection.",
        select="auroc",
        variants=(
            Preset(
                "rad-knn",
                "knn",
                {**_VOTE, "k": (5, 20, 50, 100, 200), "temperature": 0.07},
                STUDIES["rad"],
                True,
                "Baharoon et al. 2023, MohammedSB/DINOv2ForRadiology "
                "dinov2/eval/classification/knn.py, of classes.",
                select="auroc",
                tasks=("multiclass", "ordinal"),
            ),
        ),
    ),
    Preset(
        "wacv-knn",
        "knn",
        {**_VOTE, "k": (200,), "temperature": 0.1},
        STUDIES["wacv"],
        True,
        "Huix et al., WACV 2024, joanaapa/Foundation-Medical defaults/trainer.py.",
    ),
    Preset(
        "medmnist-knn",
        "knn",
        {"k": (11,), "metric": "l2", "vote": "uniform"},
        STUDIES["medmnist"],
        True,
        "Doerrich et al., sdoerrich97/rethinking-model-prototyping-MedMNISTPlus evaluate.py.",
    ),
)
PRESETS = {p.name: p for p in (*_ALL, *_KNN)}


def of_verb(name: str, verb: str) -> Preset:
    """The preset that a verb calls so: those of ``knn`` are ``dinov2-knn``, there ``dinov2``.

    Raises :class:`UnknownName` with the nearest one, and for one of another verb.
    """
    named = {
        n.removesuffix("-knn"): p
        for n, p in PRESETS.items()
        if n.endswith("-knn") == (verb == "knn")
    }
    return look_up("preset", name, named)


def preset(name: str) -> Preset:
    """The preset of that name; :class:`UnknownName` with the nearest one otherwise."""
    return look_up("preset", name, PRESETS)
