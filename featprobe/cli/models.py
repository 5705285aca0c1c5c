"""featprobe models"""

from __future__ import annotations

import json

import click

from featprobe.backbones.catalog import CATALOG
from featprobe.cli.common import json_option
from featprobe.errors import UnknownName, nearest


@click.group(
    invoke_without_command=True,
    epilog="""\b
Examples:
  featprobe models
  featprobe models show dinov2_vitl14
""",
)
@json_option
@click.pass_context
def command(ctx: click.Context, as_json: bool) -> None:
    """List the backbones of the catalog. Any hub id or local folder of these families works too."""
    if ctx.invoked_subcommand:
        return
    if as_json:
        print(json.dumps([s.to_dict() for s in CATALOG.values()]))
        return
    line = "{:22} {:6} {:6} {:>6} {:>9}  {}"
    print(line.format("name", "width", "blocks", "patch", "M params", "hub id"))
    for s in CATALOG.values():
        print(line.format(s.name, s.width, s.blocks, s.patch or "-", s.parameters, s.source))


@command.command()
@click.argument("name")
@json_option
def show(name: str, as_json: bool) -> None:
    """Show everything known of one backbone."""
    if name not in CATALOG:
        raise UnknownName(f"unknown model {name!r}.{nearest(name, CATALOG)} See 'featprobe models'")
    spec = CATALOG[name].to_dict()
    if as_json:
        print(json.dumps(spec))
        return
    for key, value in spec.items():
        print(f"{key:14} {value}")
