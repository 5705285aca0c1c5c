"""The leaderboard as LaTeX, with the rules of booktabs."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path

from featprobe.core.atomic import write_text_atomic
from featprobe.core.errors import InputError, reason
from featprobe.leaderboard import cost, legends
from featprobe.leaderboard.board import Row
from featprobe.leaderboard.columns import board_heads, by_columns, cells, title
from featprobe.leaderboard.footnotes import RAISED, Footnotes
from featprobe.leaderboard.row_labels import SEEN, Among

BOLD = "Bold: the best of a league, and what the tests of all pairs do not tell from it."
_ESCAPED = {
    "\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "&": r"\&", "%": r"\%", "$": r"\$",
    "#": r"\#", "_": r"\_", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}",
    "<": r"\textless{}", ">": r"\textgreater{}", "|": r"\textbar{}", '"': r"\textquotedbl{}",
    "'": r"\textquotesingle{}", "`": r"\textasciigrave{}", SEEN: r"\dag{}",
}  # fmt: skip
_RAISED = {chr(up): chr(digit) for digit, up in RAISED.items()}


def escape(text: str) -> str:
    """Text that LaTeX sets as it is; breaks are blanks, control and format characters gone.

    Marks of footnotes become superscripts. Letters beyond ASCII stay, as UTF-8, which LaTeX reads
    since 2018. Two hyphens are kept apart, which would be set as a dash.
    """
    out, raised = [], ""
    for c in " ".join(text.split()):
        if c in _RAISED:
            raised += _RAISED[c]
            continue
        if raised:
            out.append(rf"\textsuperscript{{{raised}}}")
            raised = ""
        if unicodedata.category(c) not in ("Cc", "Cf"):
            out.append(_ESCAPED.get(c, c))
    if raised:
        out.append(rf"\textsuperscript{{{raised}}}")
    return "".join(out).replace("--", "-{}-").replace("--", "-{}-")


def latex(board: Sequence[Row], metric: str | None = None) -> str:
    """A ``table`` with a ``tabular`` for each kind of task; needs booktabs and textcomp.

    The cells are those of the Markdown table. Of each league the value by which it is ranked is
    bold in the rows that may be first (:attr:`~featprobe.leaderboard.board.Row.may_be_first`).
    """
    shown = [row.result for row in board]
    noted, among = Footnotes(shown), Among(shown)
    lines = [r"% needs \usepackage{booktabs,textcomp}"]
    for names, part in by_columns(((row.result, row) for row in board), metric):
        spent = cost.known(r for r, _ in part)
        heads = board_heads(names, spent)
        lines += [
            r"\begin{table}", r"\centering", rf"\caption{{{escape(title(names, metric))}. {BOLD}}}",
            rf"\begin{{tabular}}{{lr{'l' * (len(heads) - 2)}}}", r"\toprule", _line(heads),
        ]  # fmt: skip
        for _, rows in groupby((row for _, row in part), key=lambda row: row.league):
            lines.append(r"\midrule")
            for i, row in enumerate(rows):
                values = [escape(c) for c in cells(row, among, names, spent, noted)]
                if row.may_be_first:
                    at = _column(row, names)
                    values[at] = rf"\textbf{{{values[at]}}}"
                lines.append(_joined([escape(row.data) if i == 0 else "", *values]))
        lines += [r"\bottomrule", r"\end{tabular}", r"\end{table}", ""]
    below = [*legends.of_board(board), *noted.lines()]
    return "\n".join([*lines, *(f"{escape(text)}\n" for text in below)])


def write(board: Sequence[Row], metric: str | None, path: Path) -> Path:
    """Write :func:`latex`. Raises :class:`InputError` where it cannot be written."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_text_atomic(path, latex(board, metric))
    except OSError as error:
        raise InputError(f"{path}: cannot be written: {reason(error)}") from error
    return path


def _column(row: Row, names: Sequence[str]) -> int:
    """Where the value that ranks is: in :func:`~featprobe.leaderboard.columns.metric_cells` the
    chance of the first two metrics is behind each."""
    first = 4  # after rank, backbone, probe and setting
    return first + (0, 2, 4)[list(names).index(row.metric)] if row.metric in names else 0


def _line(heads: Sequence[str]) -> str:
    return _joined([escape(h) for h in heads])


def _joined(values: Sequence[str]) -> str:
    # a bracket after \\ would be read as its argument
    return " & ".join("{}" + v if v.startswith("[") else v for v in values) + r" \\"
