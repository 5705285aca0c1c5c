"""What a verb is made of: options in groups, each of which says what it is about.

``--help`` lists the options under headings, the few that matter first. The heading is given
where the options are: ``options(click.option(...), ..., group="Backbone")``. An option that stands
alone above its verb is one of the main options.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

F = TypeVar("F", bound=Callable[..., Any])

MAIN = "Main options"
# the headings, in the order in which help shows them
GROUPS = (
    MAIN,
    "Backbone",
    "Data",
    "Labels and patients",
    "Frames and intensity",
    "Features",
    "Probe",
    "Training",
    "Split and selection",
    "Metrics and intervals",
    "Device and speed",
    "Output",
)


class Verb(click.Command):
    """Options in groups; those that may be repeated take several values: ``--k 1 5 20``."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        several = {
            name
            for p in self.params
            if isinstance(p, click.Option) and p.multiple
            for name in p.opts
        }
        out: list[str] = []
        current, taken = "", 0
        for arg in args:
            if arg.startswith("-") and not _number(arg):
                name, _, value = arg.partition("=")
                current, taken = (name if name in several else ""), int(bool(value))
            elif current:
                if taken:
                    out.append(current)
                taken += 1
            out.append(arg)
        return super().parse_args(ctx, out)

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        _write_groups(self, ctx, formatter)


class Verbs(click.Group):
    """A verb that has verbs of its own, with groups of options as they have."""

    command_class = Verb

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        _write_groups(self, ctx, formatter)
        self.format_commands(ctx, formatter)


def options(*decorators: Callable[[F], F], group: str | None = None) -> Callable[[F], F]:
    """Several options as one decorator, shown in this order under the heading ``group``.

    Options of an inner block that has a group keep it; ``None`` leaves them where they are.
    """
    if group is not None and group not in GROUPS:
        raise ValueError(f"no group of options is called {group!r}: {', '.join(GROUPS)}")

    def apply(f: F) -> F:
        before = len(getattr(f, "__click_params__", ()))
        for decorator in reversed(decorators):
            f = decorator(f)
        for param in f.__click_params__[before:]:  # type: ignore[attr-defined]
            if group is not None and not hasattr(param, "group"):
                param.group = group
        return f

    return apply


def group_of(option: click.Parameter) -> str:
    """The heading under which help lists an option."""
    group: str = getattr(option, "group", MAIN)
    return group


def _write_groups(
    command: click.Command, ctx: click.Context, formatter: click.HelpFormatter
) -> None:
    requested = command.get_help_option(ctx)
    rows: dict[str, list[tuple[str, str]]] = {group: [] for group in GROUPS}
    for param in command.get_params(ctx):
        record = param.get_help_record(ctx)  # None where it is hidden
        if record is not None and isinstance(param, click.Option):
            rows["Output" if param is requested else group_of(param)].append(record)
    for group, records in rows.items():
        if records:
            with formatter.section(group):
                formatter.write_dl(records)


def _number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
