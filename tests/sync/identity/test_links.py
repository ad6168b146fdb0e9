"""Rows with own keys are tied to canonical ids, once and for all."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from accord.connectors.duck import borrowed_duck
from accord.lifecycle.assess.data_quality import check_contracts
from accord.lifecycle.assess.defects import create_table
from accord.lifecycle.observe import observe
from accord.model.errors import SystemUnreachable
from accord.model.flow import FieldMapping, Flow, Lookup
from accord.model.identity import MatchRule
from accord.sync.identity.look import links_of, proposals_of
from accord.sync.quality import quality

BY_MAIL = MatchRule("mail", normalized=("email",))
People = Callable[..., Any]


def linked(world: Any) -> dict[tuple[str, str], str]:
    return {(r["resource"], r["own_key"]): r["canonical"] for r in links_of(world.store, "thing").to_pylist()}


def fill(world: Any) -> None:
    world.sql("crm", "INSERT INTO things VALUES (1, 'Ada', 'ada@x.org', 'London'), (2, 'Bob', 'bob@x.org', 'Rome')")
    world.sql("shop", "INSERT INTO things VALUES ('k7', 'Ada L.', ' ADA@x.org', 'London'), ('k9', 'Cy', 'cy@x.org', 'Oslo')")


def test_rows_with_different_keys_and_the_same_mail_are_one_thing(people: People) -> None:
    """Without this every person would stand twice in both systems after the first run."""
    world = people(BY_MAIL)
    fill(world)

    world.sync()

    links = linked(world)
    assert links["crm/things", "1"] == links["shop/things", "k7"]
    assert len(set(links.values())) == 3
    assert sorted(r[0] for r in world.rows("crm").values()) == ["Ada", "Bob", "Cy"]
    assert sorted(r[0] for r in world.rows("shop").values()) == ["Ada", "Bob", "Cy"]
    assert world.reconcile().agrees


def test_whoever_looks_at_the_systems_knows_rows_by_their_links(people: People) -> None:
    """The proof beside a condition, quality, and the steps that read systems: these also before the first run, noting no link."""
    world = people(BY_MAIL)
    fill(world)
    flow = world.map.flows["things"]
    part = replace(flow.bindings["shop"], where="customer <> 'house'")
    mails = FieldMapping("email", "mail", lookup=Lookup(entity="thing", code="email", value="email"))
    other = replace(part, fields={"email": mails}, direction="read")
    flows = {"things": replace(flow, bindings={**flow.bindings, "shop": part}), "mails": Flow("mails", "thing", {"shop": other})}
    world.map = replace(world.map, flows=flows)

    with borrowed_duck() as con:
        create_table(con)
        seen = observe(world.map, world.connectors, con, world.store, now=world.now)
        check_contracts(seen)
        ids = [sorted(con.execute(f"SELECT {b.key_sql}, name FROM {b.table}").fetchall()) for b in seen.of_flow("things")]
    noted = linked(world)
    world.sync()

    assert not noted
    assert len({key for rows in ids for key, _ in rows}) == 3
    assert {key for rows in ids for key, _ in rows} == set(linked(world).values())
    assert world.reconcile().agrees
    found = quality(world.map, world.connectors, world.store, run="q", now=world.now, flows=["things"])
    assert not [c for c in found.checks if c.bad and c.dimension in ("mapping", "consistency")]


def test_a_second_run_writes_nothing_and_makes_no_link(people: People) -> None:
    """An own key that is known must never be taken for a new thing."""
    world = people(BY_MAIL)
    fill(world)
    world.sync()
    before = linked(world)

    result = world.sync()

    assert not result.changed
    assert linked(world) == before


def test_edits_and_deletes_reach_the_row_under_its_own_key(people: People) -> None:
    """The canonical id stands in no system, so every write has to find the way back."""
    world = people(BY_MAIL)
    fill(world)
    world.sync()
    world.sql("shop", "UPDATE things SET town = 'Paris' WHERE customer = 'k7'")
    world.sql("crm", "DELETE FROM things WHERE cid = 2")

    world.sync()

    assert world.rows("crm")[1] == ("Ada", "ada@x.org", "Paris")
    assert sorted(r[0] for r in world.rows("shop").values()) == ["Ada", "Cy"]
    assert world.reconcile().agrees


def test_a_new_row_gets_a_key_of_the_kind_its_system_has(people: People) -> None:
    """«next» counts on from the largest key, an expression is computed from canonical fields."""
    world = people(BY_MAIL)
    fill(world)

    world.sync()

    assert sorted(world.rows("crm")) == [1, 2, 3]
    bob = next(key for key, row in world.rows("shop").items() if row[0] == "Bob")
    assert bob == "c-" + linked(world)["crm/things", "2"]


def test_a_replay_on_an_empty_store_gives_the_same_ids(people: People, tmp_path: Any) -> None:
    """Ids are made of the founding key, so that nothing depends on the moment or the machine."""
    from accord.store import open_store

    world = people(BY_MAIL)
    fill(world)
    world.sync(dry_run=True)
    assert not linked(world)
    world.sync()
    first = linked(world)
    world.store.close()
    world.sql("crm", "DELETE FROM things WHERE cid = 3")
    world.sql("shop", "DELETE FROM things WHERE full_name = 'Bob'")
    world.store = open_store(tmp_path / "second.db", segments=tmp_path / "second")

    world.sync()

    assert linked(world) == first
    world.store.close()


def test_what_fits_more_than_one_waits_for_a_person(people: People) -> None:
    """A guess between two people with one mail address would mix their data beyond repair."""
    world = people(BY_MAIL)
    world.sql("crm", "INSERT INTO things VALUES (1, 'Ada', 'info@x.org', 'London')")
    world.sql("shop", "INSERT INTO things VALUES ('k1', 'Ada', 'info@x.org', ''), ('k2', 'Eve', 'info@x.org', '')")

    result = world.sync()

    assert not linked(world)
    assert result.counts["inserted"] == 0
    assert result.waiting == 3
    assert {(p["left_key"], p["right_key"]) for p in proposals_of(world.store, "thing").to_pylist()} == {
        ("1", "k1"),
        ("1", "k2"),
        ("k1", "k2"),
    }


def test_two_rows_of_one_system_are_never_one_thing_by_themselves(people: People) -> None:
    """The first goes on, the second waits: merging rows of one system is for people to decide."""
    world = people(BY_MAIL)
    world.sql("crm", "INSERT INTO things VALUES (1, 'Ada', 'ada@x.org', 'London'), (2, 'Ada', 'Ada@x.org', 'London')")

    world.sync()

    assert set(linked(world)) == {("crm/things", "1"), ("shop/things", next(iter(world.rows("shop"))))}
    assert len(world.rows("shop")) == 1
    assert [p["why"] for p in proposals_of(world.store, "thing").to_pylist()] == ["twice in one system"]


def test_three_systems_meet_in_one_id(people: People) -> None:
    """Closure: what matches in a chain is one thing, whichever rule or system says so."""
    desk = "CREATE TABLE things (uid TEXT PRIMARY KEY, name TEXT, city TEXT)"
    fields = {f: FieldMapping(f) for f in ("name", "city")}
    by_name = MatchRule("name", normalized=("name", "city"))
    world = people(BY_MAIL, by_name, more={"desk": (desk, {"own_key": "uid", "new_key": "uuid", "fields": fields})})
    fill(world)
    world.sql("desk", "INSERT INTO things VALUES ('u1', 'ADA  l', 'london'), ('u2', 'Zoe', 'Bern')")

    world.sync()

    links = linked(world)
    assert links["crm/things", "1"] == links["shop/things", "k7"] == links["desk/things", "u1"]
    assert len(world.rows("crm")) == len(world.rows("shop")) == len(world.rows("desk")) == 4
    assert not world.sync().changed


class Dying:
    """A connector whose system goes away at the first write."""

    def __init__(self, connector: Any) -> None:
        self._connector = connector

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connector, name)

    def apply(self, batch: Any) -> Any:
        raise SystemUnreachable("shop", "shop.db", "the system went away")


def test_a_run_that_dies_between_link_and_write_gives_nobody_two_ids(people: People) -> None:
    """The key given to a row that was never written has to be the one it gets in the end."""
    world = people(BY_MAIL)
    fill(world)
    whole = world.connectors["shop"]
    world.connectors["shop"] = Dying(whole)
    with pytest.raises(SystemUnreachable):
        world.sync()
    noted = linked(world)
    assert len(noted) == 6

    world.connectors["shop"] = whole
    world.sync()

    assert linked(world) == noted
    assert len(world.rows("crm")) == len(world.rows("shop")) == 3
    assert not world.sync().changed
    assert world.reconcile().agrees


class Late:
    """A connector before whose first write somebody else writes."""

    def __init__(self, connector: Any, before: Callable[[], object]) -> None:
        self._connector, self._before = connector, before

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connector, name)

    def apply_noted(self, batch: Any, noting: Any) -> Any:
        before, self._before = self._before, lambda: None
        before()
        return self._connector.apply_noted(batch, noting)


def test_a_number_somebody_else_took_first_links_nobody_to_them(people: People) -> None:
    """The next number was free when it was looked for. Whoever has it now is another person, and must not be written over."""
    world = people(BY_MAIL)
    fill(world)
    world.sync()
    world.sql("shop", "INSERT INTO things VALUES ('k8', 'Zoe', 'zoe@x.org', 'Bern')")
    (most,) = world.sql("crm", "SELECT max(cid) + 1 FROM things")[0]
    whole = world.connectors["crm"]
    world.connectors["crm"] = Late(whole, lambda: world.sql("crm", "INSERT INTO things VALUES (?, 'Eva', 'eva@x.org', 'Ulm')", most))

    world.sync()
    world.connectors["crm"] = whole
    world.sync()

    assert world.rows("crm")[most] == ("Eva", "eva@x.org", "Ulm")
    shown = [sorted(row[0] for row in world.rows(n).values()) for n in ("crm", "shop")]
    assert shown[0] == shown[1]
    assert {"Eva", "Zoe"} <= set(shown[0])
    assert not world.sync().changed
    assert world.reconcile().agrees


def test_a_column_that_was_away_and_is_made_anew_empties_nobody(people: People) -> None:
    """What is agreed stands under canonical ids and what is read under own ones, so that no value seemed to be another."""
    world = people(BY_MAIL, drift="evolve")
    fill(world)
    world.sync()
    world.sql("crm", "ALTER TABLE things DROP COLUMN city")
    world.sync()
    world.sql("crm", "ALTER TABLE things ADD COLUMN city TEXT")

    world.sync()

    for system in ("crm", "shop"):
        assert sorted((r[0].split()[0], r[2]) for r in world.rows(system).values()) == [("Ada", "London"), ("Bob", "Rome"), ("Cy", "Oslo")]
