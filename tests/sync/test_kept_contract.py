"""A contract that is changed between two runs: told, and stopped where it breaks somebody under the same version."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import Any

import pytest

from accord.model.entity import Field
from accord.model.errors import GuardStopped, Place
from accord.sync.apply.plan import apply_plan, plan_flow
from accord.sync.judge.kept_contract import CHANGED, KEPT, UNSAID

WORDS = Field("size", place=Place("map.yaml", 7))
BROKEN = "field 'size' is text and was integer (map.yaml:7), which is breaking: rows that were accepted before may be refused"


def edit(world: Any, field: Field | None = None, *, version: str = "1.0.0", **flow: Any) -> None:
    """Put another contract, or another flow, into the world's map."""
    entity, things = world.map.entities["thing"], world.map.flows["things"]
    fields = entity.fields if field is None else {**entity.fields, field.name: field}
    edited = replace(entity, fields=fields, version=version)
    world.map = replace(world.map, entities={"thing": edited}, flows={"things": replace(things, **flow)})


def begun(world: Any) -> Any:
    """Two agreed rows, and a map that others rely on."""
    world.map = replace(world.map, status="approved")
    world.sql("a", "INSERT INTO things VALUES ('1', 'one', 10), ('2', 'two', 20)")
    world.sync()
    return world


def kept(world: Any) -> list[dict[str, Any]]:
    return [dict(stored.event.attributes) for stored in world.store.read(types=[KEPT])]


def told(result: Any) -> list[tuple[str, str]]:
    return [(f.kind, f.severity) for f in result.findings if f.kind in (CHANGED, UNSAID)]


def test_a_breaking_change_under_the_same_version_ends_the_run_until_the_version_says_so(two: Any) -> None:
    """Who reads the rows would learn of it by what breaks at night; a failed run must not make it the usual."""
    begun(two)
    edit(two, WORDS)
    two.sql("a", "UPDATE things SET name = 'uno' WHERE id = '1'")

    for _ in range(2):
        with pytest.raises(GuardStopped, match=r"Raise version of the entity to 2\.0\.0") as stopped:
            two.sync()
        assert BROKEN in str(stopped.value)
        with pytest.raises(GuardStopped):
            two.sync(dry_run=True)
    assert two.rows("b")["1"] == ("one", 10)
    edit(two, version="2.0.0")
    dry, result = two.sync(dry_run=True), two.sync()

    assert two.rows("b")["1"][0] == "uno"
    assert told(dry) == told(result) == [(CHANGED, "warning")]
    assert [(k["version"], k.get("before", {}).get("version"), len(k.get("changes", ()))) for k in kept(two)] == [
        ("1.0.0", None, 0),
        ("2.0.0", "1.0.0", 1),
    ]
    assert [told(two.sync()) for _ in range(2)] == [[], []]


@pytest.mark.parametrize("status", ["draft", "approved"])
def test_who_is_told_of_a_changed_column_is_told_of_the_version_an_approved_contract_needs(two: Any, status: Any) -> None:
    """To follow the first word and to be stopped by the next run for what it did not say wastes a release."""
    begun(two)
    two.map = replace(two.map, status=status)
    two.sql("a", "ALTER TABLE things DROP COLUMN size")
    two.sql("a", "ALTER TABLE things ADD COLUMN size TEXT DEFAULT 'many'")

    with pytest.raises(GuardStopped, match="any edit of the binding or the contract") as stopped:
        two.sync()

    assert ("with a higher version than 1.0.0, as the map is approved" in str(stopped.value)) is (status == "approved")


def test_drift_says_what_follows_from_a_breaking_change(two: Any) -> None:
    """Quarantine goes on and asks until somebody answers; evolve takes it, which is the way out for one run of any flow."""
    begun(two)
    edit(two, Field("size", "integer", minimum="15"), drift="quarantine")

    results = [two.sync() for _ in range(3)]

    assert [told(r) for r in results] == [[(UNSAID, "problem")]] * 3
    assert results[-1].waiting == 2
    assert len(kept(two)) == 1
    edit(two, drift="evolve")
    assert told(two.sync()) == [(CHANGED, "warning")]
    edit(two, drift="stop")
    assert told(two.sync()) == []
    assert len(kept(two)) == 2


@pytest.mark.parametrize("drift", ["stop", "quarantine"])
def test_a_draft_goes_on_and_tells_what_breaks(two: Any, drift: str) -> None:
    """Who is still finding the right types raises no version for each; nobody relies on what nobody approved."""
    begun(two)
    two.map = replace(two.map, status="draft")
    edit(two, WORDS, drift=drift)

    first, again = two.sync(), two.sync()

    assert told(first) == [(CHANGED, "warning")]
    sentence = next(f.sentence for f in first.findings if f.kind == CHANGED)
    assert BROKEN in sentence
    assert sentence.endswith("it goes on, as the map is a draft.")
    assert (told(again), len(kept(two))) == ([], 2)


def test_a_compatible_change_is_told_once_and_kept(two: Any) -> None:
    """Nobody loses by it, so nothing waits for it; words alone are not worth a line."""
    begun(two)
    edit(two, Field("size", "integer", description="in metres"))
    assert told(two.sync()) == []
    edit(two, Field("note"), version="1.1.0")

    first, again = two.sync(), two.sync()

    assert told(first) == [(CHANGED, "info")]
    assert "(version 1.1.0, before 1.0.0): field 'note' is new" in next(f.sentence for f in first.findings if f.kind == CHANGED)
    assert told(again) == []
    edit(two, Field("memo"), version="1.1.0")
    assert "must be at least 1.2.0" in next(f.sentence for f in two.sync().findings if f.kind == CHANGED)


def test_a_plan_judges_a_contract_and_its_application_keeps_it(two: Any) -> None:
    """A plan writes nothing, the log included; who works by plans alone is told as others are."""
    begun(two)
    edit(two, WORDS, version="2.0.0")
    two.sql("a", "UPDATE things SET name = 'uno' WHERE id = '1'")

    plan, looked = plan_flow(two.map, "things", two.connectors, two.store, run="plan", now=two.now)
    assert told(looked) == [(CHANGED, "warning")]
    assert len(kept(two)) == 1
    apply_plan(two.map, plan, two.connectors, two.store, run="apply", now=two.now)

    assert two.rows("b")["1"][0] == "uno"
    assert [k["version"] for k in kept(two)] == ["1.0.0", "2.0.0"]
    assert told(two.sync()) == []


def test_each_flow_is_held_against_the_contract_it_ran_under(two: Any) -> None:
    """Two flows over one entity may say different things: that one went on accepts nothing for the other."""
    first = two.map.flows["things"]
    two.map = replace(two.map, flows={"things": first, "others": replace(first, name="others", renamed_from="none")})
    begun(two)
    two.flow = "others"
    two.sync()
    assert len(kept(two)) == 1
    entities = {"thing": replace(two.map.entities["thing"], fields={**two.map.entities["thing"].fields, "size": WORDS})}
    two.map = replace(two.map, entities=entities, flows={**two.map.flows, "things": replace(first, drift="evolve")})
    two.flow = "things"
    assert told(two.sync()) == [(CHANGED, "warning")]

    two.flow = "others"
    with pytest.raises(GuardStopped, match="contract"):
        two.sync()


def test_drift_is_accepted_by_an_edit_and_by_no_newer_program(two: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A fingerprint of an earlier program took all keys with it; it is read as that program wrote it."""
    from accord.sync.capture import drift

    entity, binding = two.map.entities["thing"], two.map.flows["things"].bindings["b"]
    earlier = hashlib.sha256(repr((binding, entity.fields, entity.key)).encode()).hexdigest()[:16]
    with monkeypatch.context() as before:
        before.setattr(drift, "fingerprint", lambda cycle, side: earlier if side.name == "b" else "0" * 32)
        begun(two)
    two.sql("b", "ALTER TABLE things RENAME TO past")
    two.sql("b", "CREATE TABLE things (id TEXT PRIMARY KEY, name TEXT, size TEXT)")
    two.sql("b", "INSERT INTO things SELECT * FROM past")

    with pytest.raises(GuardStopped, match=r"column 'size' of b/things was INTEGER and is now TEXT"):
        two.sync()
    flow = two.map.flows["things"]
    noted = replace(flow.bindings["b"], changed_by="")
    assert drift.stated_print(noted) == drift.stated_print(flow.bindings["b"])


def test_a_store_without_a_kept_contract_keeps_it_silently(two: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """An earlier program left none; an upgrade is no change of the map."""
    from accord.sync import run

    with monkeypatch.context() as before:
        before.setattr(run, "judge_kept", lambda cycle, previous: None)
        begun(two)
        two.sync()
    assert kept(two) == []

    assert told(two.sync()) == []

    assert [k["version"] for k in kept(two)] == ["1.0.0"]
