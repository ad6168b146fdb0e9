"""Which rows of the store's segments are about a person.

What a segment holds is known from the flow or entity whose events name it, and from its columns: rows of the entity, or records that name
a row by its key as JSON. Nothing is matched by a value that could be another person's as well.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import duckdb
import pyarrow.parquet as pq

from accord.model.integration_map import IntegrationMap
from accord.store.database import quote
from accord.store.folding import folded
from accord.store.records import KEY
from accord.store.sealing import Subject
from accord.store.sealing.subjects import PersonalEntity, personal_entities
from accord.store.store import Store

_SHA = re.compile(r"[0-9a-f]{64}")
_OWN = ("canonical", "own_key", "left_key", "right_key", "id", "loser", "winner")  # how records of identity name a row
_SHORT = 4  # characters: a shorter value says nothing by itself


class PersonRows:
    """The rows about one person in the segments of a store.

    Args:
        con: a DuckDB connection; tables called ``about_…`` are made in it.
        store: whose segments.
        map_: says what is personal.
        person: id of the person.
        kinds: kinds of person that are meant.
    """

    def __init__(self, con: duckdb.DuckDBPyConnection, store: Store, map_: IntegrationMap, person: str, kinds: Iterable[str]) -> None:
        self._con, self._store, self._map, self._person = con, store, map_, person
        wanted = set(kinds)
        self.entities = {name: e for name, e in personal_entities(map_).items() if e.kind in wanted}
        self._uses = self._named() if self.entities else {}
        self.values: set[str] = set()
        self.keys: dict[str, list[tuple[str, ...]]] = {}
        self.present: dict[str, int] = {}
        for entity in self.entities.values():
            self._find_keys(entity)

    def subjects(self) -> list[Subject]:
        """The rows as persons of their own: what was sealed where an event did not say whom its row is about."""
        return [self.entities[name].row(key) for name, keys in self.keys.items() for key in keys]

    def segments(self) -> Iterator[tuple[str, str, int]]:
        """Each segment with rows to be taken out: its name, the condition that is true for them, and their number."""
        for sha, entity, path in self._all():
            condition = self._condition(entity, path)
            if condition:
                (count,) = self._con.execute(f"SELECT count(*) FROM {_parquet(path)} WHERE {condition}").fetchall()[0]
                if count:
                    yield sha, condition, int(count)

    def unknown(self) -> list[tuple[str, int]]:
        """Segments of no flow and no entity, such as imported logs, in which some text is the person's id, with the number of rows."""
        found = []
        for sha in sorted(self._store.segment_names() - self._uses.keys()):
            path = self._store.segment_path(sha)
            texts = [name for name, kind in self._columns(path).items() if kind == "VARCHAR"]
            if texts:
                same = " OR ".join(f"{quote(name)} = {_literal(self._person)}" for name in texts)
                (count,) = self._con.execute(f"SELECT count(*) FROM {_parquet(path)} WHERE {same}").fetchall()[0]
                found += [(sha, int(count))] if count else []
        return found

    def _named(self) -> dict[str, set[str]]:
        """Segments and the entities they hold rows of."""
        erased = self._store.rows("SELECT sha, replacement FROM erased_segment ORDER BY seq, sha")
        there = self._store.segment_names() | {sha for sha, _ in erased}
        uses: dict[str, set[str]] = {}
        for body in self._store.event_bodies():
            shas = there.intersection(_SHA.findall(body))
            if shas:
                given = json.loads(body)["attributes"]
                flow = self._map.flows.get(str(given.get("flow")))
                entity = flow.entity if flow else given.get("entity")
                for sha in shas if isinstance(entity, str) else ():
                    uses.setdefault(sha, set()).add(entity)
        for sha, replacement in erased:
            uses.setdefault(replacement, set()).update(uses.get(sha, ()))
        now = self._store.segment_names()
        return {sha: names for sha, names in uses.items() if sha in now}

    def _all(self) -> Iterator[tuple[str, PersonalEntity, Path]]:
        for sha, names in sorted(self._uses.items()):
            for name in sorted(names & self.entities.keys()):
                yield sha, self.entities[name], self._store.segment_path(sha)

    def _find_keys(self, entity: PersonalEntity) -> None:
        """Table ``about_<entity>``: keys of the rows that are to go, as text."""
        table, columns = _table(entity), [f"k{n}" for n in range(len(entity.key))]
        self._con.execute(f"CREATE OR REPLACE TABLE {table} ({', '.join(f'{c} VARCHAR' for c in columns)})")
        alone = entity.key == (entity.person,)
        if alone:
            self._con.execute(f"INSERT INTO {table} VALUES (?)", [self._person])
        for _, found, path in self._all():
            held = self._columns(path)
            if found is entity and entity.person and {entity.person, *entity.key} <= held.keys():
                keys = ", ".join(_text(k) for k in entity.key)
                about = f"FROM {_parquet(path)} WHERE {_text(entity.person)} = {_literal(self._person)}"
                if not alone:
                    self._con.execute(f"INSERT INTO {table} SELECT {keys} {about}")
                for field in entity.fields & held.keys():
                    rows = self._con.execute(f"SELECT DISTINCT {_text(field)} {about} AND {quote(field)} IS NOT NULL").fetchall()
                    self.values |= {str(value) for (value,) in rows if len(str(value)) >= _SHORT}
        present = self._still_there(entity, columns)
        staying = "" if alone else f" ANTI JOIN {present} USING ({', '.join(columns)})"
        self._con.execute(f"CREATE OR REPLACE TABLE {table} AS SELECT * FROM (SELECT DISTINCT * FROM {table}){staying}")
        self.keys[entity.name] = self._con.execute(f"SELECT {', '.join(columns)} FROM {table} ORDER BY ALL").fetchall()

    def _still_there(self, entity: PersonalEntity, columns: Sequence[str]) -> str:
        """Table of the keys that are agreed now, and their number in ``present``: they go when the systems no longer hold them."""
        table = f"{_table(entity)}_now"
        self._con.execute(f"CREATE OR REPLACE TABLE {table} ({', '.join(f'{c} VARCHAR' for c in columns)})")
        for flow in self._map.flows.values():
            shas = self._store.flow_state(flow.name).get("golden", ()) if flow.entity == entity.name else ()
            if shas:
                rows = folded([self._store.read_segment(sha) for sha in shas], entity.key)
                keys = ", ".join(f"{_text(k)} AS {c}" for k, c in zip(entity.key, columns, strict=True))
                among = f"SEMI JOIN {_table(entity)} USING ({', '.join(columns)})"
                self._con.execute(f"INSERT INTO {table} SELECT {', '.join(columns)} FROM (SELECT {keys} FROM ({rows})) {among}")
        (count,) = self._con.execute(f"SELECT count(*) FROM (SELECT DISTINCT * FROM {table})").fetchall()[0]
        if count:
            self.present[entity.name] = int(count)
        return table

    def _condition(self, entity: PersonalEntity, path: Path) -> str:
        """SQL true for the person's rows; empty where the columns say of no row whom it is about."""
        table, held = _table(entity), self._columns(path)
        keys = [f"k{n}" for n in range(len(entity.key))]
        parts = []
        packed = keys[0] if len(keys) == 1 else f"({', '.join(keys)})"
        wanted = f"(SELECT {packed} FROM {table})"
        for names in (entity.key, *self._bound(entity)):
            if set(names) <= held.keys():
                parts.append(f"({', '.join(_text(n) for n in names)}) IN {wanted}")
        if KEY in held:
            parts.append(f"({', '.join(f'CAST({KEY}.{quote(k)} AS VARCHAR)' for k in entity.key)}) IN {wanted}")
        if held.get("key") == "VARCHAR" and "key" not in entity.key:
            places = [_literal('$."' + k + '"') for k in entity.key]
            said = ", ".join(f"json_extract_string(key, {place})" for place in places)
            parts.append(f"CASE WHEN json_valid(key) THEN ({said}) IN {wanted} END")
            parts += [f"key IN (SELECT k0 FROM {table})"] if len(keys) == 1 else []
            if "keeps" in held:  # keys of other rows that wait with this one
                others = ", ".join(f"json_extract_string(other, {place})" for place in places)
                parts.append(f"EXISTS (SELECT 1 FROM (SELECT unnest(keeps) AS other) WHERE ({others}) IN {wanted})")
        if held.get("row") == "VARCHAR" and "row" not in entity.key and entity.person:
            columns = sorted({entity.person, *(f"raw.{c}" for c in self._columns_of(entity, entity.person)), f"raw.{entity.person}"})
            places = [_literal('$."' + column + '"') for column in columns]
            shown = [f"json_extract_string(row, {place}) = {_literal(self._person)}" for place in places]
            parts.append(f"CASE WHEN json_valid(row) THEN {' OR '.join(shown)} END")
        if len(keys) == 1:
            parts += [f"{c} IN (SELECT k0 FROM {table})" for c in _OWN if held.get(c) == "VARCHAR" and c not in entity.key]
        return " OR ".join(f"coalesce({part}, false)" for part in dict.fromkeys(parts))

    def _bound(self, entity: PersonalEntity) -> list[tuple[str, ...]]:
        """The names systems give the key, as digests hold them."""
        found = [
            tuple((b.fields[k].column or k) if k in b.fields else k for k in entity.key)
            for flow in self._map.flows.values()
            if flow.entity == entity.name
            for b in flow.bindings.values()
        ]
        return list(dict.fromkeys(found))

    def _columns_of(self, entity: PersonalEntity, field: str) -> set[str]:
        bindings = [b for flow in self._map.flows.values() if flow.entity == entity.name for b in flow.bindings.values()]
        return {b.fields[field].column or field for b in bindings if field in b.fields}

    def _columns(self, path: Path) -> dict[str, str]:
        return {field.name: "VARCHAR" if str(field.type) in ("string", "large_string") else "" for field in pq.read_schema(path)}


def _table(entity: PersonalEntity) -> str:
    return f"about_{entity.name.encode().hex()}"  # a name that needs no quoting, whatever the entity is called


def _text(name: str) -> str:
    return f"CAST({quote(name)} AS VARCHAR)"


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _parquet(path: Path) -> str:
    return f"read_parquet({_literal(str(path))})"
