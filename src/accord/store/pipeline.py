"""Statements of one PostgreSQL transaction, sent without waiting for the answers nobody needs.

A statement that only writes is put in line; a query sends the line and waits once for all of it. So a transaction costs as many round
trips as it asks questions, not as it has statements. A statement that fails makes the server pass over all that follow, the COMMIT
among them, and its error is raised by whoever waits next.
"""

from __future__ import annotations

import contextlib
from collections import deque
from collections.abc import Callable, Generator, Sequence
from functools import lru_cache, partial
from typing import Any

import psycopg
from psycopg import errors
from psycopg.adapt import Transformer
from psycopg.generators import fetch_many, pipeline_communicate
from psycopg.pq import ExecStatus
from psycopg.waiting import Ready, Wait

from accord.store.database import NUL_SHOWN, Row, Value

_MOST_PREPARED = 400  # texts kept ready on the server; lists of changing length would make ever new ones
_MOST_IN_LINE = 500  # statements before they are sent without being asked: what waits costs memory, and the server could work already
_INT8, _FLOAT8, _UNKNOWN = 20, 701, 0
_GOOD = (ExecStatus.COMMAND_OK, ExecStatus.TUPLES_OK, ExecStatus.PIPELINE_SYNC)
Text = tuple[bytes, tuple[int, ...]]  # of a statement, with the types of its values
Expected = Callable[[Any], None] | None  # what takes a result; most are only looked at for an error


class Pipeline:
    """The line of one connection; between ``open`` and ``close`` nothing else may use the connection."""

    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        self._connection, self._pgconn = connection, connection.pgconn
        self._expected: list[Expected] = []  # one for each statement whose answer was not read yet
        self._torn = False
        self._prepared: dict[Text, bytes] = {}
        self._seen: set[Text] = set()
        self._made = 0
        self._transformer = Transformer(connection)

    def open(self) -> None:
        """Begin to put statements in line."""
        self._pgconn.enter_pipeline_mode()

    def close(self) -> None:
        """Back to the ordinary way of the connection."""
        self._pgconn.exit_pipeline_mode()

    def back_out(self) -> None:
        """Undo the transaction, and ``close``.

        Raises:
            psycopg.Error: that cannot be done; the connection is of no use any more.
        """
        if self._torn:
            raise psycopg.OperationalError("answers are on their way that nobody will take")
        with contextlib.suppress(psycopg.Error):  # what is in line may have failed, which is why it is undone
            self.wait()
        self.put("ROLLBACK")
        self.wait()
        self.close()

    def put(self, sql: str, values: Sequence[Value] = (), expected: Expected = None) -> None:
        """Put a statement in line."""
        text, (given, types) = numbered(sql), _bound(values)
        key = (text, types)
        name = self._prepared.get(key)
        if name is None and key in self._seen and len(self._prepared) < _MOST_PREPARED:
            self._made += 1
            name = self._prepared[key] = f"accord_{self._made}".encode()
            self._expected.append(partial(self._kept, key))
            self._pgconn.send_prepare(name, text, types)
        self._expected.append(expected)
        # Both only fill a buffer, which is sent when it is full or somebody waits.
        if name is None:
            if len(self._seen) < _MOST_PREPARED:
                self._seen.add(key)
            self._pgconn.send_query_params(text, given, types)
        else:
            self._pgconn.send_query_prepared(name, given)
        if len(self._expected) >= _MOST_IN_LINE:
            self.wait()

    def ask(self, queries: Sequence[tuple[str, Sequence[Value]]]) -> list[list[Row]]:
        """The rows of each query, in one round trip with all that is in line."""
        found: list[list[Row]] = [[] for _ in queries]
        for (sql, values), into in zip(queries, found, strict=True):
            self.put(sql, values, partial(self._load, into))
        self.wait()
        return found

    def wait(self) -> None:
        """Send what is in line and wait until all of it is done.

        Raises:
            psycopg.Error: the first statement that failed; those behind it were passed over.
        """
        if not self._expected:
            return
        expected, self._expected, self._torn = [*self._expected, None], [], True
        results = self._connection.wait(self._talk(len(expected)))
        self._torn = False
        failed: Exception | None = None
        for take, (*_, last) in zip(expected, results, strict=True):
            if last.status not in _GOOD and failed is None:
                failed = errors.error_from_result(last, encoding="utf-8")
            if take is not None:
                take(last)
        if failed is not None:
            raise failed

    def _talk(self, total: int) -> Generator[Any, Any, list[list[Any]]]:
        results: list[list[Any]] = yield from pipeline_communicate(self._pgconn, deque([self._pgconn.pipeline_sync]))
        # psycopg goes on when it has tried to send all. Of much some is still here: the server would wait for it, and we for its answer.
        while self._pgconn.flush():
            if (yield Wait.RW) & Ready.R:
                self._pgconn.consume_input()
        while len(results) < total:
            results.append((yield from fetch_many(self._pgconn)))
        return results

    def _kept(self, key: Text, result: Any) -> None:
        if result.status != ExecStatus.COMMAND_OK:  # it failed, or stood behind what failed
            del self._prepared[key]

    def _load(self, into: list[Row], result: Any) -> None:
        if result.status == ExecStatus.TUPLES_OK:
            self._transformer.set_pgresult(result)
            into.extend(self._transformer.load_rows(0, result.ntuples, tuple))


@lru_cache(maxsize=1024)
def numbered(sql: str) -> bytes:
    """The text with ``$1, $2, …`` in place of its ``?``."""
    first, *rest = sql.split("?")
    return (first + "".join(f"${number}{part}" for number, part in enumerate(rest, 1))).encode()


def _bound(values: Sequence[Value]) -> tuple[list[bytes | None], tuple[int, ...]]:
    given: list[bytes | None] = []
    types = []
    for value in values:
        if value is None:
            given.append(None)
            types.append(_UNKNOWN)
        elif isinstance(value, str):
            given.append((value.replace("\0", NUL_SHOWN) if "\0" in value else value).encode())
            types.append(_UNKNOWN)  # what it is says the place where it stands
        else:
            given.append(repr(value).encode())
            types.append(_FLOAT8 if isinstance(value, float) else _INT8)
    return given, tuple(types)
