"""The entry point: finds the commands, runs one, and turns every error into a sentence and an exit code."""

from __future__ import annotations

import ctypes
import importlib
import os
import pkgutil
import signal
import sys
import tempfile
import traceback
from pathlib import Path
from types import FrameType

import typer
from typer.exceptions import Abort, TyperException

from accord import __version__
from accord.cli import commands, loaded
from accord.cli.output import emit_error
from accord.model.errors import AccordError

# What typer answers with after Ctrl-C.
_INTERRUPTED = 130

app = typer.Typer(
    name="accord",
    help="Keeps systems in agreement, carries work across teams, measures, plans and governs, from one integration map.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback(invoke_without_command=True)
def root(version: bool = typer.Option(False, "--version", help="Show the version and end.")) -> None:
    """Keeps systems in agreement, carries work across teams, measures, plans and governs, from one integration map.

    Exit codes: 0 done · 1 a check or target failed · 2 the map or the call is wrong · 3 a system could not be reached.
    """
    if version:
        typer.echo(__version__)
        raise typer.Exit


_loaded: set[str] = set()


def load_commands(asked: str = "") -> None:
    """Register the command asked for, which stands in the file of its name; all of them where it does not.

    Loading every command takes half of the time of a short one.
    """
    names = sorted(module.name for module in pkgutil.iter_modules(commands.__path__))
    wanted = asked.replace("-", "_")
    if wanted in _loaded:
        return
    if wanted not in names:
        if _loaded.issuperset(names):
            return
        app.registered_commands.clear()  # so that they stand in one order, whatever was loaded before
        app.registered_groups.clear()
        _loaded.clear()
    for name in [wanted] if wanted in names else names:
        importlib.import_module(f"{commands.__name__}.{name}").register(app)
        _loaded.add(name)


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
        load_commands(next((text for text in given if not text.startswith("-")), ""))
        result = app(given, standalone_mode=False)
        code = result if isinstance(result, int) else 0
        if code == _INTERRUPTED:
            raise KeyboardInterrupt
    except (Abort, KeyboardInterrupt):
        emit_error("Interrupted", "interrupted; what was committed stands, the same command goes on from there.", as_json=as_json, code=1)
        # An interrupt that passed through a library's own evaluation of Python stays noted in the interpreter, which would end the
        # process by the signal instead of with our code; running any code at top level clears the note.
        ctypes.pythonapi.PyRun_SimpleString(b"pass")
        code = 1
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
    except Exception as error:  # noqa: BLE001  # a defect of ours: the trace goes to a file, so that it can be reported
        emit_error(type(error).__name__, f"a defect in Accord: {error}. The trace is in {_keep_trace()}.", as_json=as_json, code=1)
        code = 1
    if arguments is None:
        sys.exit(code)
    return code


def _usage(error: TyperException) -> str:
    context = getattr(error, "ctx", None)
    hint = f" Try `{context.command_path} --help`." if context is not None else ""
    return f"{error.format_message()}{hint}"


def _keep_trace() -> Path:
    with tempfile.NamedTemporaryFile("w", prefix="accord-defect-", suffix=".txt", delete=False) as file:
        file.write(traceback.format_exc())
        return Path(file.name)
