"""Bring the schema of a store to the version this code knows."""

from __future__ import annotations

from importlib import resources

from accord.model.errors import DataRefused
from accord.store.database import Database, Transaction

_VERSION_TABLE = "CREATE TABLE IF NOT EXISTS schema_version (version BIGINT NOT NULL PRIMARY KEY, name TEXT NOT NULL)"
_TABLES = {
    "sqlite": "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite!_%' ESCAPE '!' ORDER BY name",
    "postgresql": "SELECT tablename FROM pg_tables WHERE schemaname = current_schema() ORDER BY tablename",
}


def migrations(dialect: str) -> dict[int, tuple[str, str]]:
    """Number of each migration with its name and SQL, from files ``migrations/NNNN_name.<dialect>.sql``."""
    folder = resources.files("accord.store") / "migrations"
    found = {}
    for file in folder.iterdir():
        number, _, rest = file.name.partition("_")
        if number.isdigit() and rest.endswith(f".{dialect}.sql"):
            found[int(number)] = (rest.removesuffix(f".{dialect}.sql"), file.read_text(encoding="utf-8"))
    return dict(sorted(found.items()))


def migrate(database: Database) -> int:
    """Apply the migrations that are missing, each in its own transaction, and return the version reached.

    Raises:
        DataRefused: the store was written by a newer Accord, or the database holds something else.
    """
    known = migrations(database.dialect)
    latest = max(known)
    found = _version(database)
    _refuse_newer(database, found, latest)
    if found == latest:
        return latest
    for number, (name, script) in known.items():
        with database.write() as tx:
            # Looked up again under the lock: another process may be opening the same new store.
            found = _version(database, tx)
            _refuse_newer(database, found, latest)
            if found < number:
                tx.run(_VERSION_TABLE)
                tx.script(script)
                tx.run("INSERT INTO schema_version (version, name) VALUES (?, ?)", number, name)
    return latest


def _version(database: Database, tx: Transaction | None = None) -> int:
    look = tx or database
    tables = {str(name) for (name,) in look.rows(_TABLES[database.dialect])}
    if "schema_version" in tables:
        return int(look.rows("SELECT coalesce(max(version), 0) FROM schema_version")[0][0])
    if tables:
        shown = ", ".join(sorted(tables)[:5])
        raise DataRefused(f"it holds other tables ({shown})", database.where, "an Accord store, or a place that is still empty")
    return 0


def _refuse_newer(database: Database, found: int, latest: int) -> None:
    if found > latest:
        raise DataRefused(
            f"the store has schema version {found}",
            database.where,
            f"version {latest} or older. A newer Accord wrote it: use that one, or restore a backup",
        )
