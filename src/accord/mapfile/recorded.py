"""A contract as the log holds it: what others rely on, as plain values and back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, replace
from typing import Any

from accord.model.entity import AggregateCheck, Entity, EventRule, Field, Rule
from accord.model.stated import stated, stated_print
from accord.model.values import Duration


def recorded(entity: Entity) -> Any:
    """The contract of an entity as plain values, without the keys that are at their default."""
    return stated(_relied_on(entity))


def contract_print(entity: Entity) -> str:
    """Fingerprint of what others rely on."""
    return stated_print(_relied_on(entity))


def entity_of(body: Mapping[str, Any]) -> Entity:
    """The entity that ``recorded`` laid out; keys that this program does not know are passed over."""
    parts = {"fields": Field, "rules": Rule, "checks": AggregateCheck}
    more: dict[str, Any] = {p: {n: _noun(kind, v) for n, v in body.get(p, {}).items()} for p, kind in parts.items()}
    more["events"] = tuple(_noun(EventRule, e) for e in body.get("events", ()))
    return _noun(Entity, {**body, **more})  # type: ignore[no-any-return]


def _relied_on(entity: Entity) -> Entity:
    """An entity without what says how its rows are recognized and whom they are about, which no row is refused for."""
    return replace(entity, identity=None, person="")


def _noun(kind: type, body: Mapping[str, Any]) -> Any:
    known = {f.name for f in fields(kind)}
    values: dict[str, Any] = {name: tuple(v) if isinstance(v, list) else v for name, v in body.items() if name in known}
    if "freshness" in values:
        values["freshness"] = Duration.parse(values["freshness"])
    return kind(**values)
