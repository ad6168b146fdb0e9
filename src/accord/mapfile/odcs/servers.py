"""The bindings of an entity as servers, and the freshness of its flows as service levels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final
from urllib.parse import urlsplit

from accord.model.flow import Binding, Flow
from accord.model.integration_map import IntegrationMap
from accord.model.system import System

_POSTGRES_PORT: Final = 5432
# Folders of files: what ODCS calls local servers, with their format.
_FORMATS: Final = {"csv": "csv", "jsonl": "json", "parquet": "parquet", "xlsx": "xlsx"}
_UNITS: Final = (("d", 86_400), ("h", 3600), ("min", 60), ("s", 1))


def servers(map_: IntegrationMap, flows: Sequence[Flow]) -> list[dict[str, Any]]:
    """One server for each binding; the names are unique, as ODCS wants them."""
    shown: list[dict[str, Any]] = []
    taken: set[str] = set()
    for flow in flows:
        for binding in flow.bindings.values():
            system = map_.systems.get(binding.holder)
            if system is None:
                continue
            name = binding.name if binding.name not in taken else f"{flow.name}.{binding.name}"
            taken.add(name)
            shown.append(_server(name, system, flow, binding))
    return shown


def service_levels(entity: str, flows: Sequence[Flow]) -> list[dict[str, Any]]:
    """The longest freshness of the flows as latency."""
    if not flows:
        return []
    seconds = max(flow.freshness.seconds for flow in flows)
    unit, size = next((u, s) for u, s in _UNITS if seconds % s == 0 and (seconds or s == 1))
    return [{"property": "latency", "value": seconds // size, "unit": unit, "element": entity}]


def _server(name: str, system: System, flow: Flow, binding: Binding) -> dict[str, Any]:
    shown = {"server": name, **_where(system)}
    if system.title:
        shown["description"] = system.title
    custom = {
        "accordSystem": system.name,
        "accordConnector": system.connector,
        "accordFlow": flow.name,
        "accordResource": binding.resource,
        "accordDirection": binding.direction,
    }
    return {**shown, "customProperties": [{"property": key, "value": value} for key, value in custom.items()]}


def _where(system: System) -> dict[str, Any]:
    """Type and place of a server; of a URL only host, port and path, since the rest may hold a secret."""
    if "://" in system.at:
        return _at_url(system)
    if system.connector in _FORMATS:
        return {"type": "local", "path": system.at, "format": _FORMATS[system.connector]}
    # A connection string of words (`host=… password=…`) is as secret as a URL with a password.
    return {"type": "custom", "path": system.at} if "=" not in system.at else {"type": "custom"}


def _at_url(system: System) -> dict[str, Any]:
    try:
        url = urlsplit(system.at)
        host, port, database = url.hostname or "", url.port, url.path.lstrip("/")
    except ValueError:
        return {"type": "custom"}
    if "${" in f"{host}{database}":
        host = database = ""  # where it lies is known only when the system is opened
    if system.connector == "postgresql" and host and database:
        return {"type": "postgres", "host": host, "port": port or _POSTGRES_PORT, "database": database, "schema": "public"}
    parts = {"host": host, "port": port, "path": database}
    return {"type": "custom", **{key: value for key, value in parts.items() if value}}
