"""Statements that the server keeps ready: as many as are of use."""

from __future__ import annotations

import psycopg

from accord.connectors.postgresql_ready import MOST_READY, Question, Ready


def test_a_connection_that_lives_for_months_does_not_keep_every_statement_it_was_ever_asked(postgres_url: str) -> None:
    """People edit ever new sets of columns together; the server keeps a plan for each statement until it is told to forget it."""
    often: Question = (b"SELECT %(k0)s::text", {"k0": "often"})
    with psycopg.connect(postgres_url, autocommit=True) as db:
        ready = Ready(db)
        for number in range(MOST_READY + 20):
            ready.send([(f"SELECT {number}::text".encode(), {}), often])
            assert ready.answers() == [[(str(number),)], [("often",)]]
        ready.send([(b"SELECT 0::text", {})])
        again = ready.answers()
        held = [row[0] for row in db.execute("SELECT statement FROM pg_prepared_statements").fetchall()]

    assert again == [[("0",)]]
    assert len(held) <= MOST_READY + 2
    assert "SELECT $1::text" in held
    assert "SELECT 1::text" not in held
