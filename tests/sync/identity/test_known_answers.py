"""Generated people with typos, of whom it is known who is who: how many are found, and how many of those found are right."""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from accord.model.entity import Field
from accord.model.flow import FieldMapping
from accord.model.identity import Identity, MatchRule
from accord.sync.identity.look import links_of

People = Callable[..., Any]
_SYLLABLES = [a + b for a in "bdfglmnrst" for b in ("a", "el", "o", "in")]


def _name(rng: random.Random) -> str:
    first = "".join(rng.choices(_SYLLABLES, k=rng.randint(2, 3)))
    last = "".join(rng.choices(_SYLLABLES, k=rng.randint(2, 4)))
    return f"{first.title()} {last.title()}"


def _typo(text: str, rng: random.Random) -> str:
    at = rng.randrange(1, len(text) - 1)
    kind = rng.randrange(4)
    if kind == 0:
        return text[:at] + text[at + 1 :]
    if kind == 1:
        return text[:at] + text[at + 1] + text[at] + text[at + 2 :]
    if kind == 2:
        return text[:at] + rng.choice("aeiou") + text[at:]
    return text[:at] + rng.choice("bcdfgh") + text[at + 1 :]


def _two_systems(count: int, seed: int) -> tuple[list[tuple[Any, ...]], list[tuple[Any, ...]], set[tuple[str, str]]]:
    """Rows (key, name, mail, postcode, born) of two systems, and the pairs that are one person: 60 % of them stand in both."""
    rng = random.Random(seed)
    left, right, truth = [], [], set()
    for n in range(count):
        name, postcode = _name(rng), f"{10000 + rng.randrange(count // 20):05}"
        born = f"19{rng.randrange(40, 99)}-{rng.randrange(1, 13):02}-11"
        mail = f"{name.replace(' ', '.').lower()}{n}@x.org"
        where = rng.random()
        if where < 0.8:
            left.append((f"L{n}", name, mail, postcode, born))
        if where >= 0.2:
            dirty = rng.random()
            # A third has the same mail, a third another mail but the same name in another spelling, a third a typo in the name as well.
            shown = name if dirty < 0.33 else name.upper() + " " if dirty < 0.66 else _typo(name, rng)
            right.append((f"R{n}", shown, mail.upper() if dirty < 0.33 else "", postcode, born if rng.random() < 0.9 else None))
        if 0.2 <= where < 0.8:
            truth.add((f"L{n}", f"R{n}"))
    rng.shuffle(right)
    return left, right, truth


RULES = (
    MatchRule("mail", normalized=("email",)),
    MatchRule("name", normalized=("name", "postcode"), agree=("born",)),
    MatchRule("alike", fuzzy={"name": "jaro_winkler 0.88"}, block=("postcode",), agree=("born",)),
)


@pytest.fixture
def registers(make_world: Any, people: People) -> Callable[..., tuple[Any, set[tuple[str, str]]]]:
    """Two registers of people, filled; what stands in both is given back."""

    def build(count: int, *rules: MatchRule, seed: int = 7) -> tuple[Any, set[tuple[str, str]]]:
        fields = [Field("id", required=True), Field("name"), Field("email"), Field("postcode"), Field("born", "date")]
        table = "CREATE TABLE things (code TEXT PRIMARY KEY, name TEXT, email TEXT, postcode TEXT, born TEXT)"
        own = {"own_key": "code", "fields": {f: FieldMapping(f) for f in ("name", "email", "postcode", "born")}}
        world = make_world({"left": table, "right": table}, fields, {"left": own, "right": own})
        entity = replace(world.map.entities["thing"], identity=Identity({r.name: r for r in rules}))
        world.map = replace(world.map, entities={"thing": entity})
        left, right, truth = _two_systems(count, seed)
        for system, rows in (("left", left), ("right", right)):
            with sqlite3.connect(world.folder / f"{system}.db") as db:
                db.executemany("INSERT INTO things VALUES (?, ?, ?, ?, ?)", rows)
            db.close()
        return world, truth

    return build


def found_pairs(world: Any) -> set[tuple[str, str]]:
    ids: dict[str, dict[str, str]] = {}
    for row in links_of(world.store, "thing").to_pylist():
        if row["rule"] != "made":
            ids.setdefault(row["canonical"], {})[row["resource"].partition("/")[0]] = row["own_key"]
    return {(both["left"], both["right"]) for both in ids.values() if len(both) == 2}


def measured(found: set[tuple[str, str]], truth: set[tuple[str, str]]) -> tuple[float, float]:
    right = len(found & truth)
    print(f"precision {right / len(found):.4f}, recall {right / len(truth):.4f} of {len(truth)} pairs")
    return right / len(found), right / len(truth)


@pytest.mark.parametrize("seed", [7, pytest.param(8, marks=pytest.mark.prove)])
def test_people_with_typos_are_found_and_hardly_anyone_is_confused(registers: Any, seed: int) -> None:
    """Precision first: a person not found is proposed or stands twice, a person confused is damage."""
    world, truth = registers(3000, *RULES, seed=seed)

    world.sync()

    precision, recall = measured(found_pairs(world), truth)
    assert precision >= 0.98
    assert recall >= 0.95


def test_links_are_a_function_and_one_to_one_within_a_system(registers: Any) -> None:
    """Two ids for one row, or two rows of a system for one id, would make every later write wrong."""
    world, _ = registers(2000, *RULES)

    world.sync()

    links = links_of(world.store, "thing").to_pylist()
    assert len({(x["resource"], x["own_key"]) for x in links}) == len(links)
    assert len({(x["resource"], x["canonical"]) for x in links}) == len(links)
    assert not world.sync().changed


@pytest.mark.prove
def test_a_trained_model_finds_them_as_well(registers: Any, caplog: pytest.LogCaptureFixture) -> None:
    """The optional model weighs what rules of thumb cannot; it must work with the library as it is, and say nothing of its own."""
    rule = MatchRule("model", model="splink", normalized=("born",), fuzzy={"name": "jaro_winkler 0.88"}, block=("postcode",))
    world, truth = registers(2500, RULES[0], rule)

    world.sync()

    precision, recall = measured(found_pairs(world), truth)
    assert precision >= 0.98
    assert recall >= 0.85
    assert not [r.getMessage() for r in caplog.records if r.name.startswith("splink")]


def test_a_model_is_trained_only_where_there_is_somebody_to_weigh(registers: Any) -> None:
    """No model can be made of people of one system whose names all differ; that is no reason to stop, and least in each later run."""
    rule = MatchRule("model", model="splink", normalized=("born",), fuzzy={"name": "jaro_winkler 0.88"}, block=("postcode",))
    world, _ = registers(0, rule)
    world.sql(
        "left", "INSERT INTO things VALUES ('L1', 'Ann Lee', NULL, '1000', '1970-01-11'), ('L2', 'Bo Fry', NULL, '1000', '1980-01-11')"
    )

    first, second = world.sync(), world.sync(whole=True)

    assert (first.status, sorted(row[0] for row in world.rows("right").values())) == ("done", ["Ann Lee", "Bo Fry"])
    assert not second.changed
