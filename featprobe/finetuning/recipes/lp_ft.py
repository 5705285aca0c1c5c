"""Linear probe first, then everything."""

from __future__ import annotations

from dataclasses import dataclass

from featprobe.finetuning.recipes.full import Full


@dataclass(frozen=True)
class LpFt(Full):
    """Full fine-tuning from a head that is the optimum of the logistic probe on frozen features.

    Kumar et al. 2022, *Fine-Tuning can Distort Pretrained Features and Underperform
    Out-of-Distribution* (arXiv 2202.10054).
    """

    name = "lp-ft"
    start = "solved"


RECIPE = {"lp-ft": LpFt}
