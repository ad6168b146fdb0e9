"""Leaves nothing of old values in the pages of the store's database."""

from __future__ import annotations

from collections.abc import Callable

from accord.model.errors import LeaseHeld
from accord.store.database import Database
from accord.store.sealing import Keyring


def scrub(database: Database, keyring: Keyring, rebuild: Callable[[], None]) -> None:
    """Destroy the key files that erasures left, compute what is computed anew, and rewrite the database's files.

    What remains to be done is noted in the table ``erasure`` until all of it is done, so a repeat after a crash goes on.

    Raises:
        LeaseHeld: somebody reads the database.
    """
    left = [str(kek) for (kek,) in database.rows("SELECT kek FROM erasure ORDER BY kek")]
    for kek in left:
        if kek:
            keyring.destroy(kek)
    keyring.forget()
    if database.dialect == "sqlite":
        database.rows("PRAGMA secure_delete=ON")  # pages are zeroed as they become free, also those the file is cut by
        rebuild()
        _empty_journal(database)
        database.run("VACUUM")
        _empty_journal(database)
    else:
        rebuild()
        database.run("VACUUM FULL person_key")
    with database.write() as tx:
        tx.many("DELETE FROM erasure WHERE kek = ?", [(kek,) for kek in left])


def _empty_journal(database: Database) -> None:
    ((busy, _, _),) = database.rows("PRAGMA wal_checkpoint(TRUNCATE)")
    if busy:
        raise LeaseHeld("a process that reads the store, so that its journal could not be emptied; stop it and repeat", database.where)
