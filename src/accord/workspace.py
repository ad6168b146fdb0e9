"""Opens a map, its store and its connectors; the only place that chooses adapters."""

from __future__ import annotations

import shutil
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Final

from accord.connectors.protocol import Connector, KnownOptions, Logged, Resuming
from accord.connectors.registry import connector_kind, connector_kinds, open_connector
from accord.mapfile import load_map
from accord.mapfile.rules.facts import OptionsByKind
from accord.model.errors import UnknownName, UsageError
from accord.model.integration_map import IntegrationMap
from accord.model.task_rows import KIND as OWN_TASKS
from accord.store import Store, open_store
from accord.store.sealing import PersonalValues

if TYPE_CHECKING:
    from accord.work import Work
    from accord.work.tracker import WorkTracker

_COMPARED: Final = ("snapshot", "sweep", "cursor")  # every kind can be read as a whole


@dataclass
class Workspace:
    """A map with the state Accord keeps for it.

    Args:
        map: the map as loaded.
        map_path: file or folder it was loaded from.
        root: folder that holds ``.accord/`` (store and segments) and ``deliverables/``.
        store: event log and projections.
        variables: what is filled into the map beside its own.
    """

    map: IntegrationMap
    map_path: Path
    root: Path
    store: Store
    variables: Mapping[str, str] = field(default_factory=dict)
    _open: dict[str, Connector] = field(default_factory=dict, repr=False)

    @property
    def map_folder(self) -> Path:
        """The folder relative paths of the map start at."""
        return self.map_path if self.map_path.is_dir() else self.map_path.parent

    @property
    def deliverables(self) -> Path:
        """Where the steps leave their deliverables, one folder a step."""
        return self.root / "deliverables"

    @property
    def readings(self) -> Path:
        """Where connectors keep what they read of long lists that are not read to their end."""
        return self.root / ".accord" / "readings"

    def forget_readings(self) -> None:
        """Have every list read from its beginning, and keep no row of it."""
        shutil.rmtree(self.readings, ignore_errors=True)

    def connector(self, system: str) -> Connector:
        """The connector of a system of the map, opened once.

        Raises:
            UnknownName: the map has no such system, or its kind of connector does not exist.
        """
        if system not in self.map.systems:
            raise UnknownName("system", system, self.map.systems)
        if system not in self._open:
            declared = self.map.systems[system]
            own = declared.connector == OWN_TASKS
            connector = _own_tasks()(declared, self.work()) if own else open_connector(declared, base=self.map_folder)
            if isinstance(connector, Resuming):
                connector.keep_in(self.readings)
            self._open[system] = connector
        return self._open[system]

    def work(self) -> Work:
        """The processes of the map on its store."""
        from accord.work import open_work  # a map without processes does not wait for what they need

        return open_work(self.map, self.store, folder=self.map_folder)

    def connectors(self) -> Mapping[str, Connector]:
        """Every system's connector, made when it is asked for."""
        return _Lazy(self)

    def renewed(self) -> Workspace:
        """The same workspace, on the same store, with the map as it is now; close only the connectors of one of the two.

        Raises:
            MapError: the map is wrong.
            UnknownName: a value is given for a name that it no longer mentions.
        """
        return replace(self, map=_loaded(self.map_path, self.root, self.variables), _open={})

    def close_connectors(self) -> None:
        """Close the connectors; they open again when they are needed."""
        for connector in self._open.values():
            connector.close()
        self._open.clear()

    def close(self) -> None:
        """Close the connectors and the store."""
        self.close_connectors()
        self.store.close()

    def __enter__(self) -> Workspace:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()


class _Lazy(Mapping[str, Connector]):
    """A mapping that opens a connector on first use, so that an unreachable system stops only what needs it."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace

    def __getitem__(self, name: str) -> Connector:
        return self._workspace.connector(name)

    def __iter__(self) -> Iterator[str]:
        return iter(self._workspace.map.systems)

    def __len__(self) -> int:
        return len(self._workspace.map.systems)


def _own_tasks() -> type[WorkTracker]:
    from accord.work.tracker import WorkTracker  # as above

    return WorkTracker


class _Offered(Mapping[str, tuple[str, ...]]):
    """The ways each kind's changes can be captured; only the kinds that are asked for are loaded."""

    def __getitem__(self, name: str) -> tuple[str, ...]:
        kind = _own_tasks() if name == OWN_TASKS else connector_kind(name)
        if kind is None:
            raise KeyError(name)
        return (*_COMPARED, "cdc") if issubclass(kind, Logged) else _COMPARED

    def __iter__(self) -> Iterator[str]:
        return iter((*connector_kinds(), OWN_TASKS))

    def __len__(self) -> int:
        return len(connector_kinds()) + 1


def known_connectors() -> Mapping[str, tuple[str, ...]]:
    """Every kind of system a map may name, and how its changes can be captured: those there is a connector for, and Accord's own tasks."""
    return _Offered()


class _Options(OptionsByKind):
    """The options of each kind, none where it declares none; as above."""

    def __getitem__(self, name: str) -> tuple[Mapping[str, Collection[str]], Mapping[str, Collection[str]]]:
        kind = _own_tasks() if name == OWN_TASKS else connector_kind(name)
        if kind is None:
            raise KeyError(name)
        found = getattr(kind, "known_options", KnownOptions({}, {}))
        return found.system, found.resource

    def __iter__(self) -> Iterator[str]:
        return iter(_Offered())

    def __len__(self) -> int:
        return len(_Offered())


def known_options() -> OptionsByKind:
    """What a map may say under ``options``, by kind of system."""
    return _Options()


def _check_used(variables: Mapping[str, str], integration_map: IntegrationMap) -> None:
    """Refuse a value for a name the map never mentions: it is most likely misspelled. ``data`` may be given to any map."""
    texts = [Path(name).read_text(encoding="utf-8") for name in integration_map.files]
    for name in variables:
        if name not in ("data", *integration_map.variables) and not any(f"${{{name}}}" in text for text in texts):
            raise UnknownName("variable", name, {"data", *integration_map.variables}, holder="--set")


def open_workspace(
    map_path: Path, *, root: Path | None = None, variables: Mapping[str, str] | None = None, store_url: str = ""
) -> Workspace:
    """Load the map and open its state, which is made on first use.

    Args:
        map_path: a map file, or a folder whose ``*.yaml`` files are the map.
        root: where state and deliverables live; default: the folder of the map.
        variables: values for ``${name}`` in the map; they win over the map's own.
        store_url: PostgreSQL URL for the store; default: SQLite under ``root/.accord``.

    Raises:
        MapError: the map is wrong; the message says where and what was expected.
        UsageError: the folder of the workspace cannot be made or written.
        SystemUnreachable: the store cannot be opened.
    """
    folder = map_path if map_path.is_dir() else map_path.parent
    home = (root or folder).resolve()
    integration_map = _loaded(map_path, home, variables or {})
    state = home / ".accord"
    try:
        state.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        what = f"the workspace {home} cannot hold the folder .accord: {error.strerror}."
        raise UsageError(what, expected="Name a folder that can be written with --workspace.") from error
    store = open_store(store_url or str(state / "store.db"), segments=state / "segments", keys=state / "keys")
    store.protect(PersonalValues(integration_map))
    return Workspace(integration_map, map_path, home, store, variables or {})


def _loaded(map_path: Path, home: Path, variables: Mapping[str, str]) -> IntegrationMap:
    found = load_map(map_path, {"workspace": str(home), **variables}, known_connectors=known_connectors(), known_options=known_options())
    _check_used(variables, found)
    return found
