"""Tables of text in the forms that programs save: as pandas reads them when told how."""

from __future__ import annotations

import pandas
import pytest

from featprobe.core.errors import InputError
from featprobe.datasets.texts import read_table

ROWS = [["ä/1.png", "sick, very"], ["b/2.png", 'a "b"'], ["c 3.png", ""]]


def csv(sep: str, end: str = "\n", head: tuple[str, str] = ("path", "Befund é")) -> str:
    def cell(text: str) -> str:
        return '"' + text.replace('"', '""') + '"' if sep in text or '"' in text else text

    return "".join(sep.join(map(cell, row)) + end for row in [head, *ROWS])


@pytest.mark.parametrize("sep", [",", ";", "\t", "|"])
@pytest.mark.parametrize(
    "encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "cp1252"]
)
def test_as_pandas_reads_it_when_told_how(tmp_path, sep, encoding):
    path = tmp_path / "t.csv"
    path.write_bytes(csv(sep, "\r\n").encode(encoding))
    told = pandas.read_csv(path, sep=sep, encoding=encoding, dtype=str, keep_default_na=False)
    pandas.testing.assert_frame_equal(read_table(path), told)


@pytest.mark.parametrize(
    "text",
    [
        "sep=;\n" + csv(";"),
        '"sep=;"\r\n' + csv(";", "\r\n"),
        csv(",").replace("\n", ",\n").replace("é,", "é", 1),  # a comma behind each row
        csv(";") + ";\n;\n\n",
        "\n" + csv(","),
        csv(",").replace(",", ", "),
    ],
    ids=["sep", "quoted sep", "trailing comma", "rows of nothing", "blank first", "spaces"],
)
def test_what_spreadsheets_add_is_dropped(tmp_path, text):
    path = tmp_path / "t.csv"
    path.write_text(text, encoding="utf-8", newline="")
    table = read_table(path)
    assert list(table.columns) == ["path", "Befund é"]
    assert table["path"].tolist() == [r[0] for r in ROWS]


def test_commas_in_a_quoted_header_part_nothing(tmp_path):
    (tmp_path / "t.csv").write_text('path;"label, one, two"\na;b\n')
    assert list(read_table(tmp_path / "t.csv").columns) == ["path", "label, one, two"]


def test_columns_of_one_name_are_told_apart(tmp_path):
    (tmp_path / "t.csv").write_text(",path,label,label\n0,a,b,c\n")
    assert list(read_table(tmp_path / "t.csv").columns) == [
        "Unnamed: 0",
        "path",
        "label",
        "label.1",
    ]


@pytest.mark.parametrize(
    "data, match",
    [
        (b"PK\x03\x04rest", "zip archive or an Excel workbook; save the sheet as CSV"),
        (bytes(range(256)), "null bytes"),
        (b"\xff\xfea\x00b", "not a table that can be read"),
        (b"", "it has no lines"),
        (b"path,label\n", "the manifest has no rows"),
        (b"path,label\na,b\nc,d,e\n", r"line 3 has 3 fields, the header 2 \(separator ','\)"),
    ],
)
def test_what_is_no_table_is_named(tmp_path, data, match):
    (tmp_path / "t.csv").write_bytes(data)
    with pytest.raises(InputError, match=match):
        read_table(tmp_path / "t.csv")
