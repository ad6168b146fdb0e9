"""Counters, sets and texts that several systems edit, and runs that die: every edit is in the outcome, once.

The oracle knows nothing of merging: it counts what people did. A counter is what was added to it, a set what was put in and not taken out,
a text the lines as they were last written.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import pytest

from accord.model.entity import Field

TABLE = "CREATE TABLE things (id TEXT PRIMARY KEY, hits INTEGER, tags TEXT, note TEXT)"
FIELDS = [Field("id", required=True), Field("hits", "integer"), Field("tags", separator=";"), Field("note")]
FIRST_STEP, STEPS = 4, 12  # sentences of progress in a run, from the last reading to the end
LINES = 60


class Crash(BaseException):
    """The process ends here; nothing after it runs."""


class Life:
    """People at work in the systems, and what came of it."""

    def __init__(self, world: Any, systems: str, rng: random.Random, keys: int) -> None:
        self.world, self.systems, self.rng = world, systems, rng
        self.hits = {str(k): 100 for k in range(keys)}
        self.tags: dict[str, set[str]] = {str(k): {"first"} for k in range(keys)}
        self.lines: dict[str, list[str]] = {str(k): [f"line {n}" for n in range(LINES)] for k in range(keys)}
        self.edits = 0
        self.unwritten = {key: list(range(LINES)) for key in self.lines}
        note = "\n".join(f"line {n}" for n in range(LINES))
        for key in self.hits:
            world.sql(systems[0], "INSERT INTO things VALUES (?, 100, 'first', ?)", key, note)

    def work(self, edits: int) -> None:
        """Some edits: each adds to a counter, puts in or takes out an item somebody put in, or writes a line of its own."""
        for _ in range(edits):
            system, key = self.rng.choice(self.systems), self.rng.choice(list(self.hits))
            hits, tags, note = self.world.rows(system)[key]
            kind = self.rng.choice(["hits", "put", "take", "line"])
            self.edits += 1
            if kind == "hits":
                add = 1000 + 37 * self.edits  # no two sums of edits are the same by chance
                self.hits[key] += add
                self.world.sql(system, "UPDATE things SET hits = ? WHERE id = ?", hits + add, key)
            elif kind == "put":
                item = f"{system}{self.edits}"
                self.tags[key].add(item)
                self.world.sql(
                    system, "UPDATE things SET tags = ? WHERE id = ?", ";".join([*filter(None, (tags or "").split(";")), item]), key
                )
            elif kind == "take" and (there := sorted(set((tags or "").split(";")) & self.tags[key])):
                item = self.rng.choice(there)
                self.tags[key].discard(item)
                self.world.sql(
                    system, "UPDATE things SET tags = ? WHERE id = ?", ";".join(t for t in tags.split(";") if t != item) or None, key
                )
            elif kind == "line" and self.unwritten[key]:
                line = self.unwritten[key].pop(self.rng.randrange(len(self.unwritten[key])))
                self.lines[key][line] = f"edit {self.edits} in {system}"
                written = note.split("\n")
                written[line] = self.lines[key][line]
                self.world.sql(system, "UPDATE things SET note = ? WHERE id = ?", "\n".join(written), key)

    def crash(self, at: int) -> bool:
        """A run that dies when step ``at`` begins; false when it has fewer."""
        steps = 0

        def die(sentence: str) -> None:
            nonlocal steps
            if steps == at:
                raise Crash
            steps += 1

        try:
            self.world.sync(progress=die)
        except Crash:
            return True
        return False

    def check(self) -> None:
        """Every system shows what people did, and nothing is left to do."""
        self.world.sync()
        assert not self.world.sync().changed
        for system in self.systems:
            shown = self.world.rows(system)
            assert {k: row[0] for k, row in shown.items()} == self.hits, system
            assert {k: set(filter(None, (row[1] or "").split(";"))) for k, row in shown.items()} == self.tags, system
            assert {k: row[2].split("\n") for k, row in shown.items()} == self.lines, system


@pytest.fixture
def begin(make_world: Any) -> Callable[[str, int], Life]:
    def start(systems: str, seed: int, keys: int = 8, capture: str = "sweep") -> Life:
        options = {"authority": {"*": "merge"}, "empty_guard": "100%"}  # of a handful of sets many are empty at times
        world = make_world(dict.fromkeys(systems, TABLE), FIELDS, {n: {"capture": capture} for n in systems}, **options)
        life = Life(world, systems, random.Random(seed), keys)
        world.sync()
        return life

    return start


@pytest.mark.parametrize("systems", ["ab", pytest.param("abc", marks=pytest.mark.prove)])
def test_a_run_that_dies_between_any_two_steps_loses_and_doubles_no_edit(begin: Any, systems: str) -> None:
    """One system holds the sum of all edits, another does not: what is in it must be known, whatever is edited meanwhile.

    Every other time a second run dies as well while it takes up the first.
    """
    life = begin(systems, 1)

    for at in range(FIRST_STEP, STEPS + 1):
        life.work(12)
        died = life.crash(at)
        life.work(8)
        if at % 2:
            life.crash(STEPS + FIRST_STEP - at)
            life.work(5)
        if died:
            life.world.sync()

    life.check()


def test_the_same_name_typed_in_the_system_a_dead_run_never_reached_is_not_taken_for_its_write(make_world: Any) -> None:
    """Two people close the same case in both systems; the counter of the second system must not be read as a subtraction."""
    fields = [Field("id", required=True), Field("hits", "integer"), Field("note")]
    world = make_world(dict.fromkeys("ab", TABLE), fields, {n: {} for n in "ab"}, authority={"*": "a", "hits": "merge"})
    world.sql("a", "INSERT INTO things (id, hits, note) VALUES ('1', 100, 'open')")
    world.sync()
    world.sql("a", "UPDATE things SET hits = 105, note = 'closed'")

    def die(sentence: str) -> None:
        if sentence.endswith("writing b"):
            raise Crash

    with pytest.raises(Crash):
        world.sync(progress=die)
    world.sql("b", "UPDATE things SET note = 'closed'")
    world.sync()

    assert [world.sql(n, "SELECT hits, note FROM things") for n in "ab"] == [[(105, "closed")]] * 2


def die_again_and_again(life: Life, times: int) -> None:
    for _ in range(times):
        life.work(life.rng.randint(0, 20))
        life.crash(life.rng.randint(FIRST_STEP, STEPS))
    life.check()


def test_runs_that_were_told_what_moved_take_up_one_that_died(begin: Any) -> None:
    """Such a run looks at part of the keys; those of the broken one have to be among them."""
    die_again_and_again(begin("ab", 5, capture="cdc"), 5)


@pytest.mark.prove
@pytest.mark.parametrize("capture", ["sweep", "cdc"])
@pytest.mark.parametrize("seed", range(20))
def test_runs_that_die_one_after_the_other_lose_and_double_no_edit(begin: Any, seed: int, capture: str) -> None:
    """The long form: at random, again and again."""
    die_again_and_again(begin("abc"[: 2 + seed % 2], seed, capture=capture), 15)
