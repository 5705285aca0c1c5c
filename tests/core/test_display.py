"""Whatever is shown stays on its line, is short, and is text in HTML."""

from __future__ import annotations

from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from featprobe.core.display import (
    LONGEST,
    Displayable,
    changed_fields,
    ends,
    html_table,
    on_one_line,
    short,
    text_table,
)


class Cells(HTMLParser):
    """The tags of a page, and the text within each."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.texts: list[str] = []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.tags.append(tag)
        self.texts.append("")

    def handle_data(self, data: str) -> None:
        if self.texts:
            self.texts[-1] += data


class Thing(Displayable):
    def __init__(self, name: str, value: Any) -> None:
        self.name, self.value = name, value

    def facts(self) -> tuple[tuple[str, ...], dict[str, Any]]:
        return (self.name,), {"value": self.value}


@given(st.text(), st.text() | st.floats() | st.lists(st.integers()) | st.none())
def test_any_name_and_value_is_one_line_of_printable_characters(name: str, value: Any) -> None:
    told = repr(Thing(name, value))
    assert told.isprintable()
    assert told.startswith(f"Thing({name!r}, value=")
    assert len(told) <= len(f"Thing({name!r}, value=)") + LONGEST


@given(st.text(min_size=1), st.text(min_size=1))
def test_a_page_has_the_tags_of_a_table_alone_and_says_the_names(name: str, value: str) -> None:
    page = Cells(Thing(name, value)._repr_html_())
    assert page.tags == ["table", "caption", "tr", "td", "td"]
    assert page.texts[1].strip() == f"Thing {on_one_line(name)}".strip()
    assert page.texts[3] == "value"


def test_markup_in_a_name_is_text() -> None:
    page = html_table("a & b", ["<h>"], [["<script>alert('x')</script>"], ['"><img src=x>']])
    assert Cells(page).tags == ["table", "caption", "tr", "th", "tr", "td", "tr", "td"]
    assert "&lt;script&gt;alert(&#x27;x&#x27;)&lt;/script&gt;" in page


@dataclass
class Settings:
    must: int
    rate: float = 0.1
    names: tuple[str, ...] = ()
    more: list[int] = field(default_factory=list)

    __repr__ = changed_fields


def test_settings_say_what_is_not_the_default() -> None:
    assert repr(Settings(3)) == "Settings(must=3, more=[])"
    assert repr(Settings(3, 0.2, ("a",))) == "Settings(must=3, rate=0.2, names=('a',), more=[])"
    assert repr(Settings(3, rate=True)) == "Settings(must=3, rate=True, more=[])"


def test_long_values_are_cut_and_plain_words_have_no_quotes() -> None:
    assert short("cls:4 mean") == "cls:4 mean"
    assert short("a\nb") == r"'a\nb'"
    assert short(0.1 + 0.2) == "0.3"
    assert short(list(range(100))).endswith("...")
    assert len(short(list(range(100)))) == LONGEST


def test_columns_of_text_are_aligned_and_rows_stay_rows() -> None:
    told = text_table(("name", "value"), [("a", "0.5"), ("long\nname", "\x1b[31m")])
    assert told.splitlines() == [
        "name        value",
        "a           0.5",
        r"long\nname  \x1b[31m",
    ]


def test_an_interval_that_is_not_there_is_not_said() -> None:
    assert ends((0.1, 0.25)) == " [0.100, 0.250]"
    assert ends((float("nan"), float("nan"))) == ""
