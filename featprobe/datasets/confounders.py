"""What goes with the class or the split and is no finding: how files were made and are shown.

A probe learns it as gladly as the disease: where one class only has a display window in its header,
two classes drawn alike are told apart with an AUROC of 1 (DeGrave et al. 2021, Nature Machine
Intelligence 3:610-619, for scanners and sites).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np

STRONG = 0.3  # Cramer's V (1946): 0 independent, 1 the one tells the other
CHANCE = 0.01  # p of Pearson's chi-square test
_MOST = 8  # values of a fact; sizes beyond are taken by area
Facts = Mapping[str, str]


def counts(facts: Sequence[Facts | None]) -> dict[str, dict[str, int]]:
    """Fact -> value -> items, most frequent first."""
    found: dict[str, Counter[str]] = {}
    for one in facts:
        for name, value in (one or {}).items():
            found.setdefault(name, Counter())[value] += 1
    return {name: dict(c.most_common(20)) for name, c in found.items()}


def follows(
    facts: Sequence[Facts | None], classes: Sequence[str], split: Sequence[str]
) -> list[str]:
    """A line for each fact that goes with the class or the split of the items, "" being unknown.

    That is Cramer's V of 0.3 or more, and p under 0.01 by Pearson's test of the table.
    """
    out = []
    names = list(dict.fromkeys(n for f in facts if f for n in f))
    for name in names:
        values = _few([(f or {}).get(name, "none") for f in facts], name)
        for what, labels in (("class", classes), ("split", split)):
            known = [i for i, label in enumerate(labels) if label and facts[i]]
            v, p = association([values[i] for i in known], [labels[i] for i in known])
            if v >= STRONG and p < CHANCE:
                table: dict[str, Counter[str]] = {}
                for i in known:
                    table.setdefault(values[i], Counter())[labels[i]] += 1
                text = "; ".join(
                    f"{value}: " + ", ".join(f"{label} {n}" for label, n in c.most_common(3))
                    for value, c in sorted(table.items(), key=lambda t: -t[1].total())[:4]
                )
                out.append(
                    f"{name} goes with the {what} (Cramer's V {v:.2f}): {text}; a probe may learn "
                    "the source of the files"
                )
    return out


def association(one: Sequence[str], other: Sequence[str]) -> tuple[float, float]:
    """Cramer's V and p of Pearson's chi-square test between two labels; 0 and 1 where one is
    constant."""
    from scipy.stats import chi2_contingency

    rows, a = np.unique(np.asarray(one, dtype=np.str_), return_inverse=True)
    columns, b = np.unique(np.asarray(other, dtype=np.str_), return_inverse=True)
    if min(len(rows), len(columns)) < 2:
        return 0.0, 1.0
    table = np.zeros((len(rows), len(columns)))
    np.add.at(table, (a, b), 1)
    found = chi2_contingency(table, correction=False)
    v = np.sqrt(found.statistic / table.sum() / (min(table.shape) - 1))
    return float(v), float(found.pvalue)


def _few(values: list[str], name: str) -> list[str]:
    """Values that are many as few: sizes by the quarter their area lies in, others as ``other``."""
    often = Counter(values)
    if len(often) <= _MOST:
        return values
    if name != "size":
        kept = {v for v, _ in often.most_common(_MOST - 1)}
        return [v if v in kept else "other" for v in values]
    areas = [int(np.prod([int(p) for p in v.split(" x ")])) if " x " in v else 0 for v in values]
    edges = np.quantile(areas, (0.25, 0.5, 0.75))
    names = [*(f"up to {e:.0f} pixels" for e in edges), f"over {edges[2]:.0f} pixels"]
    return [names[i] for i in np.searchsorted(edges, areas)]
