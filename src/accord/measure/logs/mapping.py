"""A log mapping on its own: the few lines of YAML for ``accord import-log FILE --mapping M.yaml``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

from accord.mapfile import load_map
from accord.mapfile.problems import MapProblems, Problem
from accord.mapfile.source import Listing, Node, Scalar, Table, read_file
from accord.model.errors import NOWHERE, Place, UsageError, alternatives
from accord.model.integration_map import IntegrationMap
from accord.model.process import Log

_TABLES = ("objects",)
_LISTS = ("attributes",)
_OWN = ("name", "place", "path")


def read_mapping(mapping: Path | None, log_file: Path, *, name: str = "") -> Log:
    """The log a file is, read by the mapping.

    Args:
        mapping: YAML with the keys of a log in the map (``case:``, ``activity:``, ``time:`` …) at its top; ``None`` for formats that
            say it all themselves (XES, OCEL).
        log_file: the log; its name without endings is the log's name.
        name: another name.

    Raises:
        MapProblems: the mapping is not as it must be; every mistake with file and line.
        UsageError: ``log_file`` is a folder.
    """
    if log_file.is_dir():
        raise UsageError(f"{log_file} is a folder.", expected="Expected the file of an event log.")
    called = name or log_file.name.split(".")[0]
    values: dict[str, Any] = {}
    place = NOWHERE
    if mapping is not None:
        problems: list[Problem] = []
        root = read_file(mapping, str(mapping), problems)
        if root is not None:
            place = Place(str(mapping), 1)
            values = _values(root, problems)
        if problems:
            raise MapProblems(problems)
    return Log(called, str(log_file.absolute()), place=place, **values)


def declared_log(mapping: Path | None, log_file: Path) -> tuple[IntegrationMap, Log]:
    """The map to measure a single log file with, and the log in it.

    A mapping with a section ``logs:`` is a whole map with exactly one log, which may declare a process and its handoffs too; any other
    holds the keys of the log itself, see ``read_mapping``.

    Raises:
        MapProblems: the mapping is not as it must be.
        UsageError: the map declares no log, or more than one.
    """
    root = None if mapping is None else read_file(mapping, str(mapping), [])
    if mapping is None or root is None or "logs" not in root.items:
        log = read_mapping(mapping, log_file)
        return IntegrationMap(log.name, logs={log.name: log}), log
    declared = load_map(mapping, {"data": str(log_file.parent.absolute())})
    if len(declared.logs) != 1:
        raise UsageError(
            f"{mapping} declares {len(declared.logs)} logs.",
            expected="Expected exactly one entry under logs:, or the keys of the log alone.",
        )
    log = replace(next(iter(declared.logs.values())), path=str(log_file.absolute()))
    return replace(declared, logs={log.name: log}), log


def _values(root: Table, problems: list[Problem]) -> dict[str, Any]:
    known = [f.name for f in fields(Log) if f.name not in _OWN]
    values: dict[str, Any] = {}
    for key, node in root.items.items():
        place = root.name_places.get(key, node.place)
        if key not in known:
            problems.append(Problem(place, f"'{key}' is not a key of a log mapping.", alternatives(key, known)))
            continue
        read = _tables(node) if key in _TABLES else _texts(node) if key in _LISTS else _text(node)
        if read is None:
            wanted = "names with columns" if key in _TABLES else "a list of columns" if key in _LISTS else "a single value"
            problems.append(Problem(place, f"'{key}' is not readable.", f"Expected {wanted}."))
        else:
            values[key] = read
    formats = ("csv", "parquet", "xes", "ocel-sqlite", "ocel-json")
    if values.get("format", "") not in ("", *formats):
        problems.append(Problem(root.name_places["format"], f"'{values['format']}' is no format.", alternatives(values["format"], formats)))
    return values


def _text(node: Node) -> str | None:
    return node.text if isinstance(node, Scalar) else None


def _texts(node: Node) -> tuple[str, ...] | None:
    if not isinstance(node, Listing) or not all(isinstance(item, Scalar) for item in node.items):
        return None
    return tuple(item.text for item in node.items if isinstance(item, Scalar))


def _tables(node: Node) -> Mapping[str, str] | None:
    if not isinstance(node, Table) or not all(isinstance(item, Scalar) for item in node.items.values()):
        return None
    return {key: item.text for key, item in node.items.items() if isinstance(item, Scalar)}
