"""Tables as the terminal shows them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


def make_table(title: str, heads: Sequence[str]) -> Any:
    """An empty table with whole cells."""
    from rich import box
    from rich.table import Table

    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    for h in heads:
        table.add_column(h, no_wrap=True)
    return table


def show(table: Any) -> None:
    """Print a table; rows stay whole, in a pipe and in a narrow window."""
    from rich.console import Console

    # no codes: the edge writes them out; no markup: "featprobe[timm]" is a text as it stands
    console = Console(width=1000, color_system=None, markup=False)
    with console.capture() as text:
        console.print(table)
    print(*(line.rstrip() for line in text.get().splitlines()), sep="\n")
