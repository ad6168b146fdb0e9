"""Conflicts as people ask for them: every value that ever lost, with its id, and the disagreements that wait for a decision."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Any

import duckdb

from accord.connectors.duck import borrowed_duck
from accord.connectors.types import quote
from accord.store import Store
from accord.sync.state.base import CONFLICTS, LAST_AGREED

_AS_NAMED: Mapping[str, str] = MappingProxyType({})
# Of those that are closed there may be very many; these stand together in an index.
_WAITING = ("id", "flow", "kind", "key", "field", "status", "values", "opened_at", "value", "seen", "force", "decided_by", "decided_at")
_WAITS = f"SELECT {', '.join(map(quote, _WAITING))} FROM conflict WHERE flow = ? AND status IN ('open', 'decided')"
_ID_PARTS = ("flow", "key", "field", "loser", "winning_value", "losing_value", "rule", "run")


@dataclass(frozen=True, slots=True)
class LostValue:
    """A value that lost: of which row and field, who wrote it when, who won by which rule.

    ``rule`` is authority, latest, merge, human, decided, restored, deleted, backup (what a system restored from one shows), first contact,
    quarantine (an edit of a row that breaks the contract), not permitted, may not delete, made again or stale; ``winner`` a binding,
    ``agreed`` or the person who decided. ``field`` is empty where the whole row is meant.
    """

    id: str
    flow: str
    key: str
    field: str
    winner: str
    loser: str
    winning_value: str | None
    losing_value: str | None
    base_value: str | None
    rule: str
    run: str
    at: datetime
    changed_by: str | None
    changed_at: datetime | None


@dataclass(frozen=True, slots=True)
class OpenConflict:
    """A disagreement for a person: what each binding shows; ``decided_by`` once somebody decided and the next run has not run."""

    id: str
    flow: str
    key: str
    field: str
    status: str
    values: Mapping[str, str | None]
    opened_at: datetime
    value: str | None = None
    decided_by: str | None = None
    decided_at: datetime | None = None


def lost_values(
    store: Store,
    flows: Sequence[str],
    *,
    key: str = "",
    id: str = "",  # noqa: A002
    limit: int = 1000,
    kept: Mapping[str, str] = _AS_NAMED,
) -> list[LostValue]:
    """Recorded values of flows, newest first.

    Args:
        store: where they are kept.
        flows: names.
        key: only this row: its key as JSON text, or the value of one of its key fields.
        id: only the one whose id begins so.
        limit: at most so many.
        kept: of ``kept_as``.
    """
    found: list[LostValue] = []
    for flow in flows:
        with borrowed_duck() as con:
            if not _load(con, store, kept.get(flow, flow)):
                continue
            # A flow that had another name is asked for, and decided about, by the one it has; the id stays that of the record.
            columns = ", ".join("$flow" if c == "flow" else f'"{c}"' for c in CONFLICTS if c != LAST_AGREED)
            rows = con.execute(
                f"""SELECT id, {columns} FROM known WHERE starts_with(id, $id)
                AND ($key = '' OR key = $key OR list_contains(json_extract_string(key, '$.*'), $key))
                ORDER BY "at" DESC, key, field, loser, id LIMIT $limit""",
                {"flow": flow, "key": key, "id": id, "limit": limit},
            ).fetchall()
        found += [LostValue(*row) for row in rows]
    return sorted(found, key=lambda lost: lost.at, reverse=True)[:limit]


def waiting_rows(store: Store, flow: str) -> list[dict[str, Any]]:
    """What waits in a flow, for a person or for the run that carries a decision out, by id: the columns of the projection ``conflict``."""
    rows = [dict(zip(_WAITING, row, strict=True)) for row in store.rows(_WAITS, flow)]
    for row in rows:
        row |= {name: row[name] and datetime.fromisoformat(row[name]) for name in ("opened_at", "decided_at")}
    return sorted(rows, key=lambda row: str(row["id"]))


def lost_row(store: Store, flow: str, id: str) -> dict[str, str | None] | None:  # noqa: A002
    """The row a value lost to a delete with, as it was agreed on before; ``None`` where an older program recorded it.

    Args:
        store: where it is kept.
        flow: name under which the store keeps what the flow remembers.
        id: of the recorded value.
    """
    with borrowed_duck() as con:
        if not _load(con, store, flow):
            return None
        found = con.execute(f"SELECT {LAST_AGREED} FROM known WHERE id = ? AND {LAST_AGREED} IS NOT NULL", [id]).fetchone()
    row: dict[str, str | None] | None = json.loads(found[0]) if found else None
    return row


def _load(con: duckdb.DuckDBPyConnection, store: Store, flow: str) -> bool:
    """Table ``known`` with every recorded value of a flow and its ``id``; false when there are none."""
    paths = [str(store.read_segment(sha)) for sha in store.flow_records(flow, "conflicts").values()]
    if paths:
        con.execute(f"CREATE TABLE recorded ({', '.join(f'{chr(34)}{c}{chr(34)} {t}' for c, t in CONFLICTS.items())})")
        con.execute("INSERT INTO recorded BY NAME SELECT * FROM read_parquet($paths, union_by_name = true)", {"paths": paths})
        packed = ", ".join(f'CAST("{c}" AS VARCHAR)' for c in _ID_PARTS)
        con.execute(f"CREATE VIEW known AS SELECT left(sha256(CAST(to_json([{packed}]) AS VARCHAR)), 12) AS id, * FROM recorded")
    return bool(paths)


def open_conflicts(store: Store, flows: Sequence[str], *, key: str = "", kept: Mapping[str, str] = _AS_NAMED) -> list[OpenConflict]:
    """Disagreements that wait for a person, or for the run that carries the decision out; oldest first. ``kept``: of ``kept_as``."""
    called = {kept.get(flow, flow): flow for flow in flows}
    rows = [r for name in called for r in waiting_rows(store, name) if r["kind"] == "human"]
    if key:
        rows = [r for r in rows if key == r["key"] or key in json.loads(r["key"]).values()]
    return [
        OpenConflict(
            r["id"],
            called[r["flow"]],
            r["key"],
            r["field"],
            r["status"],
            json.loads(r["values"]),
            r["opened_at"],
            None if r["value"] is None else json.loads(r["value"]),
            r["decided_by"],
            r["decided_at"],
        )
        for r in sorted(rows, key=lambda r: (r["opened_at"], r["id"]))
    ]
