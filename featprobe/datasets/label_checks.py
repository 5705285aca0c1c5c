"""Checks of the labels and patients of a data set that has been read."""

from __future__ import annotations

import re
from collections.abc import Iterator

import numpy as np

from featprobe.core.text_columns import codes_of, each_text
from featprobe.datasets.base import Dataset
from featprobe.datasets.groups import label_texts, stem_of
from featprobe.datasets.patient_names import shared_starts

_NO_LABEL = re.compile(
    r"(?i)unknown|unclear|undefined|missing|not[ _]available|na|n/?a|none|null|nan|\?+|-+|\."
)


def check_labels(data: Dataset, group: str) -> None:
    """Add warnings about the labels and patients of a data set that has been read.

    ``group``: the rule that was asked for; patients that the user named are not checked.
    """
    data.warn("labels", list(_labels(data)))
    if group == "auto":
        data.warn("patients", list(_patients(data)))


def _labels(data: Dataset) -> Iterator[str]:
    for name in data.classes:
        if _NO_LABEL.fullmatch(name.strip()) and data.label_origin.startswith("column"):
            yield f"class {name!r} may mean unknown: --missing {name!r} takes it so"


def _patients(data: Dataset) -> Iterator[str]:
    n = len(data)
    codes = codes_of(data.groups)
    groups = int(codes.max()) + 1
    if groups == 1 < n:
        yield (
            f"all {n} items are of one patient ({data.group_origin}), as after anonymising: no "
            "split can divide them; --group none, folder or regex:PATTERN tells them apart"
        )
        return
    labels = label_texts(data)
    if labels is not None and groups < n:
        of = (
            [{labels[i] for i in np.flatnonzero(codes == g)} for g in range(groups)]
            if groups <= len(data.classes)
            else []
        )
        if of and all(len(s) == 1 for s in of):
            yield (
                f"each of the {groups} patients ({data.group_origin}) has one class, and no "
                "class more patients than one: classes cannot be told from patients"
            )
    if groups == n and not data.group_origin.startswith("PatientID"):
        shared = shared_starts(map(stem_of, each_text(data.ids)))
        if len(shared) > 1:
            some = ", ".join(f"{s!r} ({k} items)" for s, k in shared.most_common(3))
            yield (
                f"no patients are known, and {sum(shared.values())} items share the start of "
                f"their name with another: {some}; if these are patients, --group regex:PATTERN"
            )
