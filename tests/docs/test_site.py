"""The documentation as a site: built without a warning, complete, and closed."""

from __future__ import annotations

import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import click
import pytest

import featprobe
import featprobe.plots
from featprobe.cli.main import VERBS, cli
from tests.docs.blocks import ROOT


def test_every_public_name_has_its_place() -> None:
    said = set(re.findall(r":: featprobe\.(\w+)", (ROOT / "docs" / "api.md").read_text()))
    assert said == set(featprobe.__all__) - {"__version__"}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("site")
    built = subprocess.run(
        [
            sys.executable, "-m", "sphinx", "-W", "--keep-going", "-q", "-b", "html",
            "-d", str(out / "trees"), str(ROOT / "docs"), str(out / "html"),
        ],
        capture_output=True, text=True,
    )  # fmt: skip
    assert built.returncode == 0, built.stderr
    return out / "html"


class Loads(HTMLParser):
    """Addresses that a browser fetches when it opens the page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        named = dict(attrs)
        if tag in ("script", "img", "iframe", "source") and named.get("src"):
            self.found.append(str(named["src"]))
        if tag == "link" and named.get("rel") in ("stylesheet", "icon", "preload"):
            self.found.append(str(named["href"]))


@pytest.mark.slow
def test_no_page_loads_anything_from_elsewhere(site: Path) -> None:
    pages = list(site.rglob("*.html"))
    assert len(pages) > 20
    for page in pages:
        for address in Loads(page.read_text()).found:
            assert not re.match(r"(https?:)?//", address), f"{page.name}: {address}"
    for style in site.rglob("*.css"):
        assert not re.search(r"url\(['\"]?(https?:)?//|@import", style.read_text()), style.name


@pytest.mark.slow
def test_every_command_and_option_is_in_the_reference(site: Path) -> None:
    text = (site / "cli.html").read_text()
    for verb in VERBS:
        for path, command in below(cli.get_command(click.Context(cli), verb), verb):
            section = text[text.index(f'<section id="{"-".join(path)}">') :]
            said = re.sub(r"<[^>]+>", "", section[: section.index("</pre>")])
            assert f"Usage: featprobe {' '.join(path)}" in said
            for option in (p for p in command.params if isinstance(p, click.Option)):
                assert option.hidden or max(option.opts, key=len) in said, (path, option.opts)


def below(command: click.Command | None, *path: str) -> list[tuple[tuple[str, ...], click.Command]]:
    """A command and those below it, each with the words that call it."""
    assert command is not None
    inner = getattr(command, "commands", {})
    return [(path, command), *(c for name in inner for c in below(inner[name], *path, name))]


@pytest.mark.slow
def test_every_public_name_is_in_the_reference(site: Path) -> None:
    text = (site / "api.html").read_text()
    for name in set(featprobe.__all__) - {"__version__"}:
        assert f'id="featprobe.{name}"' in text, name


def test_every_figure_is_in_the_gallery() -> None:
    text = (ROOT / "docs" / "gallery.md").read_text()
    drawn = re.findall(r"figures/([\w-]+\.png)", (ROOT / "docs" / "report.md").read_text())
    for file in (f for f in drawn if not f.startswith(("page-", "map-"))):
        assert file in text, file
