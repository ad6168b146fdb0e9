"""The systems that hold the data, and what they say about themselves."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from accord.model.errors import NOWHERE, Place
from accord.model.types import CanonicalType


@dataclass(frozen=True, slots=True)
class Resource:
    """A table, file or sheet of a system, where the map must say more than the system does."""

    name: str
    path: str = field(default="", metadata={"doc": "file or table, when it is not called like the resource"})
    key: tuple[str, ...] = field(default=(), metadata={"doc": "key columns, when the system declares none"})
    columns: Mapping[str, str] = field(default_factory=dict, metadata={"doc": "column: type, where the system has no types of its own"})
    options: Mapping[str, str] = field(default_factory=dict, metadata={"doc": "options of the connector for this resource"})
    place: Place = field(default=NOWHERE, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class System:
    """A thing that holds data: a database, a folder of files, a service."""

    name: str
    connector: str = field(metadata={"doc": "the kind of system; `accord doctor` lists the kinds there are"})
    at: str = field(metadata={"doc": "path or URL; ${data}, ${map} and --set variables are filled in, ${env:NAME} for secrets"})
    title: str = field(default="", metadata={"doc": "how people call it"})
    owner: str = field(default="", metadata={"doc": "the team that answers for it"})
    priority: int = field(default=1, metadata={"doc": "wave of the rollout, 1 (foundation) to 5 (strategic governance)"})
    options: Mapping[str, str] = field(default_factory=dict, metadata={"doc": "options of the connector"})
    resources: Mapping[str, Resource] = field(default_factory=dict, metadata={"doc": "what the system cannot say by itself"})
    required: tuple[str, ...] = field(default=(), metadata={"doc": "resources it must expose; assess reports those it does not"})
    marker: bool = field(
        default=True,
        metadata={"doc": "a row about the last batch may be kept in its table accord_batches, so that a crash during a commit is exact"},
    )
    place: Place = field(default=NOWHERE, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class ColumnDescription:
    """A column as the system declares it."""

    name: str
    native_type: str
    type: CanonicalType
    nullable: bool = True


@dataclass(frozen=True, slots=True)
class ResourceDescription:
    """A table, file or sheet as found.

    ``row_count`` is exact (0 where it is not ``readable``), ``last_change`` is ``None`` where it cannot be known.
    """

    name: str
    columns: tuple[ColumnDescription, ...]
    key: tuple[str, ...] = ()
    row_count: int = 0
    writable: bool = False
    last_change: datetime | None = None
    readable: bool = True

    def column(self, name: str) -> ColumnDescription | None:
        """The column of that name, or ``None``."""
        return next((c for c in self.columns if c.name == name), None)


@dataclass(frozen=True, slots=True)
class SystemDescription:
    """What a system says about itself when asked; ``latency_ms`` is the time the answer took."""

    system: str
    connector: str
    resources: tuple[ResourceDescription, ...]
    latency_ms: float
    version: str = ""

    def resource(self, name: str) -> ResourceDescription | None:
        """The resource of that name, or ``None``."""
        return next((r for r in self.resources if r.name == name), None)
