"""The metrics that there are, and which of them every Result of a task has."""

from __future__ import annotations

from dataclasses import dataclass

from featprobe.metrics.segmentation import Segmentation


@dataclass(frozen=True)
class Metric:
    """Properties of a metric: its label in tables, and whether higher is better.

    ``ranks``: it sees the order of a class's scores alone, not the scores.
    """

    label: str
    higher: bool = True
    ranks: bool = False


METRICS = {
    "auroc": Metric("AUROC", ranks=True),
    "accuracy": Metric("accuracy"),
    "balanced_accuracy": Metric("bal. acc."),
    "f1": Metric("F1"),
    "precision": Metric("precision"),
    "recall": Metric("recall"),
    "precision_weighted": Metric("weighted precision"),
    "recall_weighted": Metric("weighted recall"),
    "f1_weighted": Metric("weighted F1"),
    "top5": Metric("top-5"),
    "subset_accuracy": Metric("subset acc."),
    "auroc_ovo": Metric("AUROC one-vs-one", ranks=True),
    "auroc_weighted": Metric("weighted AUROC", ranks=True),
    "ap": Metric("AP", ranks=True),
    "kappa": Metric("kappa"),
    "quadratic_kappa": Metric("quad. kappa"),
    "sens_at_95spec": Metric("sens. at 95 % spec.", ranks=True),
    "spec_at_95sens": Metric("spec. at 95 % sens.", ranks=True),
    "sensitivity": Metric("sens."),
    "specificity": Metric("spec."),
    "ppv": Metric("PPV"),
    "npv": Metric("NPV"),
    "f1_at_threshold": Metric("F1 at thr."),
    "ece": Metric("ECE", higher=False),
    "brier": Metric("Brier", higher=False),
    "r2": Metric("R2"),
    "mae": Metric("MAE", higher=False),
    "rmse": Metric("RMSE", higher=False),
    "pearson": Metric("Pearson"),
    "spearman": Metric("Spearman", ranks=True),
    "dice": Metric("Dice"),
    "iou": Metric("IoU"),
    "hd95": Metric("HD95 (mm)", higher=False),
    "asd": Metric("ASD (mm)", higher=False),
    "volume_error": Metric("volume error", higher=False),
    "pooled_dice": Metric("pooled Dice"),
    "pooled_jaccard": Metric("pooled Jaccard"),
}
_AVERAGED = ("precision", "recall", "precision_weighted", "recall_weighted", "f1_weighted")
_CLASSES = ("auroc", "accuracy", "balanced_accuracy", "f1", "ap", "kappa", "sens_at_95spec",
            "spec_at_95sens", "ece", "brier", *_AVERAGED, "top5")  # fmt: skip
TASKS = {  # the first ranks, the first three are in tables
    "multiclass": _CLASSES,
    "multilabel": (*(n for n in _CLASSES if n not in ("kappa", "top5")), "subset_accuracy"),
    "ordinal": ("quadratic_kappa", "accuracy", "balanced_accuracy",
                *(n for n in _CLASSES if "accuracy" not in n)),
    "regression": ("r2", "mae", "pearson", "rmse", "spearman"),
    "segmentation": Segmentation.NAMES,
}  # fmt: skip
# what a task has too, computed where it is asked for by name; beside these any
# sens_at_NNspec and spec_at_NNsens
ON_REQUEST = {
    "multiclass": ("auroc_ovo", "auroc_weighted"),
    "ordinal": ("auroc_ovo", "auroc_weighted"),
    "multilabel": ("auroc_weighted",),
}
