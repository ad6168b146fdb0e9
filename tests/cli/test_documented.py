"""The manual and the command line say the same."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer

from accord.cli.main import command_line

ROOT = Path(__file__).resolve().parents[2]


def commands() -> set[str]:
    """Every command there is."""
    return set(typer.main.get_command(command_line()).commands)  # type: ignore[attr-defined]


def test_every_command_is_in_the_readme() -> None:
    """A command nobody can find does not exist."""
    text = (ROOT / "README.md").read_text()
    table = text[text.index("## Commands") :]

    missing = [c for c in commands() if not re.search(rf"\b{re.escape(c)}\b", table)]

    assert missing == []


def test_the_readme_names_no_command_that_is_not_there() -> None:
    """A tour that fails on its third line is worse than none."""
    text = (ROOT / "README.md").read_text()

    named = set(re.findall(r"^accord ([a-z][a-z-]*)", text, re.MULTILINE))

    assert named - commands() == set()


def test_the_list_of_commands_is_that_of_the_commands() -> None:
    """The list is read off the files' first lines, and would not show it if a command came to be called or to do something else."""
    listed = typer.main.get_command(command_line("")).commands  # type: ignore[attr-defined]
    loaded = typer.main.get_command(command_line()).commands  # type: ignore[attr-defined]

    assert {name: command.help for name, command in listed.items()} == {name: command.help for name, command in loaded.items()}


def test_every_command_explains_its_options() -> None:
    """`--help` is the manual most people read."""
    undocumented = [
        f"{name} {option.name}"
        for name, command in typer.main.get_command(command_line()).commands.items()  # type: ignore[attr-defined]
        for option in command.params
        if not getattr(option, "help", None)
    ]

    assert undocumented == []


def test_every_command_about_a_map_takes_it_with_the_same_option() -> None:
    """Who learned `--map` with one command must not learn another way with the next."""

    def leaves(command: Any, name: str) -> Iterator[tuple[str, Any]]:
        below = getattr(command, "commands", {})
        yield from ((name, command),) if not below else (leaf for n, c in below.items() for leaf in leaves(c, f"{name} {n}"))

    found = dict(leaves(typer.main.get_command(command_line()), "accord"))
    taken = {name: {option for p in command.params if p.name.startswith("map_") for option in p.opts} for name, command in found.items()}

    assert {name for name, options in taken.items() if options and "--map" not in options} == set()
    assert {"accord sync", "accord erase", "accord lint", "accord contract export", "accord work tasks"} <= {
        n for n, o in taken.items() if o
    }
