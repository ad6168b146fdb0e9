"""A table or system with keys of its own that gets another name: its rows stay who they were, and nothing is made twice without a word."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from accord.connectors.registry import open_connector
from accord.model.errors import GuardStopped
from accord.model.flow import Binding
from accord.model.system import System


def rename(world: Any, bound_as: str = "crm", **said: Any) -> None:
    """Call the crm «sales» in the map; no rule would recognize its rows."""
    system, (flow,) = System("sales", "sqlite", "crm.db"), world.map.flows.values()
    bound: dict[str, Binding] = {}
    for name, binding in flow.bindings.items():
        bound |= {bound_as: replace(binding, name=bound_as, system="sales", **said)} if name == "crm" else {name: binding}
    systems = {n: s for n, s in world.map.systems.items() if n != "crm"} | {"sales": system}
    world.map = replace(world.map, systems=systems, flows={flow.name: replace(flow, bindings=bound, drift="evolve")})
    world.connectors["sales"] = open_connector(system, base=world.folder)


@pytest.fixture
def known(people: Callable[..., Any]) -> Any:
    """Ada and Bob in both systems, linked by nothing but the runs that made them."""
    world = people()
    world.sql("crm", "INSERT INTO things VALUES (1, 'Ada', 'ada@x.org', 'London')")
    world.sql("shop", "INSERT INTO things VALUES ('k7', 'Bob', 'bob@x.org', 'Rome')")
    world.sync()
    return world


def test_rows_of_a_renamed_system_are_not_taken_for_new_ones(known: Any) -> None:
    """Everybody known would be deleted everywhere, or made once more, and everybody there be somebody new."""
    rename(known)

    for dry_run in (True, False):
        with pytest.raises(GuardStopped, match="linked_as: crm/things"):
            known.sync(dry_run=dry_run)

    assert len(known.rows("crm")) == len(known.rows("shop")) == 2


def test_rows_stay_who_they_were_under_the_name_their_links_have(known: Any) -> None:
    """Edits and deletes go on reaching the same rows, also those made since."""
    rename(known, linked_as="crm/things")

    first = known.sync()
    known.sql("crm", "UPDATE things SET city = 'Paris' WHERE name = 'Bob'")
    known.sql("crm", "INSERT INTO things VALUES (9, 'Cy', 'cy@x.org', 'Oslo')")
    known.sync()

    assert first.counts["inserted"] == 0
    assert sorted((r[0], r[2]) for r in known.rows("shop").values()) == [("Ada", "London"), ("Bob", "Paris"), ("Cy", "Oslo")]
    assert len(known.rows("crm")) == 3
    assert known.reconcile().agrees


@pytest.mark.prove
def test_other_people_under_the_same_numbers_are_new_where_the_map_says_so(known: Any) -> None:
    """Another system took the place of the old one, and numbers its rows from one as well."""
    rename(known, "sales", linked_as="sales/things")
    known.sql("crm", "DELETE FROM things")
    known.sql("crm", "INSERT INTO things VALUES (1, 'Eva', 'eva@x.org', 'Ulm')")

    known.sync()

    assert sorted(r[0] for r in known.rows("shop").values()) == ["Ada", "Bob", "Eva"]
    assert sorted(r[0] for r in known.rows("crm").values()) == ["Ada", "Bob", "Eva"]


@pytest.mark.parametrize("edited", [3, 7])
def test_rows_under_keys_of_their_own_are_known_again_at_another_place(people: Callable[..., Any], edited: int) -> None:
    """A crm that was moved goes on; another crm's rows under the same numbers are not edits of ours."""
    world = people()
    for n in range(1, 11):
        world.sql("crm", "INSERT INTO things VALUES (?, ?, ?, 'Rome')", n, f"n{n}", f"{n}@x.org")
    world.sync()
    (world.folder / "crm.db").rename(world.folder / "moved.db")
    world.sql("moved", f"UPDATE things SET city = 'Oslo' WHERE cid <= {edited}")
    world.connectors["crm"] = open_connector(System("crm", "sqlite", "moved.db"), base=world.folder)

    if edited == 7:
        with pytest.raises(GuardStopped, match=r"'crm' is at another place .* of 10 rows agreed with it 7 are not there"):
            world.sync()
    else:
        assert world.sync().counts["updated"] == 3

    assert [r[2] for r in world.rows("shop").values()].count("Oslo") == (0 if edited == 7 else 3)
