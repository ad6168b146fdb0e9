"""What people decide about identity, and what the next run makes of it."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from accord.model.errors import UnknownName, UsageError
from accord.model.identity import Identity, MatchRule
from accord.sync.identity.decide import accept, merge_ids, reject, unmerge_ids
from accord.sync.identity.look import find_duplicates, links_of, proposals_of

BY_MAIL = MatchRule("mail", normalized=("email",))
People = Callable[..., Any]


def links(world: Any) -> dict[tuple[str, str], dict[str, Any]]:
    return {(r["resource"], r["own_key"]): r for r in links_of(world.store, "thing").to_pylist()}


def table(world: Any) -> list[tuple[Any, ...]]:
    return sorted((k, r["canonical"], r["retired"]) for k, r in links(world).items())


def decide(world: Any, what: Any, *given: str) -> Any:
    world.runs += 1
    return what(world.map, "thing", *given, world.store, by="ada", now=world.now)


@pytest.fixture
def apart(people: People) -> Any:
    """One person twice: crm 1 and shop k1 do not match, so both systems hold two rows."""
    world = people(BY_MAIL)
    world.sql("crm", "INSERT INTO things VALUES (1, 'Ada', 'ada@x.org', 'London')")
    world.sql("shop", "INSERT INTO things VALUES ('k1', 'Ada Lovelace', 'countess@x.org', 'Ockham')")
    world.sync()
    assert len(world.rows("crm")) == len(world.rows("shop")) == 2
    return world


def test_merged_ids_are_one_thing_and_what_loses_is_kept(apart: Any) -> None:
    """A merge must not lose the values of the id that goes."""
    one, two = links(apart)["crm/things", "1"]["canonical"], links(apart)["shop/things", "k1"]["canonical"]

    decide(apart, merge_ids, one, two)
    apart.sync()

    assert [json.loads(r["id"]) if r["id"].startswith("{") else r["id"] for r in apart.segments("golden")] == [one]
    lost = {(c["field"], c["losing_value"]) for c in apart.segments("conflicts") if c["rule"] == "identity"}
    assert lost == {("name", "Ada Lovelace"), ("email", "countess@x.org"), ("city", "Ockham")}
    apart.sql(
        "shop",
        "UPDATE things SET town = 'Paris' WHERE customer = ?",
        next(k[1] for k, r in links(apart).items() if not r["retired"] and "shop" in k[0]),
    )
    apart.sync()
    assert apart.rows("crm")[1][2] == "Paris"
    assert len(apart.rows("crm")) == 2  # the other row is left aside, not deleted
    assert not apart.sync().changed
    assert apart.reconcile().agrees


def test_unmerge_after_merge_is_as_before(apart: Any) -> None:
    """A wrong merge must be harmless."""
    before, rows = table(apart), (apart.rows("crm"), apart.rows("shop"))
    one, two = links(apart)["crm/things", "1"]["canonical"], links(apart)["shop/things", "k1"]["canonical"]
    decide(apart, merge_ids, one, two)
    apart.sync()

    decide(apart, unmerge_ids, two)
    apart.sync()

    assert table(apart) == before
    assert (apart.rows("crm"), apart.rows("shop")) == rows
    assert len(apart.segments("golden")) == 2
    assert not apart.sync().changed
    assert apart.reconcile().agrees


def test_a_row_given_to_another_gets_its_own_values_back(people: People) -> None:
    """Where only one of the two stood in a system, the merge overwrote its row; undoing it restores the values."""
    world = people(BY_MAIL, existence=("crm", "shop"), authority={"*": "crm"})
    world.sql("crm", "INSERT INTO things VALUES (1, 'Ada', 'ada@x.org', 'London')")
    world.sync()
    world.sql("crm", "INSERT INTO things VALUES (2, 'Adelaide', 'adelaide@x.org', 'Rome')")
    world.sync()
    one, two = (links(world)["crm/things", str(n)]["canonical"] for n in (1, 2))
    world.sql("crm", "DELETE FROM things WHERE cid = 2")
    world.map = without_deletes(world.map)
    world.sync()
    world.sql("shop", "DELETE FROM things WHERE customer = ?", "c-" + one)
    world.sync()

    decide(world, merge_ids, one, two)
    world.sync()
    assert world.rows("shop")["c-" + two][0] == "Ada"
    decide(world, unmerge_ids, two)
    world.sync()

    assert world.rows("shop")["c-" + two] == ("Adelaide", "adelaide@x.org", "Rome")
    assert world.rows("crm")[1] == ("Ada", "ada@x.org", "London")
    assert not world.sync().changed


def without_deletes(map_: Any) -> Any:
    return replace(map_, flows={"things": replace(map_.flows["things"], deletes="ignore")})


def test_an_accepted_proposal_links_and_releases_the_rows(people: People) -> None:
    """A decision of a person is what the waiting rows wait for."""
    world = people(MatchRule("name", normalized=("name",), decide="review"))
    world.sql("crm", "INSERT INTO things VALUES (1, 'Ada', 'ada@x.org', 'London')")
    world.sql("shop", "INSERT INTO things VALUES ('k1', 'ada', 'ada@y.org', 'London')")
    assert world.sync().waiting == 2
    (proposal,) = proposals_of(world.store, "thing").to_pylist()

    id_ = decide(world, accept, proposal["id"])
    result = world.sync()

    assert {r["canonical"] for r in links(world).values()} == {id_}
    assert (result.waiting, result.counts["released"]) == (0, 2)
    assert world.rows("shop")["k1"][:2] == ("Ada", "ada@x.org")
    assert not proposals_of(world.store, "thing").num_rows


def test_a_rejected_proposal_makes_two_things_and_never_comes_back(people: People) -> None:
    """Asking the same question again and again makes people stop reading the questions."""
    world = people(BY_MAIL)
    world.sql("crm", "INSERT INTO things VALUES (1, 'Ada', 'info@x.org', 'London'), (2, 'Eve', 'info@x.org', 'Rome')")
    assert world.sync().waiting == 1
    (proposal,) = proposals_of(world.store, "thing").to_pylist()

    decide(world, reject, proposal["id"])
    world.sync()

    assert sorted(r[0] for r in world.rows("shop").values()) == ["Ada", "Eve"]
    assert not proposals_of(world.store, "thing").num_rows
    assert find_duplicates(world.map, "thing", world.store, run="r", now=world.now) == 0


def test_a_proposal_that_no_longer_holds_is_withdrawn_though_its_row_still_waits(people: People, monkeypatch: pytest.MonkeyPatch) -> None:
    """To accept it would make one of two people who have nothing in common any more. Where they are alike again it is asked again."""
    world = people(MatchRule("mail", normalized=("email",)), MatchRule("name", normalized=("name",), decide="review"))
    world.sql("crm", "INSERT INTO things VALUES (1, 'Ada', 'ada@x.org', 'London'), (2, 'Eve', 'eve@x.org', 'Rome')")
    world.sync()
    ada, eve = (links(world)["crm/things", key]["canonical"] for key in "12")
    world.sql("shop", "INSERT INTO things VALUES ('k1', 'Ada', 'new@x.org', 'London')")

    def open_after(statement: str = "") -> list[tuple[str, str, str]]:
        if statement:
            world.sql("shop", statement)
        world.sync()
        rows = proposals_of(world.store, "thing").to_pylist()
        return sorted((p["id"], *sorted((p["left_key"], p["right_key"]))) for p in rows)

    (first,) = open_after()
    (second,) = open_after("UPDATE things SET full_name = 'Eve' WHERE customer = 'k1'")
    with pytest.raises(UnknownName, match=second[0]):
        decide(world, accept, first[0])
    monkeypatch.setattr("accord.sync.identity.links.MOST_SEGMENTS", 2)
    again = open_after("UPDATE things SET full_name = 'Ada' WHERE customer = 'k1'")
    gone = open_after("DELETE FROM things WHERE customer = 'k1'")

    assert set(first[1:]) == {ada, "k1"}
    assert set(second[1:]) == {eve, "k1"}
    assert again == [first]
    assert gone == []
    assert not world.sync().changed
    assert [r["position"] for r in world.store.table("identity_state").to_pylist() if r["role"] == "proposals"] == [0, 1]


def test_duplicates_among_what_is_agreed_are_proposed_once(people: People) -> None:
    """Rules may come later than the rows; a search over all that is agreed finds what no run looks at any more."""
    world = people()
    world.sql("crm", "INSERT INTO things VALUES (1, 'Ada', 'ada@x.org', 'London'), (2, 'Ada B', 'Ada@x.org', 'Rome')")
    world.sync()
    world.map = with_rule(world.map, BY_MAIL)

    assert find_duplicates(world.map, "thing", world.store, run="r", now=world.now) == 1
    assert find_duplicates(world.map, "thing", world.store, run="r", now=world.now) == 0
    (proposal,) = proposals_of(world.store, "thing").to_pylist()
    decide(world, accept, proposal["id"])
    world.sync()
    assert len(world.segments("golden")) == 1


def with_rule(map_: Any, rule: MatchRule) -> Any:
    return replace(map_, entities={"thing": replace(map_.entities["thing"], identity=Identity({rule.name: rule}))})


def test_an_accepted_duplicate_is_left_aside_and_takes_over_when_the_other_goes(people: People) -> None:
    """Cleaning up the «wrong» one of two rows in a system must not delete the person everywhere."""
    world = people(BY_MAIL)
    world.sql("crm", "INSERT INTO things VALUES (1, 'Ada', 'ada@x.org', 'London'), (2, 'Ada', 'ada@x.org', 'Rome')")
    world.sync()
    (proposal,) = proposals_of(world.store, "thing").to_pylist()
    decide(world, accept, proposal["id"])
    world.sync()
    assert len(world.rows("shop")) == 1

    world.sql("crm", "DELETE FROM things WHERE cid = 1")
    world.sync()

    assert [r[2] for r in world.rows("shop").values()] == ["Rome"]
    assert world.reconcile().agrees


def test_decisions_that_cannot_be_are_refused(apart: Any) -> None:
    """With the real alternatives in the message."""
    one, two = sorted({r["canonical"] for r in links(apart).values()})

    with pytest.raises(UnknownName, match="canonical id"):
        decide(apart, merge_ids, one, "nobody")
    with pytest.raises(UsageError, match="same already"):
        decide(apart, merge_ids, one, one)
    with pytest.raises(UnknownName, match="merged id"):
        decide(apart, unmerge_ids, two)
    with pytest.raises(UnknownName, match="proposal"):
        decide(apart, accept, "p0")


def test_rebuilt_projections_are_the_same(apart: Any) -> None:
    """Links rest on the log alone."""
    one, two = sorted({r["canonical"] for r in links(apart).values()})
    decide(apart, merge_ids, one, two)
    before = [apart.store.table(t) for t in ("identity_state", "identity_merge", "identity_decision")]

    apart.store.rebuild()

    assert [apart.store.table(t) for t in ("identity_state", "identity_merge", "identity_decision")] == before
    assert apart.store.verify_segments() == ()
