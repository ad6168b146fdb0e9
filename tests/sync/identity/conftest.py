"""Two systems with keys of their own for the same people."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from accord.model.entity import Field
from accord.model.flow import FieldMapping
from accord.model.identity import Identity, MatchRule

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
CRM = "CREATE TABLE things (cid INTEGER PRIMARY KEY, name TEXT, email TEXT, city TEXT)"
SHOP = "CREATE TABLE things (customer TEXT PRIMARY KEY, full_name TEXT, mail TEXT, town TEXT)"
FIELDS = [Field("id", required=True), Field("name"), Field("email"), Field("city")]
BY_MAIL = MatchRule("mail", normalized=("email",))


@pytest.fixture
def people(make_world: Any) -> Callable[..., Any]:
    """A world of ``crm`` (own whole-number key, next one) and ``shop`` (own text key), matched by the given rules."""

    def build(*rules: MatchRule, more: Mapping[str, Any] | None = None, **options: Any) -> Any:
        own: dict[str, dict[str, Any]] = {
            "crm": {"own_key": "cid", "new_key": "next", "fields": {f: FieldMapping(f) for f in ("name", "email", "city")}},
            "shop": {
                "own_key": "customer",
                "new_key": "'c-' || id",
                "fields": {
                    "name": FieldMapping("name", "full_name"),
                    "email": FieldMapping("email", "mail"),
                    "city": FieldMapping("city", "town"),
                },
            },
        }
        tables = {"crm": CRM, "shop": SHOP}
        for name, given in (more or {}).items():
            tables[name], own[name] = given
        world = make_world(tables, FIELDS, own, **options)
        entity = replace(world.map.entities["thing"], identity=Identity({r.name: r for r in rules}))
        world.map = replace(world.map, entities={"thing": entity})
        world.now = NOW
        return world

    return build
