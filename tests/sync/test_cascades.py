"""Targets whose foreign keys delete or empty rows by themselves, over several flows."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from accord.model.errors import GuardStopped
from accord.sync import flow_order
from accord.sync.apply.plans import apply_plans, plan_flows


def planned(family: Any) -> Any:
    with family.opened() as workspace:
        names = flow_order(workspace.map)
        given = (workspace.map, names, workspace.connectors(), workspace.store)
        return plan_flows(*given, run=f"plan{family.runs}", now=datetime.now(UTC))


def test_what_a_person_made_below_a_deleted_row_outlives_it(family: Callable[..., Any]) -> None:
    """The database of b would take it along unseen, and the next run carry that to all systems as a delete somebody made."""
    two = family(levels=("grands", "parents", "things"), rule="CASCADE")
    two.sql("a", "INSERT INTO grands VALUES ('g', ''), ('h', '')")
    two.sql("a", "INSERT INTO parents VALUES ('p', '', 'g'), ('q', '', 'h')")
    two.sql("a", "INSERT INTO things VALUES ('1', '', 'p'), ('2', '', 'p'), ('3', '', 'q')")
    assert not two.sync().failed
    for level, kept in (("things", "3"), ("parents", "q"), ("grands", "h")):
        two.sql("a", f"DELETE FROM {level} WHERE id <> '{kept}'")
    two.sql("b", "INSERT INTO things VALUES ('9', 'mine', 'p')")

    foreseen = [f.sentence for result in planned(two).results for f in result.findings if f.kind == "cascade"]
    ran = two.sync()

    stays = "1 row to be deleted there stays for as long as 1 row of 'parents' (ON DELETE CASCADE of up) points there"
    assert foreseen[0] == f"flow 'grands': b/grands: {stays}."
    assert two.keys("b") == {"grands": "gh", "parents": "pq", "things": "39"}
    assert two.sql("b", "SELECT * FROM things WHERE id = '9'") == [("9", "mine", "p")]
    assert [(r.status, r.counts["deleted"], r.counts["refused"]) for r in ran.results] == [
        ("partial", 0, 1),
        ("partial", 0, 1),
        ("done", 2, 0),
    ]
    assert "1 row of 'parents' would" in ran.results[0].findings[0].sentence
    two.sql("b", "DELETE FROM things WHERE id = '9'")
    assert [r.status for r in two.sync().results] == ["done"] * 3
    assert two.keys("b") == {"grands": "h", "parents": "q", "things": "3"}


def test_a_plan_deletes_in_the_same_order(family: Callable[..., Any]) -> None:
    """What it says of rows that wait for others holds until these are gone, which the same plan sees to."""
    two = family(rule="CASCADE")
    two.sql("a", "INSERT INTO parents VALUES ('p', ''), ('q', '')")
    two.sql("a", "INSERT INTO things VALUES ('1', '', 'p'), ('2', '', 'q')")
    assert not two.sync().failed
    two.sql("a", "DELETE FROM things WHERE id = '1'")
    two.sql("a", "DELETE FROM parents WHERE id = 'p'")

    plans = planned(two).plans
    with two.opened() as workspace:
        applied, _ = apply_plans(workspace.map, plans, workspace.connectors(), workspace.store, run="apply", now=datetime.now(UTC))

    assert [(r.status, r.counts["deleted"], r.counts["refused"]) for r in applied] == [("done", 1, 0), ("done", 1, 0)]
    assert two.keys("b") == {"parents": "q", "things": "2"}


def test_rows_that_go_along_where_the_map_allows_it_are_guarded_and_told(family: Callable[..., Any]) -> None:
    """One delete may be the end of a whole table that nobody counted."""
    two = family(rule="CASCADE", cascades="allow", guard="20%")
    two.sql("a", "INSERT INTO parents VALUES ('p', ''), ('q', '')")
    assert not two.sync().failed
    two.sql("b", f"INSERT INTO things VALUES {', '.join(str((str(n), '', 'p')) for n in range(6))}")
    two.sql("a", "DELETE FROM parents WHERE id = 'p'")

    ((_, stopped),) = two.sync("parents").failed
    ran = two.sync("parents", allow_deletes=True)

    assert isinstance(stopped, GuardStopped)
    assert "by foreign keys delete or empty 6 of 6 rows of 'things' in 'b'; 20% are allowed" in str(stopped)
    told = "with the rows deleted there the system itself deleted 6 rows of 'things' (ON DELETE CASCADE of up)"
    assert [f.sentence for f in ran.results[0].findings] == [f"flow 'parents': b/parents: {told}; nothing is kept of what they held."]
    assert two.keys("b") == {"parents": "q", "things": ""}
    with two.opened() as workspace:
        kept = [e.event.attributes["carried"] for e in workspace.store.read(types=["flow.run_finished"]) if "carried" in e.event.attributes]
    assert kept == [[{"binding": "b", "resource": "things", "column": "up", "rule": "CASCADE", "rows": 6}]]
