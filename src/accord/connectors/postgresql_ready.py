"""Statements that are kept ready on the server, asked and answered in two steps, over the ``pq`` layer of a connection.

For one row and one statement a cursor costs more than the statement does, and it waits where something else could be done.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

import psycopg
from psycopg import errors, generators, pq

_SLOT: Final = re.compile(rb"%\(([a-z][0-9]+)\)s|%%")


class Ready:
    """One connection, in autocommit and with UTF-8; between a question and its answer nothing else may be asked over it.

    Statements have their values as psycopg writes them, ``%(k0)s``; all values and results are texts.
    """

    def __init__(self, db: psycopg.Connection[Any]) -> None:
        self._db, self._known = db, dict[bytes, tuple[bytes, list[str]]]()

    def send(self, sql: bytes, values: Mapping[str, str | None]) -> None:
        """Ask.

        Raises:
            psycopg.Error: the connection is broken, or the server does not know such a statement.
        """
        name, names = self._known.get(sql) or self._prepared(sql)
        given = [None if (value := values[n]) is None else value.encode() for n in names]
        self._db.pgconn.send_query_prepared(name, given)
        self._db.pgconn.flush()  # what the socket does not take at once follows when the answer is waited for

    def answer(self) -> list[tuple[str | None, ...]]:
        """The rows of what was asked.

        Raises:
            psycopg.Error: the server refused, or the connection broke.
        """
        found = self._result()
        columns = range(found.nfields)
        rows = ((found.get_value(row, column) for column in columns) for row in range(found.ntuples))
        return [tuple(None if value is None else value.decode() for value in row) for row in rows]

    def _prepared(self, sql: bytes) -> tuple[bytes, list[str]]:
        names: list[str] = []

        def numbered(slot: re.Match[bytes]) -> bytes:
            if slot[1] is None:
                return b"%"
            if (name := slot[1].decode()) not in names:
                names.append(name)
            return b"$%d" % (names.index(name) + 1)

        name = b"accord_%d" % len(self._known)
        self._db.pgconn.send_prepare(name, _SLOT.sub(numbered, sql))
        self._result()
        self._known[sql] = name, names
        return name, names

    def _result(self) -> pq.abc.PGresult:
        found: pq.abc.PGresult = self._db.wait(generators.execute(self._db.pgconn))[-1]
        if found.status == pq.ExecStatus.FATAL_ERROR:
            raise errors.error_from_result(found, encoding="utf-8")
        return found
