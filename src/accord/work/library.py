"""Definitions of processes: what the map gives now, and what the log keeps for running instances."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from accord.model.errors import DataRefused, MapError, UnknownName
from accord.model.integration_map import IntegrationMap
from accord.model.process import Start
from accord.store.database import Rows
from accord.work.definition import Definition, define, definition_from


class Library:
    """Definitions by process and by hash, each built once.

    Args:
        map: gives the current ones.
        folder: where form schemas are found.
    """

    def __init__(self, map: IntegrationMap, folder: Path) -> None:  # noqa: A002 - the word of the glossary
        self._map, self._folder = map, folder
        self._current: dict[str, Definition] = {}
        self._stored: dict[str, Definition] = {}
        self._settled: set[str] = set()

    def current(self, process: str) -> Definition:
        """The definition new instances start by.

        Raises:
            UnknownName: the map has no such process.
            MapError: it has no steps, or a form schema it names cannot be read.
        """
        if process not in self._current:
            if process not in self._map.processes:
                raise UnknownName("process", process, self._map.processes)
            found = self._map.processes[process]
            if not found.steps:
                raise MapError(f"process '{process}' has no steps to carry out.", place=found.place, expected="Expected steps:.")
            schemas = {step.name: self._schema(step.form_schema) for step in found.steps.values() if step.form_schema}
            self._current[process] = define(self._map, process, schemas)
        return self._current[process]

    def get(self, rows: Rows, digest: str) -> Definition:
        """The definition of a hash.

        Raises:
            DataRefused: the log does not hold it.
        """
        if digest not in self._stored:
            made = next((d for d in self._current.values() if d.hash == digest), None)
            if made is None:
                found = rows.rows("SELECT body FROM work_definition WHERE definition = ?", digest)
                if not found:
                    raise DataRefused(f"definition {digest[:12]} of a running instance is missing", "the store", "a log that verifies")
                body = json.loads(found[0][0])
                made = definition_from(body) if "order" in body else self._as_written(body, digest) or definition_from(body)
            self._stored[digest] = made
        return self._stored[digest]

    def _as_written(self, body: Mapping[str, Any], digest: str) -> Definition | None:
        """The map's definition for one that was stored without the order of its names, where it is otherwise the same."""
        with suppress(UnknownName, MapError):
            current = self.current(str(body["process"]["name"]))
            if current.hash_without_order == digest:
                return current
        return None

    def known(self, rows: Rows, digest: str) -> bool:
        """Whether the log holds a definition."""
        return digest in self._settled or bool(rows.rows("SELECT 1 FROM work_definition WHERE definition = ?", digest))

    def settled(self, definition: Definition) -> None:
        """An instance of it was begun and is durable: from now on the log holds it, whatever else happens."""
        self._settled.add(definition.hash)

    def employs(self, person: str) -> bool:
        """Whether the map knows a person; one that names none takes everybody."""
        return not self._map.people or person in self._map.people

    def expect(self, person: str) -> None:
        """Return when somebody of that name may have work.

        Raises:
            UnknownName: the map names people, and not this one; a slip of the pen must not take work away from who is meant.
        """
        if not self.employs(person):
            raise UnknownName("person", person, self._map.people)

    def starts(self, message: str) -> list[tuple[str, list[Start]]]:
        """Processes that a message starts, with the starts that name it."""
        found = [(name, [s for s in process.starts.values() if s.message == message]) for name, process in self._map.processes.items()]
        return [(name, starts) for name, starts in found if starts]

    def _schema(self, path: str) -> Any:
        file = self._folder / path
        try:
            return json.loads(file.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise MapError(f"form schema '{path}' cannot be read: {error}.", expected=f"Expected a JSON Schema at {file}.") from error
