"""The connector of ``connector: accord``: a flow reads the engine's tasks and handoffs from it, and writes become commands of the engine.

Rows are judged and written one by one, each in one transaction of the store: the row is read, compared with what the flow expects, and
changed in the same breath as everything that follows from it. A flow that dies between two rows finds the first one as wanted the next
time, so a repeat changes nothing; an echo of what the engine itself did is such a repeat.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import threading
import time
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import duckdb
import pyarrow as pa

from accord.connectors.decide import as_text as key_text
from accord.connectors.protocol import OLD, OP, ApplyResult, Capabilities, ChangeBatch, Feed
from accord.connectors.types import duckdb_type, quote
from accord.model.errors import AccordError, LogTampered, StorageFull, TransientError, UnknownName, UsageError
from accord.model.system import ColumnDescription, ResourceDescription, System, SystemDescription
from accord.model.task_rows import ANSWER, KIND, RESOURCES, answer_columns
from accord.model.types import CanonicalType
from accord.work.engine import Work
from accord.work.moves import Moves
from accord.work.tracker.commands import Write, change_handoff, change_task
from accord.work.tracker.feed import TaskFeed, last_moved
from accord.work.tracker.refusals import record_refusal
from accord.work.tracker.rows import ANSWERED, answers_of, columns_of, handoff_rows, take_answers, task_rows, titles_of
from accord.work.tracker.values import as_json, same

_names = itertools.count(1)
_MADE_BY_PROCESSES = "a task comes from its process: start one with `accord work start`, a message, or a change of an entity"


class WorkTracker:
    """The tasks and handoffs of a store as an opened system.

    Args:
        system: as the map declares it; its name signs what no person is named for.
        work: carries out what is written.
    """

    kind: ClassVar[str] = KIND
    capabilities: ClassVar[Capabilities] = Capabilities(create=False, typed=True, keys_declared=True)

    def __init__(self, system: System, work: Work) -> None:
        self.system, self.work = system, work
        self._titles = titles_of(work.map)
        self._answer_types = answer_columns(work.map.processes)
        self._answers: dict[str, dict[str, Any]] = {}
        self._answers_to = 0
        self._lock = threading.Lock()
        self._moved = (0, 0)  # looked at up to here, and the last event about a task found there

    def describe(self) -> SystemDescription:
        """Both resources; rows are counted."""
        start = time.perf_counter()
        found = []
        for name, (key, _, writable) in RESOURCES.items():
            columns = tuple(ColumnDescription(c, t, CanonicalType.parse(t), c != key) for c, t in self._columns(name).items())
            found.append(ResourceDescription(name, columns, (key,), len(self._rows(name)), writable=bool(writable)))
        return SystemDescription(self.system.name, KIND, tuple(found), (time.perf_counter() - start) * 1000)

    def scan(self, con: duckdb.DuckDBPyConnection, resource: str) -> str:
        """All tasks for people, or all handoffs, as one moment shows them."""
        return self._relation(con, resource, self._rows(resource))

    def scan_keys(self, con: duckdb.DuckDBPyConnection, resource: str, keys: str) -> str:
        """Each by its key."""
        key = self._known(resource)[0]
        columns = [str(row[0]) for row in con.execute(f"DESCRIBE {keys}").fetchall()]
        if columns != [key]:
            raise UnknownName("column", ", ".join(columns), [key], holder=f"the keys for '{self.system.name}.{resource}'")
        wanted = [str(row[0]) for row in con.execute(f"SELECT DISTINCT {key_text(quote(key), 'VARCHAR')} FROM {keys}").fetchall()]
        return self._relation(con, resource, [row for name in wanted for row in self._rows(resource, name)])

    def create(self, resource: str, columns: Mapping[str, CanonicalType], key: Sequence[str]) -> None:
        """Tasks and handoffs are always there.

        Raises:
            UnknownName: another resource.
        """
        self._known(resource)

    def change_token(self, resource: str) -> str | None:
        """Where the log last said something about a task, and how people call the steps."""
        self._known(resource)
        with self._lock:
            self._moved = last_moved(self.work.store, *self._moved)
            texts = json.dumps([sorted((*key, title) for key, title in self._titles.items()), self._answer_types], sort_keys=True)
            return f"{self._moved[1]}:{hashlib.sha256(texts.encode()).hexdigest()[:16]}"

    def declared_types(self, resource: str) -> Mapping[str, str]:
        """The canonical types."""
        return self._columns(resource)

    def open_feed(self, resource: str, key: Sequence[str], *, name: str, after: str | None) -> Feed:
        """The log is the feed: nothing has to be set up, and no position is ever lost."""
        return TaskFeed(self.work.store, self._known(resource)[0], after)

    def drop_feed(self, resource: str, *, name: str) -> None:
        """Nothing was set up."""

    def feed_lag(self, resource: str, *, name: str, after: str | None) -> int | None:
        """Events of the log behind ``after``."""
        return self.work.store.head().seq - int(after) if after else None

    def apply(self, batch: ChangeBatch) -> ApplyResult:
        """Each row by itself: as wanted, changed by a command, stale, or refused with the engine's own words, which stay in the log."""
        key, columns, _ = self._known(batch.resource)
        if batch.key != (key,):
            raise UnknownName("key", ", ".join(batch.key), [key], holder=f"the batch for '{self.system.name}.{batch.resource}'")
        for column in batch.columns:
            if column not in self._columns(batch.resource):
                raise UnknownName("column", column, columns, holder=f"the batch for '{self.system.name}.{batch.resource}'")
        outcomes: list[str] = []
        reasons: dict[int, str] = {}
        for number, row in enumerate(batch.rows.to_pylist()):
            outcome, reason = self._write(batch, key, row)
            outcomes.append(outcome)
            if reason:
                reasons[number] = reason
        keys = batch.rows.select([key])
        stale = [number for number, outcome in enumerate(outcomes) if outcome == "stale"]
        refused = keys.take(list(reasons)).append_column("reason", pa.array(list(reasons.values()), pa.string())) if reasons else None
        return ApplyResult(
            updated=outcomes.count("update"),
            unchanged=outcomes.count("unchanged"),
            stale=keys.take(stale) if stale else None,
            refused=refused,
        )

    def close(self) -> None:
        """The store is the workspace's and stays open."""

    def _write(self, batch: ChangeBatch, key: str, row: Mapping[str, Any]) -> tuple[str, str]:
        """What became of a row, and why it was refused."""
        types = self._columns(batch.resource)
        operation, name = str(row[OP]), str(row[key])
        wanted = {c: as_json(row[c], types[c]) for c in batch.columns}
        expected = {c: as_json(row[OLD + c], types[c]) for c in batch.columns if OLD + c in row}
        told: dict[str, Any] = {}
        task = name

        def decide(moves: Moves) -> str:
            nonlocal task
            before = self._before(moves, batch.resource, name)
            if before is None:
                if operation == "insert":
                    raise UsageError(f"there is no '{name}': {_MADE_BY_PROCESSES}.")
                return "unchanged" if operation == "delete" else "stale"
            task = str(before["task"])
            as_wanted = {c for c in batch.columns if same(before.get(c), wanted[c], types[c])}
            as_expected = {c for c in expected if same(before.get(c), expected[c], types[c])}
            if operation == "delete":
                raise UsageError(f"'{name}' is part of a process and not deleted; its end stays on record.")
            if as_wanted == set(batch.columns):
                return "unchanged"
            if operation == "insert" or as_wanted | as_expected != set(batch.columns):
                return "stale"
            changed = frozenset(set(batch.columns) - as_wanted)
            write = Write(self.system.name, task, before, wanted, changed)
            told.update(write.shown())
            if batch.resource == "handoffs":
                change_handoff(moves, write)
            else:
                change_task(moves, write, self.work.map)
            return "update"

        try:
            return self.work.command(decide, by=self.system.name), ""
        except (TransientError, StorageFull, LogTampered):
            raise  # says nothing about the row
        except AccordError as error:
            record_refusal(self.work, self.system.name, task, told or {"wanted": {"row": operation}}, str(error))
            return "refused", str(error)

    def _before(self, moves: Moves, resource: str, name: str) -> dict[str, Any] | None:
        if resource == "handoffs":
            return next(iter(handoff_rows(moves.rows, handoff=name)), None)
        for row in task_rows(moves.rows, self.system.name, self._titles, task=name):
            return row | answers_of(self.work.store, moves.rows, str(row["instance"]), name)
        return None

    def _known(self, resource: str) -> tuple[str, Mapping[str, str], frozenset[str]]:
        if resource not in RESOURCES:
            raise UnknownName("resource", resource, RESOURCES, place=self.system.place, holder=f"system '{self.system.name}'")
        return RESOURCES[resource]

    def _columns(self, resource: str) -> Mapping[str, str]:
        columns = self._known(resource)[1]
        return {**columns, **self._answer_types} if resource == "tasks" else columns

    def _rows(self, resource: str, name: str = "") -> list[dict[str, Any]]:
        self._known(resource)
        if resource == "handoffs":
            return handoff_rows(self.work.store, handoff=name)
        found = task_rows(self.work.store, self.system.name, self._titles, task=name)
        return [row | self._answers_now().get(str(row["task"]), {}) for row in found] if self._answer_types else found

    def _answers_now(self) -> dict[str, dict[str, Any]]:
        """Answers by task; only what the log has gained since the last look is read."""
        with self._lock:
            head = self.work.store.head().seq
            if head > self._answers_to:
                events = (stored.event for stored in self.work.store.read(after=self._answers_to, types=ANSWERED))
                take_answers(events, self._answers)
                self._answers_to = head
            return self._answers

    def _relation(self, con: duckdb.DuckDBPyConnection, resource: str, rows: Sequence[Mapping[str, Any]]) -> str:
        columns = self._columns(resource)
        number = next(_names)
        given, made = f"accord_{number}_given", f"accord_{resource}_{number}"
        con.register(given, pa.table({name: pa.array(values, pa.string()) for name, values in columns_of(rows, columns).items()}))
        # An answer of an older form may be of another type; its task is long over, and a value is not worth stopping the flow for.
        kinds = {name: duckdb_type(CanonicalType.parse(type_)) for name, type_ in columns.items()}
        casts = ", ".join(
            f"{'TRY_CAST' if name.startswith(ANSWER) else 'CAST'}({quote(name)} AS {kind}) AS {quote(name)}" for name, kind in kinds.items()
        )
        con.execute(f"CREATE TEMP TABLE {made} AS SELECT {casts} FROM {given}")
        con.unregister(given)
        return made
