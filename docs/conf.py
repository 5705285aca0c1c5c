"""The documentation site: ``bin/docs`` builds it, with every warning an error."""

from __future__ import annotations

from typing import Any

import click
from docutils import nodes
from sphinx.util.docutils import SphinxDirective

from featprobe.cli.main import VERBS, cli
from featprobe.core._version import __version__

project = "featprobe"
author = "the featprobe contributors"
version = release = __version__

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.viewcode",
    "sphinx_copybutton",
]
source_suffix = {".md": "markdown"}
exclude_patterns = ["_build", "examples"]

myst_heading_anchors = 4  # headings are targets of links as on GitHub: [word](page.md#heading)

autodoc_member_order = "bysource"
autodoc_preserve_defaults = True
autodoc_default_options = {"members": True, "show-inheritance": True}

html_theme = "furo"
html_title = f"featprobe {version}"
html_show_copyright = False
html_static_path = ["_static"]
html_css_files = ["site.css"]


class Helps(SphinxDirective):
    """A section for each command: what its ``--help`` prints."""

    def run(self) -> list[nodes.Node]:
        parent = click.Context(cli, info_name="featprobe")
        return [self._section(parent, cli.get_command(parent, verb), verb) for verb in VERBS]

    def _section(self, parent: click.Context, command: Any, name: str) -> nodes.section:
        context = click.Context(command, info_name=name, parent=parent, max_content_width=88)
        title = context.command_path.removeprefix("featprobe ")
        text = command.get_help(context)
        section = nodes.section(ids=[title.replace(" ", "-")], names=[title])
        section += [nodes.title(text=title), nodes.literal_block(text, text, language="text")]
        below = getattr(command, "commands", {})
        section += [self._section(context, below[name], name) for name in below]
        return section


def setup(app: Any) -> None:
    app.add_directive("helps", Helps)
