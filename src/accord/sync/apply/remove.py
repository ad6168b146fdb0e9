"""Delete rows by key in every system of a flow, because a person is to be erased and not because some system deleted them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pyarrow as pa

from accord.connectors.duck import borrowed_duck
from accord.connectors.protocol import OLD, OP, ChangeBatch, Connector
from accord.connectors.types import quote
from accord.connectors.unreadable import is_flag
from accord.model.flow import Binding, Flow


@dataclass(frozen=True, slots=True)
class Removal:
    """What one side of a flow holds of the rows, or had done to them; ``left`` says why rows stay, empty when none does."""

    flow: str
    binding: str
    system: str
    resource: str
    rows: int
    left: str = ""


def remove_rows(
    flow: Flow,
    key: Sequence[str],
    rows: Sequence[Sequence[str]],
    connectors: Mapping[str, Connector],
    *,
    batch: str = "",
) -> list[Removal]:
    """Find rows in every system of a flow, and delete them where Accord may write.

    Args:
        flow: names the systems.
        key: the entity's key fields.
        rows: the key of each row, as text.
        connectors: by system name.
        batch: id of this piece of work; empty: only look.

    Raises:
        SystemUnreachable, SystemChanged, DataRefused, StorageFull: from a connector; a repeat goes on.
    """
    return [_remove(flow, binding, key, rows, connectors[binding.holder], batch) for binding in flow.bindings.values()]


def _remove(flow: Flow, binding: Binding, key: Sequence[str], rows: Sequence[Sequence[str]], connector: Connector, batch: str) -> Removal:
    about = (flow.name, binding.name, binding.holder, binding.resource)
    mapped = [binding.fields.get(k) for k in key]
    if binding.own_key or any(m is None or m.read or m.split or m.join or m.lookup or m.value for m in mapped):
        return Removal(*about, 0, "rows are known there under another key: look there by hand")
    columns = [m.column or k for m, k in zip(mapped, key, strict=True) if m is not None]
    with borrowed_duck() as con:
        relation = connector.scan(con, binding.resource)
        con.register("asked", pa.table({c: pa.array([str(row[n]) for row in rows], pa.string()) for n, c in enumerate(columns)}))
        same = " AND ".join(f"CAST(r.{quote(c)} AS VARCHAR) = a.{quote(c)}" for c in columns)
        found = con.execute(f"SELECT r.* FROM {relation} r SEMI JOIN asked a ON {same}").to_arrow_table()
    if not found.num_rows:
        return Removal(*about, 0)
    if binding.direction == "read":
        return Removal(*about, found.num_rows, "Accord may not write there: delete it there first")
    if not batch:
        return Removal(*about, found.num_rows)
    rest = [name for name in found.column_names if name not in columns and not is_flag(name)]
    given = {OP: pa.array(["delete"] * found.num_rows, pa.string())} | {c: found.column(c) for c in columns}
    for name in rest:
        given |= {name: pa.nulls(found.num_rows, found.column(name).type), OLD + name: found.column(name)}
    result = connector.apply(
        ChangeBatch(binding.resource, tuple(columns), tuple(rest), pa.table(given), batch, cascades=binding.cascades == "allow")
    )
    stale = result.stale.num_rows if result.stale is not None else 0
    refused = result.refused.to_pylist() if result.refused is not None else []
    if stale or refused:
        why = str(refused[0].get("reason")) if refused else "somebody changed it meanwhile: repeat"
        return Removal(*about, found.num_rows, why)
    return Removal(*about, found.num_rows)
