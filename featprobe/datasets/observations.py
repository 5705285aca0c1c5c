"""CheXpert's observations as targets: which labels, and what uncertain and unmentioned become.

The tables of CheXpert and MIMIC-CXR hold 1 (present), 0 (absent), -1 (uncertain) and blank
(unmentioned). The policies are those of Irvin et al., arXiv 1901.07031, section 3: U-Ignore,
U-Zeros, U-Ones and, as ``own``, U-MultiClass's extra class as a label of its own.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

# What becomes of a finding that the labeller was uncertain about: unknown (NaN), absent, present,
# or absent with a label of its own.
UNCERTAIN = {"ignore": np.nan, "zeros": 0.0, "ones": 1.0, "own": 0.0}
# ... and of one that the report does not mention. Published pipelines read it as absent.
UNMENTIONED = {"zeros": 0.0, "ignore": np.nan}
COMPETITION = ("Atelectasis", "Cardiomegaly", "Consolidation", "Edema", "Pleural Effusion")
RAD = ("Cardiomegaly", "Edema", "Consolidation", "Atelectasis", "Pleural Effusion")  # its order
ANY_UNCERTAIN = "Uncertain"
NO_FINDING = "No Finding"
LABELS = ("14", "5", "5+uncertain", "14+none")
OPTIONS = {
    "labels": LABELS, "uncertain": tuple(UNCERTAIN), "unmentioned": tuple(UNMENTIONED),
}  # fmt: skip


def observed(
    values: np.ndarray, names: Sequence[str], labels: str, uncertain: str, unmentioned: str
) -> tuple[np.ndarray, tuple[str, ...]]:
    """Targets (N, C) of 0, 1 and NaN, and the names of the C labels.

    ``values`` (N, 14): the cells, NaN where blank; ``names``: of the columns. ``labels``: ``14``;
    ``5`` of the competition; ``5+uncertain``: with a sixth, whether any of the five is uncertain
    (RAD, arXiv 2312.02366); ``14+none``: No Finding wherever nothing else is present (WACV 2024).
    ``own`` adds a label for each that is ever uncertain.
    """
    wanted = {"5": COMPETITION, "5+uncertain": RAD}.get(labels, tuple(names))
    cells = values[:, [list(names).index(n) for n in wanted]]
    unsure = cells == -1
    known = np.where(np.isnan(cells), UNMENTIONED[unmentioned], cells)
    targets = np.where(unsure, UNCERTAIN[uncertain], known)
    called = list(wanted)
    if labels == "14+none":
        none = called.index(NO_FINDING)
        targets[~(targets == 1).any(1), none] = 1
    if labels == "5+uncertain":
        targets = np.column_stack([targets, unsure.any(1)])
        called.append(ANY_UNCERTAIN)
    if uncertain == "own":
        ever = np.flatnonzero(unsure.any(0)).tolist()
        targets = np.column_stack([targets, unsure[:, ever]])
        called += [f"{wanted[j]} (uncertain)" for j in ever]
    return targets.astype(float), tuple(called)
