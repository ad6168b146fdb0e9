"""Checks of all rows together: as queries with a limit of ODCS, and back."""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Any, Final

from accord.mapfile.content import meaning
from accord.mapfile.expression import aggregate_mistakes, mistakes
from accord.mapfile.odcs.reading import Reading, put, word
from accord.mapfile.odcs.words import DIMENSIONS_OUT, OPERATORS, QUALITY
from accord.mapfile.shapes import record
from accord.mapfile.source import Listing, Scalar, Table
from accord.model.entity import AggregateCheck

_NUMBER: Final = re.compile(r"-?(0|[1-9][0-9]{0,14})(\.[0-9]+)?")
_QUERY: Final = re.compile(
    r"\s*SELECT\s+(?P<aggregate>.*?)(?:\s+AS\s+\w+)?\s+FROM\s+(?P<source>\S+?)\s*(?:\sWHERE\s(?P<where>.*?))?\s*;?\s*",
    re.IGNORECASE | re.DOTALL,
)
_WORDS: Final = {"at_least": "mustBeGreaterOrEqualTo", "at_most": "mustBeLessOrEqualTo", "equals": "mustBe"}
_SIGNS: Final = {"at_least": "<", "at_most": ">", "equals": "<>"}


def aggregate_check(check: AggregateCheck) -> dict[str, Any]:
    """The check as an ``sql`` check; a grouped one counts the groups that break it. ``accordCheck`` holds it as the map has it."""
    where = f" WHERE {check.where}" if check.where else ""
    limits = {key: text for key in _WORDS if (text := getattr(check, key))}
    shown: dict[str, Any] = {"type": "sql", "name": check.name}
    if check.reason:
        shown["description"] = check.reason
    shown |= {"dimension": DIMENSIONS_OUT[check.dimension], "severity": "error" if check.severity == "stop" else "warning"}
    if check.group_by or not all(map(_NUMBER.fullmatch, limits.values())):  # operators of ODCS take one number
        grouped = f" GROUP BY {', '.join(check.group_by)}" if check.group_by else ""
        results = f"SELECT {check.aggregate} AS result FROM ${{object}}{where}{grouped}"
        wrong = " OR ".join(f"result {_SIGNS[key]} {_literal(text)}" for key, text in limits.items())
        shown |= {"query": f"SELECT count(*) FROM ({results}) AS results WHERE {wrong}", "mustBe": 0}
    else:
        shown["query"] = f"SELECT {check.aggregate} FROM ${{object}}{where}"
        shown |= {_WORDS[key]: float(text) if "." in text else int(text) for key, text in limits.items()}
    return {**shown, "customProperties": [{"property": "accordCheck", "value": meaning(record(AggregateCheck), check)}]}


def _literal(text: str) -> str:
    return text if _NUMBER.fullmatch(text) else "'" + text.replace("'", "''") + "'"


def read_aggregate(reading: Reading, node: Table, query: str, names: Collection[str], holder: str) -> Table | None:
    """A check of the map as a node, or ``None`` when the query is no aggregate over the object with limits a check can hold."""
    ours = reading.custom(node, QUALITY, holder).get("accordCheck")
    if isinstance(ours, Table):
        return ours
    found = _QUERY.fullmatch(query)
    if found is None or aggregate_mistakes(found["aggregate"], None) or (found["where"] and mistakes(found["where"], None)):
        return None
    source = found["source"].strip("\"'`")
    if source not in ("${object}", "${table}", "{object}", "{table}") and source.rpartition(".")[2].casefold() not in {
        n.casefold() for n in names
    }:
        return None
    given = {name: part for name, part in node.items.items() if name in OPERATORS}
    limits = _limits(given)
    if limits is None or "%" in reading.text(node, "unit", holder):
        return None
    made = Table(node.place)
    put(made, "aggregate", word(found["aggregate"], node.place))
    if found["where"]:
        put(made, "where", word(found["where"], node.place))
    for key, part in limits.items():
        put(made, key, word(part.text, part.place))
    return made


def _limits(given: dict[str, Any]) -> dict[str, Scalar] | None:
    """The operators as limits of the map; ``None`` when there are none, or one that the map has no word for."""
    back = {operator: key for key, operator in _WORDS.items()}
    limits: dict[str, Scalar] = {}
    for operator, part in given.items():
        if operator == "mustBeBetween" and isinstance(part, Listing) and len(part.items) == 2:
            low, high = part.items
            if isinstance(low, Scalar) and isinstance(high, Scalar):
                limits |= {"at_least": low, "at_most": high}
                continue
        if operator not in back or not isinstance(part, Scalar):
            return None
        limits[back[operator]] = part
    return limits or None
