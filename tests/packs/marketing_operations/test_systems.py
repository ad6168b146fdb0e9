"""The systems hold exactly the declared defects: read here in plain Python, by the words of the map and without the engine.

Every contract, reference and copy of every row is looked at. A record is either sound and the same everywhere, or on the answer sheet.
"""

from __future__ import annotations

import csv
import json
import re
import sqlite3
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pyarrow.parquet as pq
import pytest
from ruamel.yaml import YAML

import accord_marketing_operations
from accord.mapfile import load_map
from accord.model.values import Duration
from accord.model.working_time import due
from accord_marketing_operations.generator import build
from accord_marketing_operations.organization.truth import Truth

MAP = Path(accord_marketing_operations.__file__).parent / "map"
UNREADABLE = object()
Rows = dict[tuple[str, ...], list[dict[str, Any]]]


@pytest.fixture(scope="module")
def text() -> dict[str, Any]:
    merged: dict[str, Any] = {}
    for path in sorted(MAP.glob("*.yaml")):
        for section, content in YAML(typ="safe", pure=True).load(path).items():
            if isinstance(content, dict):
                merged.setdefault(section, {}).update(content)
    return merged


@pytest.fixture(scope="module")
def organization(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Truth]:
    folder = tmp_path_factory.mktemp("organization")
    return folder, build(folder, campaigns=60)


def _raw(folder: Path, system: str, resource: str) -> Iterator[dict[str, Any]]:
    if (folder / f"{system}.db").exists():
        with closing(sqlite3.connect(folder / f"{system}.db")) as connection:
            connection.row_factory = sqlite3.Row
            yield from (dict(row) for row in connection.execute(f'SELECT * FROM "{resource}"'))
    elif (path := folder / system / f"{resource}.jsonl").exists():
        yield from (json.loads(line) for line in path.read_text(encoding="utf-8").splitlines())
    elif (path := folder / system / f"{resource}.csv").exists():
        with path.open(encoding="utf-8", newline="") as file:
            yield from ({k: v or None for k, v in row.items()} for row in csv.DictReader(file))
    else:
        yield from pq.read_table(folder / system / f"{resource}.parquet").to_pylist()


def _read(value: Any, mapping: dict[str, Any], type_: str) -> Any:
    """A system's value in canonical form."""
    if value is None:
        return None
    if "codes" in mapping:
        if str(value) not in mapping["codes"]:
            return UNREADABLE
        value = mapping["codes"][str(value)]
    kind = type_.partition("(")[0]
    if kind == "boolean":
        return value in (True, 1, "true", "1")
    if kind == "integer":
        return int(value)
    if kind == "number":
        return (Decimal(str(value)) / {"min": 60, "cent": 100}.get(mapping.get("unit", ""), 1)).quantize(Decimal("0.01"))
    if kind == "date":
        return value if isinstance(value, date) else datetime.strptime(value, mapping.get("format", "%Y-%m-%d")).date()
    if kind == "timestamp":
        moment = datetime.strptime(value, mapping["format"]) if "format" in mapping else datetime.fromisoformat(value)
        return moment.replace(tzinfo=ZoneInfo(mapping.get("timezone", "UTC"))).astimezone(UTC)
    return value


def _plain(item: Any, key: str) -> dict[str, Any]:
    return item if isinstance(item, dict) else {key: item}


def _bindings(folder: Path, text: dict[str, Any], flow: dict[str, Any]) -> dict[str, Rows]:
    entity = text["entities"][flow["entity"]]
    found: dict[str, Rows] = {}
    for system, binding in flow["bindings"].items():
        rows: Rows = defaultdict(list)
        for raw in _raw(folder, system, binding["resource"]):
            row = {}
            for name, mapping in binding["fields"].items():
                mapping = _plain(mapping, "column")
                row[name] = _read(raw[mapping["column"]], mapping, _plain(entity["fields"][name], "type")["type"])
            rows[tuple(str(row[k]) for k in entity["key"])].append(row)
        found[system] = rows
    return found


def _breaks_contract(row: dict[str, Any], fields: dict[str, Any], keys: dict[str, set[str]]) -> bool:
    for name, value in row.items():
        rule = _plain(fields[name], "type")
        if value is UNREADABLE or (value is None and rule.get("required")):
            return True
        if value is None:
            continue
        outside = ("minimum" in rule and value < Decimal(rule["minimum"])) or ("maximum" in rule and value > Decimal(rule["maximum"]))
        if outside or ("values" in rule and value not in rule["values"]):
            return True
        if ("pattern" in rule and not re.fullmatch(rule["pattern"], value)) or (
            "references" in rule and value not in keys[rule["references"]]
        ):
            return True
    return False


def test_what_is_wrong_is_declared_and_what_is_declared_is_wrong(organization: tuple[Path, Truth], text: dict[str, Any]) -> None:
    """An assessment is judged by the answer sheet, so the sheet itself must be right in both directions."""
    folder, truth = organization
    flows = {name: _bindings(folder, text, flow) for name, flow in text["flows"].items()}
    keys: dict[str, set[str]] = defaultdict(set)
    for name, bindings in flows.items():
        for rows in bindings.values():
            keys[text["flows"][name]["entity"]] |= {key[0] for key in rows}

    wrong = set()
    for name, bindings in flows.items():
        entity = text["flows"][name]["entity"]
        fields = text["entities"][entity]["fields"]
        for key in set().union(*bindings.values()):
            copies = [rows[key] for rows in bindings.values() if key in rows]
            single = len(copies) == len(bindings) and all(len(rows) == 1 for rows in copies)
            rows = [row for copy in copies for row in copy]
            shared = set(fields) & set.intersection(*(set(row) for row in rows))
            values = {f: {repr(row.get(f)) for row in rows if f in row} for f in fields}
            assert shared
            same = all(len(held) <= 1 for held in values.values())
            if not single or not same or any(_breaks_contract(row, fields, keys) for row in rows):
                wrong.add((entity, key))

    injected = {(d.entity, d.key) for d in truth.defects if d.kind not in ("late_handoff", "rework")}
    assert wrong == injected


def test_defect_shows_where_it_is_declared(organization: tuple[Path, Truth], text: dict[str, Any]) -> None:
    """System, resource and key of the sheet are what a finding is matched against."""
    folder, truth = organization
    places = {(s, b["resource"]): (b, text["entities"][f["entity"]]) for f in text["flows"].values() for s, b in f["bindings"].items()}
    held = {place: _keys(folder, *place, *declared) for place, declared in places.items()}

    for defect in truth.defects:
        wanted = {"missing_record": 0, "duplicate_record": 2}.get(defect.kind, 1)
        assert held[defect.system, defect.resource][defect.key] == wanted, defect
        assert not defect.field or defect.field in places[defect.system, defect.resource][0]["fields"]


def _keys(folder: Path, system: str, resource: str, binding: dict[str, Any], entity: dict[str, Any]) -> Counter[tuple[str, ...]]:
    how = [(_plain(binding["fields"][k], "column"), _plain(entity["fields"][k], "type")["type"]) for k in entity["key"]]
    return Counter(tuple(str(_read(row[m["column"]], m, type_)) for m, type_ in how) for row in _raw(folder, system, resource))


def test_late_and_repeated_handoffs_are_those_the_tracker_shows(organization: tuple[Path, Truth]) -> None:
    """The two kinds that come from the year itself are counted again from what the tracker holds."""
    folder, truth = organization
    office = load_map(MAP).calendars["office"]
    late, again = set(), set()
    for row in _raw(folder, "tracker", "handoffs"):
        offered = datetime.fromisoformat(row["handed_over_on"]).replace(tzinfo=UTC)
        accepted = datetime.fromisoformat(row["accepted_on"]).replace(tzinfo=UTC) if row["accepted_on"] else None
        if accepted is None or accepted > due(offered, Duration(row["sla_hours"] * 3600), office):
            late.add((row["ref"],))
        if row["attempt"] > 1:
            again.add((row["ref"],))

    assert late == {d.key for d in truth.defects if d.kind == "late_handoff"}
    assert again == {d.key for d in truth.defects if d.kind == "rework"}
