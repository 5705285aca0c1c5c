"""featprobe models"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import click

from featprobe.backbones.plugins import model, models
from featprobe.backbones.spec import OUTPUTS, ModelSpec, Preprocess
from featprobe.cli.common import json_option
from featprobe.cli.verb import Verbs
from featprobe.core.errors import UnknownName, nearest


@click.group(
    cls=Verbs,
    invoke_without_command=True,
    epilog="""\b
Examples:
  featprobe models
  featprobe models --search dino --max-params 100
  featprobe models --data MIMIC-CXR             what was trained on it
  featprobe models --output logits --json
  featprobe models show dinov2_vitl14
""",
)
@click.option("--family", help="Of this family: dinov2, vit, clip_vision_model, timm, ...")
@click.option("--data", metavar="TEXT", help="Whose pretraining data have TEXT in their names.")
@click.option(
    "--search", metavar="TEXT", help="With TEXT in name, source, pretraining, data or licence."
)
@click.option(
    "--max-params", type=click.FloatRange(min=0), metavar="M", help="At most M million parameters."
)
@click.option("--output", type=click.Choice(OUTPUTS), help="Whose checkpoint has this output.")
@click.option("--markdown", is_flag=True, help="As a Markdown table with data and licences.")
@click.option(
    "--transforms",
    is_flag=True,
    help="A Markdown table of preprocessing: the authors', the hub's, and which is used.",
)
@json_option
@click.pass_context
def command(
    ctx: click.Context, family: str | None, data: str | None, search: str | None,
    max_params: float | None, output: str | None, markdown: bool, transforms: bool, as_json: bool,
) -> None:  # fmt: skip
    """List the backbones of the catalog. Any hub id or folder of these families works too."""
    if ctx.invoked_subcommand:
        return
    known = models()
    families = sorted({s.family for s in known.values()})
    if family is not None and family not in families:
        raise UnknownName(
            f"unknown family {family!r}.{nearest(family, families)} There: {', '.join(families)}"
        )
    chosen = [
        s for s in known.values()
        if (family is None or s.family == family)
        and (data is None or any(data.lower() in d.lower() for d in s.data))
        and (search is None or search.lower() in _text(s))
        and (max_params is None or s.parameters <= max_params)
        and (output is None or output in s.outputs)
    ]  # fmt: skip
    if as_json:
        print(json.dumps([s.to_dict() for s in chosen]))
        return
    if transforms:
        print(_table(transform_rows(chosen)))
        return
    if markdown:
        print(_markdown(chosen))
        return
    line = "{:28} {:>6} {:>6} {:>5} {:>8}  {}"
    print(line.format("name", "width", "blocks", "patch", "M params", "source"))
    for s in chosen:
        where = s.source or "file"
        sizes = (s.width or "-", s.blocks or "-", s.patch or "-", s.parameters or "-")
        print(line.format(s.name, *sizes, where))
    if not chosen:
        click.echo("none of the catalog is like that", err=True)


def _markdown(specs: list[ModelSpec]) -> str:
    """The table of docs/models.md."""
    heads = ("name", "source", "width", "blocks", "patch", "M params", "outputs", "trained on",
             "licence", "pinned")  # fmt: skip
    rows = [
        (
            f"`{s.name}`", f"`{s.source}`" if s.source else "file", s.width, s.blocks,
            s.patch or "-", s.parameters, ", ".join(s.outputs), ", ".join(s.data), s.licence,
            s.revision[:7] if s.revision else "-",
        )
        for s in specs
    ]  # fmt: skip
    return _table([heads, *rows])


def _table(rows: Sequence[Sequence[Any]]) -> str:
    """Markdown of rows, the first of which are the heads."""
    lines = [rows[0], ["---"] * len(rows[0]), *rows[1:]]
    return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines)


def transform_rows(specs: list[ModelSpec]) -> list[tuple[str, ...]]:
    """Heads, and a row for all entries of which the same is known."""
    from featprobe.backbones.authors import Authors, of
    from featprobe.backbones.transforms import spelled

    names: dict[tuple[str, ...], list[str]] = {}
    for spec in specs:
        found = of(spec.name) or Authors(spec.name, None, "", "nothing public was found")
        authors, used = found.transform, spec.preprocess
        hub = None if found.hub_says or not spec.source else spec.hub or used
        said = f"`{spelled(hub)}`" if hub else found.hub_says or "read with the weights"
        row = (
            f"`{spelled(authors)}`" if authors else "not known",
            said if spec.source else "a file, on no hub",
            _which(authors, hub, used or hub),
            "; ".join(filter(None, (f"`{found.source}`" if found.source else "", found.note))),
        )
        names.setdefault(row, []).append(f"`{spec.name}`")
    heads = ("backbones", "authors", "hub", "used", "read in")
    return [heads, *((", ".join(n), *row) for row, n in names.items())]


def _which(authors: Preprocess | None, hub: Preprocess | None, used: Preprocess | None) -> str:
    """Whose transform is used; spelled where it is neither's."""
    from featprobe.backbones.transforms import spelled

    if used is None or (used == hub and used != authors):
        return "hub"
    if used == authors:
        return "both" if authors == hub else "authors"
    return f"`{spelled(used)}`"


def _text(spec: ModelSpec) -> str:
    """What ``--search`` looks through, in lower case."""
    parts = (spec.name, spec.family, spec.source, spec.pretraining, spec.licence)
    return " ".join((*parts, *spec.data, *spec.files)).lower()


@command.command(
    epilog="""\b
Examples:
  featprobe models show rad_dino
  featprobe models show seem_focalt --json
"""
)
@click.argument("name")
@json_option
def show(name: str, as_json: bool) -> None:
    """Show everything known of one backbone."""
    found = model(name)
    if found is None:
        raise UnknownName(
            f"unknown model {name!r}.{nearest(name, models())} See 'featprobe models'"
        )
    spec = found.to_dict()
    if as_json:
        print(json.dumps(spec))
        return
    for key, value in spec.items():
        for i, text in enumerate(_lines(value)):
            print(f"{'' if i else key:12} {text}")


def _lines(value: Any) -> list[str]:
    """A value as lines to read: lists joined by commas, None and nothing as a dash."""
    if isinstance(value, dict) and value:
        return [f"{k}: {'; '.join(_lines(v))}" for k, v in value.items()]
    if isinstance(value, list) and value:
        return [", ".join("; ".join(_lines(v)) for v in value)]
    if isinstance(value, bool):
        return ["yes" if value else "no"]
    return ["-"] if value in (None, "", [], {}) else [str(value)]
