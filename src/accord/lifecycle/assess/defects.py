"""Defects: each a kind, a place (system, resource, key, field) and a detail, in one table; and the findings made of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import duckdb
import pyarrow as pa

from accord.model.figure import Evidence, Finding
from accord.model.integration_map import IntegrationMap

COLUMNS = ("kind", "entity", "flow", "system", "resource", "key", "field", "column", "detail")


@dataclass(frozen=True)
class Kind:
    """A class of defect: what it is in words, how bad, and what to do about it."""

    words: str
    todo: str
    severity: Literal["info", "warning", "problem"] = "problem"


KINDS: Mapping[str, Kind] = {
    "missing_record": Kind(
        "not in this system although another system of the flow holds them", "load them, or limit the binding with `where`"
    ),
    "duplicate_record": Kind("in this system more than once under one key", "merge the copies"),
    "missing_value": Kind("without a value that the contract requires", "fill it in at the source"),
    "bad_value": Kind("with a value that cannot be read as its type", "correct it, or give the mapping its format"),
    "bad_code": Kind("with a code that is not in the agreed set", "correct it, or add the code to the mapping"),
    "bad_format": Kind("with a value that does not match its pattern", "correct it at the source"),
    "out_of_range": Kind("with a value outside its range", "correct it at the source"),
    "unit_error": Kind("with a value that fits exactly when read in another unit", "convert it; check the unit in the mapping"),
    "time_zone_error": Kind("with a time that is off by exactly a time zone's offset", "correct it; check the time zone in the mapping"),
    "stale_field": Kind("with a value that differs from the one agreed on elsewhere", "synchronize the flow"),
    "orphan": Kind("referring to a record that no system holds", "create the record, or correct the reference"),
    "repeated_value": Kind("holding a value that must be unique and stands more than once", "correct it at the source"),
    "too_many": Kind("values that more rows refer to than the contract allows", "merge the rows, or loosen `at_most`", "warning"),
    "rule_broken": Kind("breaking a rule of the contract", "correct it at the source"),
    "rule_reported": Kind("breaking a rule that is counted but let through", "look at them", "warning"),
    "late_handoff": Kind("handed over later than agreed", "see the handoff matrix of the workflow evaluation", "warning"),
    "rework": Kind("returned or done again", "see the workflow evaluation", "warning"),
    "negative_duration": Kind("ending before they begin", "correct the times; they are not averaged", "warning"),
}
# The order is the order of blame: of two defects in one cell the earlier kind explains the later.


def create_table(con: duckdb.DuckDBPyConnection) -> None:
    """Make the empty table ``defect``."""
    con.execute("CREATE OR REPLACE TABLE defect (" + ", ".join(f'"{c}" VARCHAR' for c in COLUMNS) + ")")


def insert(
    con: duckdb.DuckDBPyConnection, kind: str, place: Mapping[str, str], select: str, parameters: list[object] | None = None
) -> None:
    """Add the rows of a query.

    Args:
        con: connection that holds ``defect``.
        kind: one of ``KINDS``.
        place: entity, flow, system, resource, and field and column when they are the same for all rows.
        select: query with ``key`` and ``detail``, and ``field`` and ``column`` unless ``place`` has them.
        parameters: values bound in it.
    """
    if kind not in KINDS:
        raise ValueError(f"unknown kind of defect '{kind}'; known: {', '.join(KINDS)}")
    columns = [f"? AS {name}" if name in place else f'd."{name}"' for name in ("entity", "flow", "system", "resource")]
    columns += ["d.key", *(f"? AS {name}" if name in place else f'd."{name}"' for name in ("field", "column")), "d.detail"]
    order = [n for n in ("entity", "flow", "system", "resource", "field", "column") if n in place]
    con.execute(
        f"INSERT INTO defect SELECT ?, {', '.join(columns)} FROM ({select}) AS d", [kind, *(place[n] for n in order), *(parameters or [])]
    )


def defects(con: duckdb.DuckDBPyConnection) -> pa.Table:
    """All defects, each place once per kind, in a fixed order."""
    return con.execute(
        "SELECT kind, any_value(entity ORDER BY flow) AS entity, min(flow) AS flow, system, resource, key, field, "
        'min("column") AS "column", min(detail) AS detail FROM defect '
        "GROUP BY kind, system, resource, key, field ORDER BY system, resource, kind, field, key"
    ).to_arrow_table()


def findings(table: pa.Table, integration_map: IntegrationMap, rows: Mapping[tuple[str, str], int]) -> tuple[Finding, ...]:
    """One finding for each kind of defect, resource and field, with count, share and a few keys.

    Args:
        table: as ``defects`` returns it.
        integration_map: for owners and titles.
        rows: number of rows of each (system, resource), for the share.
    """
    grouped: dict[tuple[str, str, str, str], list[Mapping[str, str]]] = {}
    for row in table.to_pylist():
        grouped.setdefault((row["kind"], row["system"], row["resource"], row["field"] or ""), []).append(row)
    found = []
    for (kind, system, resource, field), members in grouped.items():
        about = KINDS[kind]
        total = rows.get((system, resource), 0)
        share = f" ({len(members) / total:.1%} of {total:,})" if total and kind not in ("missing_record", "too_many") else ""
        subject = f"{system}/{resource}" + (f".{field}" if field else "")
        what = f"'{field}'" if field else "records"
        noun = "value" if kind == "too_many" else "record"
        sentence = (
            f"{len(members):,} {noun}{'s' if len(members) != 1 else ''} of {subject}{share}: {what} {about.words}. To do: {about.todo}."
        )
        owner = integration_map.systems[system].owner if system in integration_map.systems else ""
        examples = tuple(f"{m['key']}: {m['detail']}" if m["detail"] else str(m["key"]) for m in members[:5])
        evidence = Evidence("scan", f"{system}/{resource}", f"contract of entity '{members[0]['entity']}', flow '{members[0]['flow']}'")
        detail = {"entity": members[0]["entity"], "flow": members[0]["flow"], "column": members[0]["column"]}
        found.append(Finding(kind, subject, sentence, about.severity, len(members), examples, owner, detail, (evidence,)))
    rank = {"problem": 0, "warning": 1, "info": 2}
    return tuple(sorted(found, key=lambda f: (rank[f.severity], -f.count, f.kind, f.subject)))
