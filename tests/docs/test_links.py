"""Links between the pages of the documentation lead somewhere."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.docs.blocks import PAGES, ROOT, blocks


def anchors(page: Path) -> set[str]:
    """Anchors of a page's headings, as GitHub and the site name them."""
    text = re.sub(r"(?ms)^```.*?^```$", "", page.read_text())
    titles = re.findall(r"(?m)^#+ +(.*)$", text)
    return {re.sub(r"[^\w\- ]", "", t.lower()).replace(" ", "-") for t in titles}


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_links_of_a_page_are_there(page: Path) -> None:
    text = re.sub(r"(?ms)^```.*?^```$", "", page.read_text())
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if re.match(r"https?://", target):
            continue
        file, _, anchor = target.partition("#")
        there = (page.parent / file).resolve() if file else page
        assert there.is_relative_to(ROOT), f"{page.name}: {target}"
        assert there.exists(), f"{page.name}: {target}"
        if anchor:
            assert anchor in anchors(there), f"{page.name}: {target}"


def test_an_anchor_is_made_as_github_makes_it(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("# One: two, *three*\n```sh\n# no heading\n```\n## kNN & C's path\n")
    assert anchors(page) == {"one-two-three", "knn--cs-path"}


def test_every_block_says_its_language() -> None:
    silent = [str(b) for page in PAGES for b in blocks(page) if not b.language]
    assert not silent


def test_no_page_has_code_by_indentation_only() -> None:
    """It would be coloured by nobody, and no test would find it."""
    for page in PAGES:
        text = re.sub(r"(?ms)^```.*?^```$", "", page.read_text())
        assert not re.search(r"(?m)\A    \S|\n\n    [^\s*-]", text), page.name
