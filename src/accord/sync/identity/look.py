"""Links and proposals for people, and a search for duplicates among what is agreed."""

from __future__ import annotations

from datetime import datetime

import duckdb
import pyarrow as pa

from accord.connectors.duck import borrowed_duck
from accord.connectors.types import literal, quote
from accord.model.errors import UnknownName, UsageError
from accord.model.flow import Flow
from accord.model.integration_map import IntegrationMap
from accord.store import Store
from accord.sync.cycle import Cycle, names
from accord.sync.identity.links import LINKS, append, load_links, make_proposals_table, proposals_query
from accord.sync.identity.match import LARGEST_BLOCK, fields_of, find_pairs, make_rejected, proposal_id
from accord.sync.state.base import load_state

# A row that has an id by now waits for nobody: another proposal was accepted, or what it was mistaken for has changed.
_OPEN = """
    SELECT p.* EXCLUDE (withdrawn) FROM p LEFT JOIN links l ON l.resource = p.left_resource AND l.own_key = p.left_key
    LEFT JOIN links r ON r.resource = p.right_resource AND r.own_key = p.right_key
    LEFT JOIN dead dl ON dl.loser = p.left_key AND p.left_resource = ''
    LEFT JOIN dead dr ON dr.loser = p.right_key AND p.right_resource = ''
    WHERE CASE WHEN p.left_resource = '' AND p.right_resource = ''
        THEN coalesce(dl.winner, p.left_key) <> coalesce(dr.winner, p.right_key)
        ELSE (p.left_resource <> '' AND l.canonical IS NULL) OR (p.right_resource <> '' AND r.canonical IS NULL) END
    ORDER BY p.score DESC, p.id"""


def entity_with_identity(map: IntegrationMap, name: str) -> None:  # noqa: A002 - the word of the glossary
    """Refuse an entity that keeps no links.

    Raises:
        UnknownName: no such entity with ``identity``.
    """
    known = [n for n, e in map.entities.items() if e.identity is not None]
    if name not in known:
        raise UnknownName("entity with identity", name, known)


def links_of(store: Store, entity: str, *, key: str = "") -> pa.Table:
    """The current link table of an entity, ordered; with ``key`` only the ids that it names, as canonical id or own key."""
    with borrowed_duck() as con:
        load_links(con, store, entity)
        only = "WHERE canonical IN (SELECT canonical FROM links WHERE canonical = $key OR own_key = $key)" if key else ""
        query = f"SELECT {names(LINKS)} FROM links {only} ORDER BY canonical, resource, own_key"
        return con.execute(query, {"key": key} if key else None).to_arrow_table()


def proposals_of(store: Store, entity: str) -> pa.Table:
    """Proposals nobody has decided about and nothing else has settled, most alike first."""
    with borrowed_duck() as con:
        load_links(con, store, entity)
        load_proposals(con, store, entity)
        decided = [r["proposal"] for r in store.table("identity_decision").to_pylist() if r["entity"] == entity]
        if decided:
            con.executemany("DELETE FROM p WHERE id = ?", [[id_] for id_ in decided])
        return con.execute(_OPEN).to_arrow_table()


def load_proposals(con: duckdb.DuckDBPyConnection, store: Store, entity: str) -> None:
    """Fill table ``p`` with every proposal of the entity that still holds, the last word on each."""
    make_proposals_table(con)
    con.execute(f"CREATE OR REPLACE TABLE p AS {proposals_query(store, entity) or 'FROM proposals_new'}")


def agreed_rows(con: duckdb.DuckDBPyConnection, map: IntegrationMap, flow: Flow, store: Store, *, run: str, now: datetime) -> Cycle:  # noqa: A002
    """A cycle without systems: table ``golden0`` holds what is agreed in the flow."""
    cycle = Cycle(con, store, map, flow, map.entities[flow.entity], run, now, [], lambda sentence: None)
    load_state(cycle)
    return cycle


def find_duplicates(map: IntegrationMap, entity: str, store: Store, *, run: str, now: datetime) -> int:  # noqa: A002
    """Propose merges of agreed rows that a match rule takes for the same thing; returns how many are new.

    Raises:
        UnknownName: no such entity with ``identity``.
        UsageError: it has no match rules.
    """
    entity_with_identity(map, entity)
    identity = map.entities[entity].identity
    rules = [rule for rule in identity.match.values() if not rule.model] if identity else []
    if not rules:
        raise UsageError(f"entity '{entity}' has no match rules to find duplicates by.", expected="Give identity: match: in the map.")
    with borrowed_duck() as con:
        load_links(con, store, entity)
        load_proposals(con, store, entity)
        for flow in (f for f in map.flows.values() if f.entity == entity):
            cycle = agreed_rows(con, map, flow, store, run=run, now=now)
            key = f"CAST({quote(cycle.keys[0])} AS VARCHAR)"
            used = names(f for f in cycle.fields if f in {part for rule in rules for part in fields_of(rule)})
            cycle.sql("CREATE OR REPLACE TABLE present (side INTEGER, own VARCHAR, resource VARCHAR)")
            cycle.sql("CREATE OR REPLACE TABLE held_by (k VARCHAR, side BIGINT)")
            cycle.sql(f"""
                CREATE OR REPLACE TABLE node AS SELECT n, n AS side, k AS own, false AS known, k AS k0, k, * EXCLUDE (n, k) FROM (
                    SELECT row_number() OVER (ORDER BY {key}) AS n, {key} AS k, {used} FROM golden0
                    WHERE {key} NOT IN (SELECT loser FROM dead))""")
            make_rejected(cycle)
            for rule in rules:
                find_pairs(cycle, rule)
                _note(cycle, rule.name)
        count = cycle.count("SELECT count(*) FROM proposals_new")
        if count:
            sha = store.write_segment_from(con, "SELECT * FROM proposals_new ORDER BY ALL").sha
            body = {"entity": entity, "run": run, "count": count, "state": {"proposals": [sha]}}
            append(store, "identity.proposed", entity, body, run=run, now=now)
    return count


def _note(cycle: Cycle, rule: str) -> None:
    id_ = proposal_id(cycle, "'', lk, '', rk")
    cycle.sql(
        f"""
        INSERT INTO proposals_new SELECT {id_} AS id, '', lk, '', rk, {literal(rule)}, score, 'alike', $at, NULL, NULL FROM pair
        WHERE {id_} NOT IN (SELECT id FROM p UNION ALL SELECT id FROM proposals_new)
        ORDER BY score DESC, lk, rk LIMIT {LARGEST_BLOCK * 10}""",
        {"at": cycle.now},
    )
