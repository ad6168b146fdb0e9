"""What the command line prints: JSON for programs, tables for people, progress on a terminal only."""

from __future__ import annotations

import dataclasses
import json
import math
import os
import re
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from accord.lifecycle.progress import Progress, Silent
from accord.model.figure import TargetResult
from accord.model.values import Duration

if TYPE_CHECKING:  # rich is loaded where something is shown: a program that asks for --json does not wait for it
    from rich.console import Console
    from rich.progress import Progress as RichProgress
    from rich.table import Table

_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")
_NOT_IN_JSON = re.compile("[\x7f-\x9f\ud800-\udfff]")
VERDICT_STYLE = {"met": "green", "indicated": "cyan", "not met": "red", "too little data": "yellow", "not measured": "dim"}


def out() -> Console:
    """Standard output; plain when it is no terminal or NO_COLOR is set."""
    from rich.console import Console

    return Console(width=None if sys.stdout.isatty() else 160, highlight=False, soft_wrap=not sys.stdout.isatty())


def clock() -> datetime:
    """The one place the command line reads the clock."""
    return datetime.now(UTC)


def plain(value: Any) -> Any:
    """A value as JSON can hold it; dataclasses become objects, times ISO 8601, what is not finite null."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        if isinstance(value, Duration):
            return value.seconds
        return {f.name: plain(getattr(value, f.name)) for f in dataclasses.fields(value) if f.repr}
    if isinstance(value, Mapping):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [plain(v) for v in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat()
    if isinstance(value, (Decimal, Path)):
        return str(value)
    if value is None or isinstance(value, (str, int, bool)):
        return value
    return str(value)


def emit_json(body: Mapping[str, Any]) -> None:
    """One JSON object on standard output."""
    text = json.dumps(plain(body), ensure_ascii=False, indent=2)
    # What a terminal obeys or no encoding can write; as an escape it is the same JSON.
    typer.echo(_NOT_IN_JSON.sub(lambda found: f"\\u{ord(found[0]):04x}", text))


def emit_error(kind: str, message: str, *, as_json: bool, code: int) -> None:
    """An error: a sentence on standard error, and with --json an object on standard output."""
    if as_json:
        emit_json({"error": {"kind": kind, "message": message, "exit_code": code}})
    typer.echo(f"error: {visible(message)}", err=True)


def emit_note(message: str) -> None:
    """A word on standard error about something that is as it should be."""
    typer.echo(visible(message), err=True)


def table(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]], *, right: Sequence[int] = ()) -> None:
    """A table for people; on a terminal that is too narrow for its words a paragraph for each row."""
    console = out()
    if sys.stdout.isatty():
        show_on_terminal(console, title, columns, rows, right=right)
    else:
        console.print(_view(title, columns, rows, right, range(len(columns)), None))


def show_on_terminal(
    console: Console, title: str, columns: Sequence[str], rows: Sequence[Sequence[str]], *, right: Sequence[int] = ()
) -> None:
    """A table without the columns in which nothing stands; ids, which are copied from the first, are not broken."""
    from rich.measure import Measurement
    from rich.padding import Padding

    filled = [index for index in range(len(columns)) if any(row[index] for row in rows)] or range(len(columns))
    view = _view(title, columns, rows, right, filled, console.width)
    if rows and Measurement.get(console, console.options.update(width=1000), view).minimum > console.width:
        if title:
            console.print(f"[italic]{title}[/italic]")
        for row in rows:
            console.print(row[0], style="bold", soft_wrap=True)
            told = [f"{columns[index]}: {row[index]}" for index in filled if index and row[index]]
            console.print(Padding(" · ".join(told), (0, 0, 0, 2)))
        return
    console.print(view)


def _view(
    title: str, columns: Sequence[str], rows: Sequence[Sequence[str]], right: Sequence[int], shown: Iterable[int], width: int | None
) -> Table:
    from rich.table import Table

    view = Table(title=title or None, title_justify="left", header_style="bold")
    for index in shown:
        whole = width is not None and index == 0 and max((len(row[0]) for row in rows), default=0) <= 0.7 * width
        view.add_column(columns[index], justify="right" if index in right else "left", overflow="fold", no_wrap=whole)
    for row in rows:
        view.add_row(*(row[index] for index in shown))
    return view


def targets_table(title: str, results: Sequence[TargetResult]) -> None:
    """The scoreboard: each target with value, baseline and verdict."""
    rows = []
    for result in results:
        style = VERDICT_STYLE.get(result.verdict, "")
        verdict = f"[{style}]{result.verdict}[/{style}]" if style else result.verdict
        baseline = result.baseline.show() if result.baseline else "—"
        rows.append((escape(result.title or result.target), escape(result.wanted), escape(result.value.show()), escape(baseline), verdict))
    table(title, ("target", "wanted", "value", "baseline", "verdict"), rows)


def escape(text: str) -> str:
    """Text that rich shows as it is, with nothing in it that a terminal obeys."""
    return visible(text).replace("[", "\\[")


def visible(text: str) -> str:
    """The text with control characters as their signs: data must not color, clear or rename the terminal it is shown on."""
    return _CONTROL.sub(lambda found: chr(0x2400 + ord(found[0])) if found[0] < " " else "\ufffd", text)


class _Bar:
    """A progress bar on standard error."""

    def __init__(self, bars: RichProgress) -> None:
        self._bars = bars
        self._task: Any = None

    def begin(self, label: str, total: int) -> None:
        if self._task is not None:
            self._bars.remove_task(self._task)
        self._task = self._bars.add_task(label, total=total)

    def advance(self, label: str = "") -> None:
        if self._task is not None:
            self._bars.advance(self._task)
            if label:
                self._bars.update(self._task, description=label)


@contextmanager
def progress(as_json: bool) -> Iterator[Progress]:
    """A bar when people watch; silence for programs, pipes and logs."""
    if as_json or not sys.stderr.isatty() or os.environ.get("TERM") == "dumb":
        yield Silent()
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
    from rich.progress import Progress as RichProgress

    columns = (TextColumn("{task.description:<34}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with RichProgress(*columns, console=Console(stderr=True), transient=True) as bars:
        yield _Bar(bars)
