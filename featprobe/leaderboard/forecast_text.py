"""A forecast in the terminal."""

from __future__ import annotations

from featprobe.core.display import bytes_text
from featprobe.leaderboard.forecast import Forecast
from featprobe.leaderboard.terminal import make_table, show


def print_forecast(found: Forecast) -> None:
    """Tables of features, of cells and of what is missing, and the sums."""
    features = make_table(
        "features", ["data", "backbone", "state", "frames", "new", "disk", "time"]
    )
    for f in found.features:
        about = "" if f.exact else "about "
        state = f"{f.state} ({f.why})" if f.why else f.state
        known = f.frames is not None
        features.add_row(
            f.data, f.model, state, f"{about}{f.frames}" if known else "-",
            str(f.new) if known else "-", size(f.bytes), duration(f.seconds),
        )  # fmt: skip
    if found.features:
        show(features)
    cells = make_table(
        "cells", ["what", "protocol", "cells", "cached", "to run", "missing", "time"]
    )
    for c in found.cells:
        numbers = [str(n) for n in (c.total, c.cached, c.to_run, c.missing)]
        cells.add_row(c.work, c.protocol, *numbers, duration(c.seconds))
    show(cells)
    if found.missing:
        table = make_table("not here", ["what", "why"])
        for what, why in found.missing.items():
            table.add_row(what, why)
        show(table)
    print(*_sums(found), sep="\n")


def _sums(found: Forecast) -> list[str]:
    total = found.to_dict()["total"]
    lines = [
        f"{total['cells']} cells: {total['cached']} in the cache, {total['to_run']} to run, "
        f"{total['missing']} without data or weights; {total['extractions']} extractions"
    ]
    disk = f"disk: {size(total['bytes'])}" + _unknown(total["bytes_unknown"], "extractions")
    if found.free is not None:
        disk += f"; {size(found.free)} are free"
        disk += ", which is too little" if total["bytes"] > found.free else ""
    time = f"time: {duration(total['seconds'])} in one process, as measured before"
    lines += [disk, time + _unknown(total["seconds_unknown"], "rows of the tables")]
    lines.append(
        "Features are looked up by name, frames, outputs and items: weights and contents are "
        "compared when it runs."
    )
    return lines


def _unknown(n: int, what: str) -> str:
    return f", and what {n} {what} take, which is not known" if n else ""


def size(n: float | None) -> str:
    """``1.2 GB``."""
    return "unknown" if n is None else bytes_text(n)


def duration(seconds: float | None) -> str:
    """``1.5 h``."""
    if seconds is None:
        return "unknown"
    for unit, of in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= of:
            return f"{seconds / of:.1f} {unit}"
    return f"{seconds:.1f} s"
