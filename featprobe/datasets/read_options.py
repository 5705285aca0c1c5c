"""Options for reading labels, patients and split, where a data set does not define them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields

from featprobe.core.errors import InputError, UnknownName, nearest
from featprobe.core.options import Checked, checked
from featprobe.datasets.base import SPLITS, TASKS
from featprobe.datasets.groups import patient_pattern
from featprobe.datasets.mask_classes import read_classes

UNCERTAIN = ("ignore", "zeros", "ones", "own")
OPTIONS = {
    "label": "--label", "group": "--group", "task": "--task", "separator": "--separator",
    "uncertain": "--uncertain", "missing": "--missing", "path": "--path",
    "split_column": "--split-column", "split_map": "--split-map",
    "masks": "--masks", "mask_classes": "--mask-classes", "labels": "--labels",
    "label_map": "--map",
}  # fmt: skip


@dataclass(frozen=True)
class ReadOptions(Checked):
    """How labels, patients and split are read; by default they are inferred.

    ``label``: columns of a table, or one of ``none`` (no labels), and of a folder ``folder`` (the
    folders below the split are classes, whatever their names) and ``parent`` (the folder of the
    file is the class). ``group``: see :func:`~featprobe.datasets.groups.infer_groups`, or a column.
    ``task``: of the labels. ``separator``: what parts several labels in one cell. ``uncertain``:
    what -1 beside 0 and 1 becomes: unknown, 0, 1, or a label of its own (the policies of Irvin et
    al., CheXpert, arXiv 1901.07031). ``missing``: the texts that mean unknown, in place of blank,
    NA, NaN, None, null and -1; blank always does. ``path``: the column of file paths.
    ``split_column``: its name, or ``none``. ``split_map``: train, val, test or ``none`` (left out)
    for the names in the split column or of the split folders. ``bare``: items alone, as for a
    prediction; neither labels, split nor masks are looked for. ``masks``: of a folder the folder
    of its masks, ``CLASS=FOLDER`` for one a class, of a table columns of files; ``none``: none are
    read. ``mask_classes``: see :func:`~featprobe.datasets.mask_classes.read_classes`. ``labels``
    and ``label_map``: see :func:`~featprobe.datasets.chosen_labels.choose_labels`.

    Raises :class:`InputError` for a value that is none of those.
    """

    label: tuple[str, ...] = ()
    group: str = "auto"
    task: str | None = None
    separator: str | None = None
    uncertain: str | None = None
    missing: tuple[str, ...] = ()
    path: str | None = None
    split_column: str | None = None
    split_map: Mapping[str, str] = field(default_factory=dict)
    bare: bool = False
    masks: tuple[str, ...] = ()
    mask_classes: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()
    label_map: Mapping[str, str] = field(default_factory=dict)

    def owner(self) -> str:
        return "a data set"

    def check(self) -> None:
        for name in ("label", "group", "path", "split_column", "masks"):
            value = getattr(self, name)
            if "" in (value if isinstance(value, tuple) else (value,)):
                raise InputError(f"{OPTIONS[name]} is empty; leave it out")
        if self.task is not None and self.task not in TASKS:
            raise UnknownName(
                f"--task is one of {', '.join(TASKS)}, not {self.task!r}."
                f"{nearest(self.task, TASKS)}"
            )
        patient_pattern(self.group)
        if self.uncertain is not None and self.uncertain not in UNCERTAIN:
            raise InputError(
                f"--uncertain is one of {', '.join(UNCERTAIN)}, not {self.uncertain!r}"
            )
        if self.separator == "":
            raise InputError("--separator is empty; give the text between labels, such as '|'")
        read_classes(self.mask_classes)
        for name, part in self.split_map.items():
            if part not in (*SPLITS, "none"):
                raise InputError(
                    f"--split-map {name}={part}: {part!r} is none of {', '.join(SPLITS)}, none"
                )

    @property
    def labelled(self) -> bool:
        """Whether labels are read."""
        return not self.bare and self.label != ("none",)

    def only(self, what: str, *meant: str) -> None:
        """Raise :class:`InputError` for an option that means nothing for ``what``.

        Classes can be chosen of everything that has some.
        """
        meant = (*meant, "labels", "label_map")
        for f in fields(self):
            options = getattr(self, f.name)
            default = f.default_factory() if f.name.endswith("_map") else f.default  # type: ignore
            if f.name in OPTIONS and options != default and f.name not in meant:
                can = ", ".join(OPTIONS[m] for m in meant) or "none of these options"
                raise InputError(f"{OPTIONS[f.name]} means nothing for {what}, which takes {can}")


def read_map(
    option: str, given: Mapping[str, str] | Sequence[str], example: str = "dev=val"
) -> dict[str, str]:
    """``["dev=val"]`` of an option as a mapping; one is returned as it is.

    Raises :class:`InputError` for a text without ``=``, or a name that is given twice.
    """
    if isinstance(given, Mapping):
        return {str(k): str(v) for k, v in given.items()}
    out: dict[str, str] = {}
    for text in checked(option, given, tuple[str, ...], "a data set"):
        name, sign, part = text.rpartition("=")
        if not sign:
            raise InputError(f"{OPTIONS[option]} {text!r} is written NAME=PART, such as {example}")
        if name in out:
            raise InputError(f"{OPTIONS[option]} names {name!r} twice")
        out[name] = part
    return out
