"""Whether a silent PostgreSQL still works: the server that is asked after must be one that can answer."""

from __future__ import annotations

from psycopg.conninfo import make_conninfo

from accord.store.alive import Watched


def test_the_server_of_a_session_for_replication_is_found_alive(postgres_url: str) -> None:
    """Such a session refuses questions with parameters; asked over another one of its kind, a server at work would count as gone."""
    with Watched.open(make_conninfo(postgres_url, replication="database")) as db:
        assert db.doubt is not None
        assert db.doubt.look() == ""
