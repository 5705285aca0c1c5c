"""Options of every verb stand under a heading, the few that matter first."""

from __future__ import annotations

import re

import click
import pytest

from featprobe.cli.main import VERBS, cli
from featprobe.cli.verb import GROUPS, MAIN, Verb, group_of, options


def every_verb() -> dict[str, click.Command]:
    """Verbs, and the verbs that some of them have."""
    context = click.Context(cli)
    found = {}
    for name in VERBS:
        command = cli.get_command(context, name)
        assert command is not None
        found[name] = command
        if isinstance(command, click.Group):
            found |= {f"{name} {inner}": c for inner, c in command.commands.items()}
    return found


COMMANDS = every_verb()


def headings(command: click.Command, name: str) -> dict[str, list[str]]:
    """What help prints: the options under each heading."""
    context = click.Context(command, info_name=name, max_content_width=100)
    context.help_option_names = ["-h", "--help"]
    text = command.get_help(context)
    found: dict[str, list[str]] = {}
    for line in text.splitlines():
        if title := re.fullmatch(r"(\w[\w ]+):", line):
            found[title[1]] = []
        elif option := re.match(r"  (?:-\w, )?(--[\w-]+)", line):
            found[list(found)[-1]].append(option[1])
    return found


@pytest.mark.parametrize("name", COMMANDS)
def test_help_lists_every_option_under_one_of_the_headings(name: str) -> None:
    command = COMMANDS[name]
    printed = {h: names for h, names in headings(command, name).items() if names}
    assert set(printed) <= set(GROUPS)
    assert list(printed) == sorted(printed, key=GROUPS.index)
    shown = [option for names in printed.values() for option in names]
    options = [p for p in command.params if isinstance(p, click.Option) and not p.hidden]
    own = [next(o for o in p.opts if o.startswith("--")) for p in options]  # of aliases the first
    assert sorted(shown) == sorted([*own, "--help"])


@pytest.mark.parametrize("name", COMMANDS)
def test_at_most_ten_options_come_first_and_each_says_what_it_is(name: str) -> None:
    given = [p for p in COMMANDS[name].params if isinstance(p, click.Option)]
    first = [p.name for p in given if group_of(p) == MAIN]
    assert len(first) <= 10, first
    assert not [p.name for p in given if not p.help]


def test_an_inner_block_keeps_its_heading() -> None:
    inner = options(click.option("--deep"), group="Output")

    @click.command(cls=Verb)
    @click.option("--bare")
    @options(click.option("--shallow"), inner, group="Data")
    def command(**_: str) -> None:
        """A verb."""

    assert {p.name: group_of(p) for p in command.params} == {
        "bare": MAIN, "shallow": "Data", "deep": "Output",
    }  # fmt: skip


def test_a_heading_that_is_none_is_refused_where_it_is_written() -> None:
    with pytest.raises(ValueError, match="no group of options is called 'Datta'"):
        options(group="Datta")
