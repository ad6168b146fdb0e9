"""Statements that are kept ready on the server, asked and answered in two steps, over the ``pq`` layer of a connection.

For one row and one statement a cursor costs more than the statement does, and it waits where something else could be done.
"""

from __future__ import annotations

import re
from collections.abc import Generator, Mapping, Sequence
from typing import Any, Final, TypeAlias

import psycopg
from psycopg import errors, generators, pq, waiting

_SLOT: Final = re.compile(rb"%\(([a-z][0-9]+)\)s|%%")
MOST_READY: Final = 300  # statements; each set of columns that people edit together is one, and the server keeps a plan for each
_FAILED: Final = (pq.ExecStatus.FATAL_ERROR, pq.ExecStatus.PIPELINE_ABORTED)
Question: TypeAlias = tuple[bytes, Mapping[str, str | None]]
"""A statement with its values as psycopg writes them, ``%(k0)s``; all values and results are texts."""
Rows: TypeAlias = list[tuple[str | None, ...]]


class Ready:
    """One connection, in autocommit and with UTF-8; between questions and their answers nothing else may be asked over it.

    After a ``psycopg.Error`` of any method it has to be closed.
    """

    def __init__(self, db: psycopg.Connection[Any]) -> None:
        self._db, self._known = db, dict[bytes, tuple[bytes, list[str]]]()
        self._made, self._asked, self._whole = 0, 0, False

    def send(self, questions: Sequence[Question], *, whole: bool = False) -> None:
        """Ask; several go together, ``whole`` in one transaction.

        Raises:
            psycopg.Error: the connection is broken, or the server does not know such a statement.
        """
        while len(self._known) > MOST_READY:
            self._let_go(next(iter(self._known)))
        given = [self._given(sql, values) for sql, values in questions]
        pg = self._db.pgconn
        self._asked, self._whole = len(given), whole and len(given) > 1
        if len(given) == 1:
            pg.send_query_prepared(*given[0])
        else:
            pg.enter_pipeline_mode()
            if self._whole:
                pg.send_query_params(b"BEGIN", None)
            for name, values in given:
                pg.send_query_prepared(name, values)
            if self._whole:
                pg.send_query_params(b"COMMIT", None)
            pg.pipeline_sync()
        pg.flush()  # what the socket does not take at once follows when the answers are waited for

    def answers(self) -> list[Rows]:
        """The rows of each question, once all are answered and a transaction is durable.

        Raises:
            psycopg.Error: the server refused, or the connection broke.
        """
        if self._asked == 1:
            return [_rows(self._result())]
        self._db.wait(_flushed(self._db.pgconn))
        found = [self._next() for _ in range(self._asked + 2 * self._whole)]
        refused = next((result for result in found if result.status == pq.ExecStatus.FATAL_ERROR), None)
        if refused is not None or any(result.status in _FAILED for result in found):
            raise errors.error_from_result(refused or found[-1], encoding="utf-8")
        self._next()  # the end of the pipeline
        self._db.pgconn.exit_pipeline_mode()
        return [_rows(result) for result in (found[1:-1] if self._whole else found)]

    def _given(self, sql: bytes, values: Mapping[str, str | None]) -> tuple[bytes, list[bytes | None]]:
        name, names = self._known.pop(sql) if sql in self._known else self._prepared(sql)
        self._known[sql] = name, names  # behind all that were asked longer ago
        return name, [None if (value := values[n]) is None else value.encode() for n in names]

    def _prepared(self, sql: bytes) -> tuple[bytes, list[str]]:
        names: list[str] = []

        def numbered(slot: re.Match[bytes]) -> bytes:
            if slot[1] is None:
                return b"%"
            if (name := slot[1].decode()) not in names:
                names.append(name)
            return b"$%d" % (names.index(name) + 1)

        self._made += 1
        name = b"accord_%d" % self._made
        self._db.pgconn.send_prepare(name, _SLOT.sub(numbered, sql))
        self._result()
        return name, names

    def _let_go(self, sql: bytes) -> None:
        self._db.pgconn.send_query_params(b"DEALLOCATE " + self._known.pop(sql)[0], None)
        self._result()

    def _result(self) -> pq.abc.PGresult:
        found: pq.abc.PGresult = self._db.wait(generators.execute(self._db.pgconn))[-1]
        if found.status == pq.ExecStatus.FATAL_ERROR:
            raise errors.error_from_result(found, encoding="utf-8")
        return found

    def _next(self) -> pq.abc.PGresult:
        found: list[pq.abc.PGresult] = self._db.wait(generators.fetch_many(self._db.pgconn))
        return found[-1]


def _rows(found: pq.abc.PGresult) -> Rows:
    columns = range(found.nfields)
    rows = ((found.get_value(row, column) for column in columns) for row in range(found.ntuples))
    return [tuple(None if value is None else value.decode() for value in row) for row in rows]


def _flushed(pg: pq.abc.PGconn) -> Generator[waiting.Wait, waiting.Ready | int, None]:
    """Until all is sent; answers that come meanwhile are taken, or the server would wait for us."""
    while pg.flush():
        if (yield waiting.Wait.RW) & waiting.Ready.R:
            pg.consume_input()
