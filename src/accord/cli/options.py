"""Options that every command understands in the same way."""

from __future__ import annotations

import getpass
import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from accord.cli.output import emit_note
from accord.cli.pandas_left import leave_pandas
from accord.model.errors import UsageError
from accord.store.handover import lease_in_turn
from accord.store.store import Lease, Store
from accord.workspace import Workspace, open_workspace

WAIT_SECONDS = 30.0
MapPath = Annotated[Path, typer.Argument(help="Map: a YAML file, or a folder whose YAML files are the map.", show_default="this folder")]
# The folder one stands in: `cd my-map; accord run`.
HERE = Path()
Data = Annotated[Path | None, typer.Option("--data", help="Folder filled in for ${data} in the map.")]
SetVariable = Annotated[list[str], typer.Option("--set", help="name=value, filled in for ${name} in the map; may be repeated.")]
Root = Annotated[Path | None, typer.Option("--workspace", help="Folder for state and deliverables; default: the map's folder.")]
StoreUrl = Annotated[
    str, typer.Option("--store", help="PostgreSQL URL of the store; default: SQLite in the workspace.", envvar="ACCORD_STORE")
]
Wait = Annotated[
    float,
    typer.Option("--wait", min=0, help="Seconds to wait while another command works on the store.", envvar="ACCORD_WAIT"),
]
Restored = Annotated[
    list[str],
    typer.Option("--restored", metavar="SYSTEM", help="Bring a system restored from a backup up to what was agreed; may be repeated."),
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object instead of text.")]


MapOption = Annotated[Path, typer.Option("--map", help="Map: a YAML file, or a folder whose YAML files are the map.")]
_MapToo = Annotated[Path | None, typer.Option("--map", help="The map as well: every command about one takes it so.", show_default=False)]


@dataclass(frozen=True)
class Where:
    """Where the map of a command is, what is filled into it, and where its state is kept."""

    map_path: Path = HERE
    data: Path | None = None
    set_: list[str] = field(default_factory=list)
    root: Path | None = None
    store: str = ""
    wait: float = WAIT_SECONDS

    def opened(self, *, write: bool = True) -> AbstractContextManager[Workspace]:
        """The workspace; see ``workspace``."""
        return workspace(self.map_path, self.root, variables(self.data, self.set_), self.store, write=write, wait_seconds=self.wait)


WHERE = Where()
_LOCATION: Mapping[str, Any] = {"map_path": MapPath, "data": Data, "set_": SetVariable, "root": Root, "store": StoreUrl, "wait": Wait}


def at_map(command: Callable[..., Any]) -> Callable[..., Any]:
    """Declare the options of ``Where`` for a command once: it takes them as its parameter ``where``, at that place among its own."""
    return map_too(_located(command, _LOCATION))


def at_map_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """As ``at_map`` for a command about something else than the map, which is named with ``--map``."""
    return _located(command, {**_LOCATION, "map_path": MapOption})


def map_too(command: Callable[..., Any]) -> Callable[..., Any]:
    """Let a command whose argument ``map_path`` is the map take that with ``--map``, too.

    Raises:
        UsageError: when it is called, for two maps.
    """
    parameters = list(inspect.signature(command, eval_str=True).parameters.values())
    added = inspect.Parameter("map_too", inspect.Parameter.KEYWORD_ONLY, default=None, annotation=_MapToo)

    def run(*, map_too: Path | None = None, **given: Any) -> Any:
        if map_too is not None and given["map_path"] not in (None, HERE, map_too):
            what = f"two maps are named: {given['map_path']} and --map {map_too}."
            raise UsageError(what, expected="Give one: a YAML file, or a folder whose YAML files are the map.")
        return command(**given if map_too is None else {**given, "map_path": map_too})

    return _declared(run, command, [p.replace(kind=inspect.Parameter.KEYWORD_ONLY) for p in parameters] + [added])


def _check_order(path: Path, others: Iterable[object]) -> None:
    """Say what is wrong where a map that is not there changed places with another argument.

    Raises:
        UsageError: one of the others is a map.
    """
    for other in others:
        if isinstance(other, (str, Path)) and str(other) and _is_map(Path(other)):
            raise UsageError(f"{path}: there is no such map, but '{other}' is one.", expected=f"Give the map last, or as --map {other}.")


def _is_map(path: Path) -> bool:
    try:
        return path.suffix in (".yaml", ".yml") if path.is_file() else path.is_dir() and any(path.glob("*.y*ml"))
    except OSError:  # a key may be too long for a name
        return False


def _located(command: Callable[..., Any], location: Mapping[str, Any]) -> Callable[..., Any]:
    defaults = {item.name: getattr(WHERE, item.name) for item in fields(Where)}
    parameters: list[inspect.Parameter] = []
    for own in inspect.signature(command, eval_str=True).parameters.values():
        given = location if own.name == "where" else {own.name: own.annotation}
        default = defaults if own.name == "where" else {own.name: own.default}
        parameters += [
            inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default[name], annotation=kind) for name, kind in given.items()
        ]

    def run(**given: Any) -> Any:
        where = Where(**{name: given.pop(name) for name in location})
        if where.map_path != HERE and not where.map_path.exists():
            _check_order(where.map_path, given.values())
        return command(where=where, **given)

    return _declared(run, command, parameters)


def _declared(run: Callable[..., Any], command: Callable[..., Any], parameters: list[inspect.Parameter]) -> Callable[..., Any]:
    """What stands for a command, with its name and words, and with these parameters."""
    run.__name__, run.__doc__, run.__module__ = command.__name__, command.__doc__, command.__module__
    run.__annotations__ = {p.name: p.annotation for p in parameters}
    run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined] # what typer reads the options from
    return run


def person(by: str = "") -> str:
    """Who a command is carried out for: the one named, else the user of this machine, else ``unknown``."""
    try:
        return by or getpass.getuser()
    except (KeyError, OSError):  # a user id without a name
        return "unknown"


def variables(data: Path | None, given: list[str]) -> dict[str, str]:
    """The values for ``${name}`` that a call gives.

    Raises:
        UsageError: a ``--set`` without «=», or a ``--data`` folder that is not there.
    """
    values: dict[str, str] = {}
    for item in given:
        name, separator, value = item.partition("=")
        if not separator or not name:
            raise UsageError(f"--set '{item}' is not of the form name=value.", expected="For example --set payments_url=postgresql:///shop")
        values[name] = value
    if data is not None:
        if not data.is_dir():
            raise UsageError(f"--data {data} is no folder.", expected="Give the folder that holds the data files the map reads.")
        values["data"] = str(data.resolve())
    return values


def moment(option: str, text: str) -> datetime | None:
    """The time an option gives, UTC where it names no zone; ``None`` when it is empty.

    Raises:
        UsageError: it is no date or time.
    """
    if not text:
        return None
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise UsageError(
            f"{option} '{text}' is no date or time.", expected="Expected for example 2026-03-01 or 2026-03-01T08:00."
        ) from None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


@contextmanager
def workspace(
    map_path: Path,
    root: Path | None,
    values: Mapping[str, str],
    store_url: str,
    *,
    write: bool = True,
    wait_seconds: float = WAIT_SECONDS,
) -> Iterator[Workspace]:
    """An opened workspace; with ``write``, under the store's lease, so that two processes cannot write at once."""
    leave_pandas()
    opened = open_workspace(map_path, root=root, variables=values, store_url=store_url)
    with opened:
        if not write:
            yield opened
            return
        with leased(opened.store, "accord", wait_seconds):
            yield opened


def leased(store: Store, holder: str, wait_seconds: float = WAIT_SECONDS) -> AbstractContextManager[Lease]:
    """The store's lease; who waits for another process is told on standard error."""

    def tell(other: str) -> None:
        emit_note(f"the store is in use by {other}; waiting up to {wait_seconds:g} s for it")

    return lease_in_turn(store, holder, wait_seconds=wait_seconds, tell=tell)
