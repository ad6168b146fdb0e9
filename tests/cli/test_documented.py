"""The manual and the command line say the same."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import typer

from accord.cli.main import app, load_commands

ROOT = Path(__file__).resolve().parents[2]


def commands() -> set[str]:
    """Every command there is."""
    load_commands()
    return set(typer.main.get_command(app).commands)  # type: ignore[attr-defined]


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


def test_a_command_is_found_without_loading_the_others() -> None:
    """Most calls are short, and loading everything takes half of their time; what is no command still lists those there are."""
    look = "import sys; from accord.cli.main import main; code = main({}); print(code, 'accord.cli.commands.serve' in sys.modules)"

    found = subprocess.run([sys.executable, "-c", look.format(["schema", "--help"])], capture_output=True, text=True, check=False)
    wrong = subprocess.run([sys.executable, "-c", look.format(["shema"])], capture_output=True, text=True, check=False)

    assert found.stdout.splitlines()[-1] == "0 False"
    assert wrong.stdout.splitlines()[-1] == "2 True"
    assert "schema" in wrong.stderr


def test_every_command_explains_its_options() -> None:
    """`--help` is the manual most people read."""
    load_commands()
    undocumented = [
        f"{name} {option.name}"
        for name, command in typer.main.get_command(app).commands.items()  # type: ignore[attr-defined]
        for option in command.params
        if not getattr(option, "help", None)
    ]

    assert undocumented == []
