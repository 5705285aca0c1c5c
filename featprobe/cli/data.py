"""featprobe data"""

from __future__ import annotations

import json

import click

from featprobe.cli.common import json_option


@click.group(
    invoke_without_command=True,
    epilog="""\b
Examples:
  featprobe data
  featprobe data show phantom_cxr
""",
)
@json_option
@click.pass_context
def command(ctx: click.Context, as_json: bool) -> None:
    """List the data sets that have a name. Folders, manifests and files need none."""
    if ctx.invoked_subcommand:
        return
    from featprobe.datasets.load import CATALOG

    entries = [CATALOG.get(n).to_dict() for n in CATALOG.names()]
    if as_json:
        print(json.dumps(entries))
        return
    line = "{:24} {:11} {:>7}  {}"
    print(line.format("name", "task", "items", "title"))
    for e in entries:
        print(line.format(e["name"], e["task"], e["items"] or "-", e["title"]))


@command.command()
@click.argument("name")
@json_option
def show(name: str, as_json: bool) -> None:
    """Show one data set: task, classes, split, licence, and how to lay its files out."""
    from featprobe.datasets.load import CATALOG

    entry = CATALOG.get(name).to_dict()
    if as_json:
        print(json.dumps(entry))
        return
    for key, value in entry.items():
        text = ", ".join(value) if isinstance(value, list) else str(value)
        print(f"{key:10} " + text.replace("\n", "\n" + " " * 11))
