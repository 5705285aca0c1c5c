"""featprobe study"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

from featprobe.cli.common import cache_option, json_option, note
from featprobe.cli.verb import Verbs, options

if TYPE_CHECKING:
    from featprobe.leaderboard.grid import Grid
    from featprobe.studies.here import Part
    from featprobe.studies.run import StudyRun
    from featprobe.studies.study import Study


@click.group(
    cls=Verbs,
    epilog="""\b
Examples:
  featprobe study list
  featprobe study show rad
  featprobe study run rad --only nih --dry-run
""",
)
def command() -> None:
    """Published studies: what they did, and their numbers beside ours."""


choice = options(
    click.option("--only", multiple=True, metavar="DATA...", help="Only these data sets."),
    click.option("--models", multiple=True, metavar="NAME...", help="Only these backbones."),
    click.option("--frozen", is_flag=True, help="Leave out what is trained end to end."),
)


@command.command(name="list")
@json_option
def list_(as_json: bool) -> None:
    """List the studies."""
    from featprobe.studies.study import studies, study

    for name in studies():
        s = study(name)
        if as_json:
            print(json.dumps(_facts(s)))
        else:
            print(f"{name:10} {s.title} ({s.paper})")


@command.command(
    epilog="""\b
Examples:
  featprobe study show rad
  featprobe study show medplus --only pneumoniamnist
""",
)
@click.argument("name")
@choice
@json_option
def show(
    name: str, only: tuple[str, ...], models: tuple[str, ...], frozen: bool, as_json: bool
) -> None:
    """Data sets, backbones, views, probes, draws, published numbers, and what differs here."""
    from featprobe.studies.here import chosen
    from featprobe.studies.study import study
    from featprobe.studies.text import print_study

    s = study(name)
    grid, decodings = chosen(s, only, models, frozen)
    if as_json:
        segmented = {"segmented": [d.name for d in decodings]}
        print(json.dumps(_facts(s, grid) | segmented))
    else:
        print_study(s, grid, decodings)


@command.command(
    epilog="""\b
Examples:
  featprobe study run rad --only nih --models dinov2_vitl14
  featprobe study run rad --dry-run                        what it would take
  featprobe study run medplus --frozen --init random       the control
  featprobe study run wacv --weights seem_focalt=seem_focalt_v0.pt
  featprobe study run ours.yaml                            a study of one's own

\b
Data sets are looked for below $FEATPROBE_DATA. Data and weights that are not on this machine are
listed with where they are to be had; the rest runs, and what the cache has is not run again.
""",
)
@click.argument("name")
@choice
@options(
    click.option(
        "--weights", multiple=True, metavar="NAME=FILE...",
        help="A checkpoint file of a backbone; name it twice for a backbone and its head.",
    ),
    click.option("--init", type=click.Choice(["random"]), help="Random weights, the control."),
    click.option("--image-size", type=click.IntRange(min=8), metavar="PIXELS",
                 help="Of all backbones."),
    click.option("--download", is_flag=True, help="Download weights that are not here."),
    group="Backbone",
)  # fmt: skip
@options(
    click.option(
        "--jobs", type=click.IntRange(min=1), default=1, show_default=True, metavar="N",
        help="Run so many cells side by side, each in a process.",
    ),
    click.option("--dry-run", is_flag=True, help="Say what it would take, and run nothing."),
    group="Device and speed",
)  # fmt: skip
@cache_option
@json_option
@click.pass_context
def run(
    ctx: click.Context, name: str, only: tuple[str, ...], models: tuple[str, ...], frozen: bool,
    weights: tuple[str, ...], init: str | None, image_size: int | None, download: bool, jobs: int,
    dry_run: bool, cache: str | None, as_json: bool,
) -> None:  # fmt: skip
    """Extract what is missing, run, and print ours beside theirs.

    The exit status is 1 where a cell failed.
    """
    import os

    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # as extract has it
    from featprobe.studies.here import chosen, of_this_machine, with_options
    from featprobe.studies.run import run as run_study
    from featprobe.studies.study import study

    s = study(name)
    grid, decodings = chosen(s, only, models, frozen)
    grid, decodings = with_options(grid, decodings, _files(weights), init, image_size)
    part = of_this_machine(grid, decodings, cache, download)
    if dry_run:
        _foretell(part, cache, as_json)
        return
    report = run_study(s, part, cache, report=note, progress=True, jobs=jobs)
    _print(report, as_json)
    if report.outcome.failures:
        ctx.exit(1)


def _files(given: tuple[str, ...]) -> dict[str, list[str]]:
    out: dict[str, list[str]] = {}
    for text in given:
        name, sign, file = text.partition("=")
        if not sign or not name or not file:
            raise click.BadParameter(f"{text!r} is written NAME=FILE", param_hint="--weights")
        out.setdefault(name, []).append(file)
    return out


def _foretell(part: Part, cache: str | None, as_json: bool) -> None:
    from featprobe.leaderboard.forecast import forecast
    from featprobe.leaderboard.forecast_text import print_forecast
    from featprobe.studies.text import print_missing

    found = forecast(part.grid, cache)
    if as_json:
        told = {
            "missing": dict(part.missing), "without": len(part.without) + len(part.undecoded),
            "segmented": [d.name for d in part.decodings],
        }  # fmt: skip
        print(json.dumps(found.to_dict() | told, allow_nan=False))
        return
    print_forecast(found)
    if part.decodings:
        print("and segmented:", *(f"  {d.name}" for d in part.decodings), sep="\n")
    print_missing(part.missing, len(part.without) + len(part.undecoded))


def _print(report: StudyRun, as_json: bool) -> None:
    """The report; of JSON a row a line, then one object of what is not in rows."""
    from featprobe.studies.text import print_report

    if as_json:
        for row in report.beside.rows:
            print(json.dumps(row.to_dict(), allow_nan=False))
        rest = {
            "study": report.study.name, "differs": list(report.study.differs),
            "missing": dict(report.part.missing),
            "without": len(report.part.without) + len(report.part.undecoded),
            "failures": report.outcome.failures, "elsewhere": list(report.study.elsewhere),
        }  # fmt: skip
        print(json.dumps(rest))
    else:
        print_report(report)
    for text in report.beside.apart:
        note(f"not joined over seeds: {text}")
    note(f"{report.outcome.ran} cells ran, {report.outcome.there} were in the cache")
    for text in report.outcome.failures:
        note(f"failed: {text}")


def _facts(s: Study, grid: Grid | None = None) -> dict[str, object]:
    from dataclasses import asdict

    out: dict[str, object] = {
        "name": s.name, "title": s.title, "paper": s.paper, "code": s.code, "board": str(s.board),
    }  # fmt: skip
    if grid is not None:
        cells = grid.cells
        out |= {
            "data": list(dict.fromkeys(c.data.name for c in cells)),
            "models": list(dict.fromkeys(c.model.name for c in cells)),
            "probes": list(dict.fromkeys(c.work.name for c in cells)),
            "protocols": list(dict.fromkeys(c.protocol.name or "full" for c in cells)),
            "cells": len(cells), "published": [asdict(p) for p in s.published],
            "differs": list(s.differs), "elsewhere": list(s.elsewhere),
        }  # fmt: skip
    return out
