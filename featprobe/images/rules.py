"""The text of an intensity rule, parsed; :mod:`featprobe.images.intensity` says what it means."""

from __future__ import annotations

import re

import numpy as np

from featprobe.core.errors import InputError, nearest

PLAIN = ("auto", "dataset", "file", "minmax", "zscore", "none")
WITH_NUMBERS = ("percentile", "cut", "clamp", "range", "window", "zscore")
# (centre, width) in Hounsfield units, the values common on radiology workstations
PRESETS = {
    "abdomen": (50.0, 400.0),
    "angio": (300.0, 600.0),
    "bone": (400.0, 1800.0),
    "brain": (40.0, 80.0),
    "liver": (30.0, 150.0),
    "lung": (-600.0, 1500.0),
    "mediastinum": (50.0, 350.0),
    "soft-tissue": (50.0, 400.0),
    "spine": (50.0, 250.0),
    "stroke": (40.0, 40.0),
    "subdural": (75.0, 215.0),
    "temporal-bone": (600.0, 2800.0),
}


def parts(rule: str) -> list[tuple[str, tuple[float, float] | None]]:
    """The one rule, or the three of ``A+B+C``, each parsed; :class:`InputError` otherwise."""
    rules = re.split(r"\+(?=[A-Za-z])", rule)  # not the plus of 1e+3
    if len(rules) not in (1, 3):
        raise InputError(
            f"intensity rule {rule!r} has {len(rules)} parts; one rule, or three for the colour "
            "channels, as in 'lung+mediastinum+bone'"
        )
    found = [parse(r) for r in rules]
    if len(found) > 1 and any(name == "cut" for name, _ in found):
        raise InputError(f"intensity rule {rule!r}: cut changes values, so it stands alone")
    return found


def parse(rule: str) -> tuple[str, tuple[float, float] | None]:
    """Split a single rule into its name and numbers; :class:`InputError` for anything else."""
    name, _, rest = rule.partition("=")
    if rule in PRESETS:
        centre, width = PRESETS[rule]
        return "range", (centre - width / 2, centre + width / 2)
    if name in PLAIN and rule == name:
        return name, (3.0, 3.0) if name == "zscore" else None
    if name not in WITH_NUMBERS:
        known = [*PLAIN, *WITH_NUMBERS, *PRESETS]
        raise InputError(
            f"unknown intensity rule {rule!r}.{nearest(name, known)} Use {', '.join(PLAIN)}, "
            "percentile=A,B, cut=A,B, clamp=A,B, range=A,B, window=CENTRE,WIDTH, zscore=K or a CT "
            f"window: {', '.join(PRESETS)}"
        )
    try:
        a, b = (float(v) for v in (f"{rest},{rest}" if name == "zscore" else rest).split(","))
    except ValueError:
        example = "zscore=3" if name == "zscore" else f"{name}=5,95"
        raise InputError(
            f"intensity rule {rule!r} needs {'a number' if name == 'zscore' else 'two numbers'}, "
            f"for example '{example}'"
        ) from None
    if np.isnan(a) or np.isnan(b) or not (np.isfinite([a, b]).all() or name == "clamp"):
        raise InputError(f"intensity rule {rule!r}: the numbers must be finite")
    if name in ("window", "zscore"):
        if b <= 0:
            what = "width" if name == "window" else "number of deviations"
            raise InputError(f"intensity rule {rule!r}: the {what} must be positive")
        return ("range", (a - b / 2, a + b / 2)) if name == "window" else (name, (a, b))
    if not a < b or (name in ("percentile", "cut") and not (a >= 0 and b <= 100)):
        raise InputError(f"intensity rule {rule!r}: the numbers must rise, percentiles 0 to 100")
    return name, (a, b)
