"""Defects: each a kind, a place (system, resource, key, field) and a detail, in one table; and the findings made of them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

import duckdb
import pyarrow as pa

from accord.connectors.types import literal, quote
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
    "missing_record": Kind("are missing, although another system of the flow holds them", "load them, or limit the binding with `where`"),
    "duplicate_record": Kind("stand there more than once under one key", "merge the copies"),
    "missing_value": Kind("have no value in '{field}', which the contract requires", "fill it in at the source"),
    "bad_value": Kind("hold something in '{field}' that cannot be read as its type", "correct it, or give the mapping its format"),
    "bad_code": Kind("hold a code in '{field}' that is not in the agreed set", "correct it, or add the code to the mapping"),
    "bad_format": Kind("hold a value in '{field}' that does not match its pattern", "correct it at the source"),
    "out_of_range": Kind("hold a value in '{field}' outside its range", "correct it at the source"),
    "unit_error": Kind("hold a value in '{field}' that is right only in another unit", "convert it; check the unit in the mapping"),
    "time_zone_error": Kind(
        "hold a time in '{field}' that is off by exactly a time zone", "correct it; check the time zone in the mapping"
    ),
    "stale_field": Kind("hold another value in '{field}' than the one agreed on elsewhere", "synchronize the flow"),
    "orphan": Kind("refer in '{field}' to a record that no system holds", "create the record, or correct the reference"),
    "repeated_value": Kind("repeat a value in '{field}' that another record holds already", "correct it at the source"),
    "too_many": Kind("are one too many for the record they refer to in '{field}'", "merge them, or loosen `at_most`", "warning"),
    "rule_broken": Kind("break the rule '{field}'", "correct them at the source"),
    "rule_reported": Kind("break the rule '{field}', which is counted and let through", "look at them", "warning"),
    "late_handoff": Kind("were accepted later than agreed, or not at all", "see the workflow evaluation", "warning"),
    "rework": Kind("were sent back or done again", "see the workflow evaluation", "warning"),
    "negative_duration": Kind("end before they begin", "correct the times; they are averaged nowhere", "warning"),
}
# The order is the order of blame: of two defects in one cell the earlier kind explains the later.


def create_table(con: duckdb.DuckDBPyConnection) -> None:
    """Make the empty table ``defect``."""
    con.execute("CREATE OR REPLACE TABLE defect (" + ", ".join(f'"{c}" VARCHAR' for c in COLUMNS) + ")")


@dataclass(frozen=True)
class Check:
    """A query that finds defects of one kind.

    Args:
        kind: one of ``KINDS``.
        place: entity, flow, system, resource, and field and column when they are the same for all rows.
        select: query with ``key`` and ``detail``, and each of system, resource, field and column that ``place`` leaves out. Texts of the
            map stand in it as literals; it takes no parameters.
    """

    kind: str
    place: Mapping[str, str]
    select: str

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"unknown kind of defect '{self.kind}'; known: {', '.join(KINDS)}")

    @property
    def sql(self) -> str:
        """The query with all columns of the table ``defect``."""
        fixed = {"kind": self.kind, **self.place}
        columns = (f"{literal(fixed[c])} AS {quote(c)}" if c in fixed else f"d.{quote(c)}::VARCHAR AS {quote(c)}" for c in COLUMNS)
        return f"SELECT {', '.join(columns)} FROM ({self.select}) AS d"


def insert(con: duckdb.DuckDBPyConnection, checks: Iterable[Check]) -> None:
    """Carry out checks and add what they find; all of them as one query, since each round trip costs more than the work."""
    queries = [check.sql for check in checks]
    if queries:
        con.execute("INSERT INTO defect " + " UNION ALL ".join(queries))


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
        share = f" ({len(members) / total:.1%} of {total:,})" if total and kind != "missing_record" else ""
        subject = f"{system}/{resource}" + (f".{field}" if field else "")
        # The number comes last, so that the sentence reads the same for one record and for many.
        sentence = f"{system}/{resource}: records that {about.words.format(field=field)}: {len(members):,}{share}. To do: {about.todo}."
        severity = "warning" if _only_counted(integration_map, members[0]["entity"], field) else about.severity
        owner = integration_map.systems[system].owner if system in integration_map.systems else ""
        examples = tuple(f"{_plain(m['key'])}: {m['detail']}" if m["detail"] else _plain(m["key"]) for m in members[:5])
        evidence = Evidence("scan", f"{system}/{resource}", f"contract of entity '{members[0]['entity']}', flow '{members[0]['flow']}'")
        detail = {"entity": members[0]["entity"], "flow": members[0]["flow"], "column": members[0]["column"]}
        found.append(Finding(kind, subject, sentence, severity, len(members), examples, owner, detail, (evidence,)))
    rank = {"problem": 0, "warning": 1, "info": 2}
    return tuple(sorted(found, key=lambda f: (rank[f.severity], -f.count, f.kind, f.subject)))


def _plain(key: str) -> str:
    """A key for people: the parts of a composite one with a plus between."""
    return " + ".join(map(str, json.loads(key))) if key.startswith("[") and key.endswith("]") else key


def _only_counted(integration_map: IntegrationMap, entity: str, field: str) -> bool:
    """Whether the contract lets a breach of this field through."""
    declared = integration_map.entities[entity].fields.get(field) if entity in integration_map.entities else None
    return declared is not None and declared.severity == "report"
