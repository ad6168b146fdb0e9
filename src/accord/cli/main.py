"""The entry point: finds the commands, runs one, and turns every error into a sentence and an exit code."""

from __future__ import annotations

import ctypes
import importlib
import os
import signal
import sys
from types import FrameType
from typing import Any

import typer
from typer.exceptions import Abort, TyperException

from accord import __version__
from accord.cli import loaded
from accord.cli.listed import declared
from accord.cli.output import emit_error
from accord.model.defect import kept_trace
from accord.model.errors import AccordError

# What typer answers with after Ctrl-C.
_INTERRUPTED = 130

# Set by the shell while it completes what is typed, which may be an option of any command.
_COMPLETING = "_ACCORD_COMPLETE"


def root(version: bool = typer.Option(False, "--version", help="Show the version and end.")) -> None:
    """Keeps systems in agreement, carries work across teams, measures, plans and governs, from one integration map.

    Exit codes: 0 done · 1 a check or target failed · 2 the map or the call is wrong · 3 a system could not be reached.
    """
    if version:
        typer.echo(__version__)
        raise typer.Exit


def command_line(asked: str | None = None) -> typer.Typer:
    """The command line with the command asked for; with every one when ``None``.

    The others stand in it with their name and what they are for, which is all that the help shows of them: loading every command takes
    longer than most of them do.
    """
    made = typer.Typer(
        name="accord",
        help="Keeps systems in agreement, carries work across teams, measures, plans and governs, from one integration map.",
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    made.callback(invoke_without_command=True)(root)
    for module, told in declared().items():
        if asked is None or asked in told or not told:
            importlib.import_module(module).register(made)
        else:
            for name, said in told.items():
                made.command(name, help=said)(_not_asked_for)
    return made


def _not_asked_for() -> None:
    raise AssertionError("a command that was not asked for is not loaded")


loaded()


def _terminate(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt  # what a service manager sends ends like Ctrl-C: transactions roll back, the lease is let go


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; returns or exits with the code of ``design.md``.

    Ctrl-C ends with 1 and the word how to go on: nothing is half-written, because every step is one transaction or one rename.
    """
    given = sys.argv[1:] if arguments is None else arguments
    as_json = "--json" in given
    code = 0
    if arguments is None:
        signal.signal(signal.SIGTERM, _terminate)
    try:
        asked = None if _COMPLETING in os.environ else next((text for text in given if not text.startswith("-")), "")
        result = command_line(asked)(given, standalone_mode=False)
        code = result if isinstance(result, int) else 0
        if code == _INTERRUPTED:
            raise KeyboardInterrupt
    except (Abort, KeyboardInterrupt):
        code = _interrupted(as_json)
    except TyperException as error:
        # Called without arguments, the help was shown already.
        if given:
            emit_error("UsageError", _usage(error), as_json=as_json, code=2)
        code = 2
    except AccordError as error:
        emit_error(type(error).__name__, str(error), as_json=as_json, code=error.exit_code)
        code = error.exit_code
    except BrokenPipeError:
        # The reader went away (`accord … | head`); what was asked for was done.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except OSError as error:
        where = f"{error.filename}: " if error.filename is not None else ""
        message = f"{where}{error.strerror or error}. Check that the path is right, and that this user may read and write there."
        emit_error("SystemError", message, as_json=as_json, code=1)
        code = 1
    except Exception as error:  # noqa: BLE001 - not swallowed: a defect of ours is told, and its trace kept so that it can be reported
        if isinstance(error.__cause__, KeyboardInterrupt):  # DuckDB has an error of its own for a query that was interrupted
            code = _interrupted(as_json)
        else:
            emit_error(type(error).__name__, f"a defect in Accord: {error}. {kept_trace(error)[1]}", as_json=as_json, code=1)
            code = 1
    if arguments is None:
        sys.exit(code)
    return code


def _interrupted(as_json: bool) -> int:
    """Say so; returns the exit code."""
    emit_error("Interrupted", "interrupted; what was committed stands, the same command goes on from there.", as_json=as_json, code=1)
    # An interrupt that passed through a library's own evaluation of Python stays noted in the interpreter, which would end the
    # process by the signal instead of with our code; running any code at top level clears the note.
    ctypes.pythonapi.PyRun_SimpleString(b"pass")
    return 1


def _usage(error: TyperException) -> str:
    context = getattr(error, "ctx", None)
    hint = f" Try `{context.command_path} --help`." if context is not None else ""
    message = error.format_message()
    if message.startswith("Got unexpected extra argument") and "map_path" in _options(context):
        hint = f" The map is named with --map.{hint}"
    return f"{message}{hint}"


def _options(context: Any) -> set[str]:
    """The parameters of a command that are no arguments of it."""
    return {p.name for p in context.command.params if p.param_type_name == "option"} if context is not None else set()
