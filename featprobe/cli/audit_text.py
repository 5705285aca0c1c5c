"""What ``featprobe data check`` prints."""

from __future__ import annotations

from typing import TYPE_CHECKING

from featprobe.cli.common import note
from featprobe.cli.masks import print_masks

if TYPE_CHECKING:
    from featprobe.datasets.audit import Audit


def print_audit(a: Audit) -> None:
    """The audit as text, its findings at the end."""
    print(f"{a.name}: {a.items} items, {a.frames} frames, {a.patients} patients")
    print(f"  labels    {a.label_origin or 'none'}")
    print(f"  patients  {a.group_origin}")
    print(f"  split     {a.split_origin}")
    for text in a.about:
        print(f"  note      {text}")
    total = sum(a.files.values())
    print(f"  files     {total} = " + " + ".join(f"{n} {kind}" for kind, n in a.files.items()))
    for fact, values in a.appearance.items():
        if fact != "size" and (fact == "black and white" or len(values) > 1):
            line = ", ".join(f"{value} ({n})" for value, n in list(values.items())[:6])
            print(f"  {fact}: {line}")
    print("  sizes     " + ", ".join(f"{s} ({n})" for s, n in a.sizes.items()))
    parts = sorted({p for c in a.counts.values() for p in c})
    print("\n  {:24}".format("class") + "".join(f"{p:>12}" for p in parts))
    for name, counts in a.counts.items():
        print(f"  {name:24}" + "".join(f"{counts.get(p, 0):>12}" for p in parts))
    if a.masks is not None:
        print()
        print_masks(a.masks)
    print()
    for kind, texts in a.warnings.items():
        _findings(f"warnings about {kind}", texts)
    _findings(
        "patients in two splits", [f"{g}: {', '.join(s)}" for g, s in a.patients_in_splits.items()]
    )
    _findings(
        "patients in two classes",
        [f"{g}: {', '.join(s)}" for g, s in a.patients_in_classes.items()],
    )
    _findings("identical images", [" = ".join(d) for d in a.duplicates])
    _findings("  of them across splits, classes or patients", [" = ".join(d) for d in a.leaking])
    near = [f"{x} ~ {y} ({s:.4f})" for x, y, s in a.near_duplicates]
    _findings(f"near-duplicates across splits ({a.near_checked})", near)
    _findings("unreadable", [f"{i}: {r}" for i, r in a.unreadable.items()])
    _findings("constant", a.constant)
    _findings("shown all black or all white", [f"{i}: {t}" for i, t in a.blank.items()])
    _findings("that goes with the class or the split", a.confounders)
    _findings("of an odd size", [f"{i}: {s}" for i, s in a.odd_sizes.items()])
    _findings("labels that look alike", [f"{x!r}, {y!r}" for x, y in a.alike_labels])
    _findings("notes of the readers", [f"{i}: {t}" for i, t in a.notes.items()])
    for what, lines in a.masks.findings.items() if a.masks is not None else ():
        _findings(what, lines)
    print(f"\n{a.problems} findings to look at")


def _findings(what: str, lines: list[str], most: int = 10) -> None:
    print(f"  {len(lines):6} {what}")
    for line in lines[:most]:
        print("           " + " ".join(line.split()))
    if len(lines) > most:
        note(f"         ... and {len(lines) - most} more (all with --json)")
