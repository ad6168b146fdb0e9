"""A MySQL server that is killed while a batch is written: the batch is there as a whole or not at all, and a repeat ends it."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from accord.connectors.protocol import ApplyResult, ChangeBatch
from accord.connectors.registry import open_connector
from accord.model.errors import SystemUnreachable
from accord.model.system import System

ROWS = 3000


def killed_while_writing(server: Any, kills: int) -> int:
    """How many of the kills came before the batch was done; what must hold is asserted after each."""
    server.execute("CREATE DATABASE d", "CREATE TABLE d.t (id int PRIMARY KEY, v varchar(20))")
    server.execute(f"INSERT INTO d.t SELECT seq, 'v0' FROM d.seq_1_to_{ROWS}")
    connector: Any = open_connector(System("erp", "mysql", server.url("d")), base=Path())
    rng, cut, usual = random.Random(11), 0, 0.0
    for number in range(kills + 1):
        old, new = f"v{number}", f"v{number + 1}"
        rows = {"_op": ["update"] * ROWS, "id": list(range(1, ROWS + 1)), "v": [new] * ROWS, "_old_v": [old] * ROWS}
        batch = ChangeBatch("t", ("id",), ("v",), pa.table(rows), new)
        if number == 0:
            begun = time.monotonic()
            connector.apply(batch)
            usual = time.monotonic() - begun
            continue
        said: list[ApplyResult] = []

        def write(batch: ChangeBatch = batch, said: list[ApplyResult] = said) -> None:
            try:
                said.append(connector.apply(batch))
            except SystemUnreachable:
                return

        thread = threading.Thread(target=write)
        thread.start()
        time.sleep(usual * rng.uniform(0.3, 1.0))
        server.kill()
        thread.join()
        server.start()
        held = {row[0] for row in server.execute("SELECT DISTINCT v FROM d.t")}
        again = connector.apply(batch)

        assert held in ({old}, {new})
        if said:
            assert held == {new}
        assert (again.updated, again.unchanged) == ((ROWS, 0) if held == {old} else (0, ROWS))
        assert server.execute("SELECT v, count(*) FROM d.t GROUP BY v") == [(new, ROWS)]
        cut += held == {old}
    connector.close()
    return cut


@pytest.mark.prove
def test_a_server_killed_while_it_writes_leaves_a_whole_batch_or_none(mysql_servers: Callable[..., Any]) -> None:
    """Whatever it was doing; and the connector goes on with the next call."""
    server = mysql_servers()

    assert killed_while_writing(server, 2) >= 0

    server.kill()


@pytest.mark.prove
def test_forty_kills_of_the_server(mysql_servers: Callable[..., Any]) -> None:
    """The long form; some of the kills must have come in the middle."""
    server = mysql_servers()

    assert killed_while_writing(server, 40) > 5

    server.kill()
