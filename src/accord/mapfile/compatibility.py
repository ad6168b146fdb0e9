"""Two versions of a contract compared: what breaks those who rely on it, what does not, and whether the version says so.

A contract is relied on from two sides. Who writes rows relies on it that rows accepted yesterday are accepted today. Who reads them relies
on it that what a field means, and that it is there at all, stays. A change is *breaking* when it may take either away, *compatible* when
rows or readers gain something and none loses, *editorial* when only words for people changed.

Source:
    Semantic Versioning 2.0.0, items 4 and 6 to 8.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Final, Literal

from accord.model.entity import AggregateCheck, Entity, Field, Rule
from accord.model.errors import UsageError
from accord.model.types import CanonicalType

Level = Literal["breaking", "compatible", "editorial"]
_VERSION: Final = re.compile(r"v?(\d{1,9})(?:\.(\d{1,9}))?(?:\.(\d{1,9}))?(?:[-+].*)?")
_RANK: Final = {"stop": 2, "quarantine": 2, "report": 1}
_LEVELS: Final[tuple[Level, ...]] = ("breaking", "compatible", "editorial")


@dataclass(frozen=True, slots=True)
class ContractChange:
    """One difference of two contracts, in words."""

    level: Level
    sentence: str


@dataclass(frozen=True, slots=True)
class ContractVerdict:
    """An entity in both versions. ``wanted`` is the least version the changes ask for; ``good`` whether the new one is at least that."""

    entity: str
    old: str
    new: str
    changes: tuple[ContractChange, ...]
    wanted: str
    good: bool


def judge_contract(old: Entity, new: Entity) -> ContractVerdict:
    """Whether the new contract's version says what changed.

    Breaking asks for the next major version (before 1.0.0 the next minor one), compatible for the next minor, editorial for nothing;
    a version never goes back.

    Raises:
        UsageError: a version is no three numbers.
    """
    changes = tuple(sorted(compare_contracts(old, new), key=lambda c: _LEVELS.index(c.level)))
    before, after = _version(old), _version(new)
    worst = changes[0].level if changes else "editorial"
    major, minor, _ = before
    if worst == "editorial":
        wanted = before
    elif worst == "breaking" and major:
        wanted = (major + 1, 0, 0)
    else:
        wanted = (major, minor + 1, 0)
    return ContractVerdict(new.name, old.version, new.version, changes, ".".join(map(str, wanted)), after >= wanted)


def compare_contracts(old: Entity, new: Entity) -> Iterator[ContractChange]:
    """Every difference of two contracts of one entity, each with its level."""
    if old.key != new.key:
        yield ContractChange("breaking", f"the key is ({', '.join(new.key)}) and was ({', '.join(old.key)})")
    for name, field in old.fields.items():
        if name not in new.fields:
            yield ContractChange("breaking", f"field '{name}' is gone")
        else:
            yield from _field(field, new.fields[name])
    for name, field in new.fields.items():
        if name not in old.fields:
            needed = field.required or name in new.key
            yield ContractChange("breaking" if needed else "compatible", f"field '{name}' is new" + (" and required" if needed else ""))
    yield from _rules(old, new)
    yield from _checks(old, new)
    if old.events != new.events:
        yield ContractChange("compatible", "the events its rows stand for changed")
    for what in ("title", "owner", "description"):
        if getattr(old, what) != getattr(new, what):
            yield ContractChange("editorial", f"{what} changed")


def _field(old: Field, new: Field) -> Iterator[ContractChange]:
    name = f"field '{old.name}'"
    if old.type != new.type:
        wider = _holds(CanonicalType.parse(new.type), CanonicalType.parse(old.type))
        yield ContractChange("compatible" if wider else "breaking", f"{name} is {new.type} and was {old.type}")
    if old.unit != new.unit:
        yield ContractChange("breaking", f"{name} is in '{new.unit}' and was in '{old.unit}'")
    if old.required != new.required:
        said = "is required now" if new.required else "may be missing now, which readers did not have to expect"
        yield ContractChange("breaking", f"{name} {said}")
    if old.values != new.values:
        gone, come = [v for v in old.values if v not in new.values], [v for v in new.values if v not in old.values]
        if not old.values or (gone and new.values):
            yield ContractChange("breaking", f"{name} no longer allows {', '.join(gone) or 'any value'}")
        elif come or not new.values:
            yield ContractChange("compatible", f"{name} allows {', '.join(come) or 'any value'} too")
    if old.pattern != new.pattern:
        yield ContractChange("compatible" if not new.pattern else "breaking", f"{name} must match '{new.pattern}', before '{old.pattern}'")
    for key, up in (("minimum", False), ("maximum", True)):
        yield from _limit(name, key, getattr(old, key), getattr(new, key), up=up)
    most = [1 if f.unique else f.at_most for f in (old, new)]
    if most[0] != most[1]:
        tighter = bool(most[1]) and (not most[0] or most[1] < most[0])
        # Who joins on a unique field relies on it.
        level: Level = "breaking" if tighter or most[0] == 1 else "compatible"
        yield ContractChange(level, f"{name}: at most {most[1] or 'any number of'} rows may hold a value, before {most[0] or 'any number'}")
    if old.references != new.references:
        yield ContractChange(
            "breaking" if new.references else "compatible", f"{name} refers to '{new.references}', before '{old.references}'"
        )
    if old.severity != new.severity:
        yield ContractChange("breaking" if new.severity == "quarantine" else "compatible", f"{name}: a breach is now '{new.severity}'")
    if old.freshness != new.freshness:
        tighter = new.freshness is not None and (old.freshness is None or new.freshness < old.freshness)
        # Late rows are told, not refused; only who was promised fresher ones loses something.
        yield ContractChange("compatible" if tighter else "breaking", f"{name}: freshness is {new.freshness}, before {old.freshness}")
    for what in ("description", "personal"):
        if getattr(old, what) != getattr(new, what):
            yield ContractChange("editorial", f"{name}: {what} changed")


def _limit(name: str, key: str, old: str, new: str, *, up: bool) -> Iterator[ContractChange]:
    if _plain(old) == _plain(new):
        return
    if not old or not new:
        looser = not new
    else:
        before, after = _plain(old), _plain(new)
        same_kind = isinstance(before, type(after))
        looser = same_kind and ((after > before) if up else (after < before))  # type: ignore[operator]
    yield ContractChange("compatible" if looser else "breaking", f"{name}: {key} is {new or 'none'}, before {old or 'none'}")


def _plain(text: str) -> Decimal | str:
    try:
        return Decimal(text)
    except InvalidOperation:
        return text


def _rules(old: Entity, new: Entity) -> Iterator[ContractChange]:
    for name, rule in old.rules.items():
        later = new.rules.get(name)
        if later is None:
            yield ContractChange("compatible", f"rule '{name}' is gone")
        elif rule.check != later.check:
            level: Level = "breaking" if later.severity == "quarantine" else "compatible"
            yield ContractChange(level, f"rule '{name}' asks for '{later.check}', before '{rule.check}'")
        else:
            yield from _severity(f"rule '{name}'", rule, later)
    for name, rule in new.rules.items():
        if name not in old.rules:
            yield ContractChange("breaking" if rule.severity == "quarantine" else "compatible", f"rule '{name}' is new: {rule.check}")


def _checks(old: Entity, new: Entity) -> Iterator[ContractChange]:
    asks = ("aggregate", "at_least", "at_most", "equals", "where", "group_by")
    for name, check in old.checks.items():
        later = new.checks.get(name)
        if later is None:
            yield ContractChange("compatible", f"check '{name}' is gone")
        elif any(getattr(check, a) != getattr(later, a) for a in asks):
            yield ContractChange("breaking" if later.severity == "stop" else "compatible", f"check '{name}' asks for something else")
        else:
            yield from _severity(f"check '{name}'", check, later)
    for name, check in new.checks.items():
        if name not in old.checks:
            yield ContractChange("breaking" if check.severity == "stop" else "compatible", f"check '{name}' is new: {check.aggregate}")


def _severity(name: str, old: Rule | AggregateCheck, new: Rule | AggregateCheck) -> Iterator[ContractChange]:
    if old.severity != new.severity:
        level: Level = "breaking" if _RANK[new.severity] > _RANK[old.severity] else "compatible"
        yield ContractChange(level, f"{name}: severity is {new.severity}, before {old.severity}")
    if (old.reason, old.dimension) != (new.reason, new.dimension):
        yield ContractChange("editorial", f"{name}: reason or dimension changed")


def _holds(wider: CanonicalType, narrower: CanonicalType) -> bool:
    """Whether every value of a type is one of another, and means the same there."""
    if wider.name == "number" and narrower.name == "number":
        return wider.scale >= narrower.scale and wider.precision - wider.scale >= narrower.precision - narrower.scale
    return wider.name == "number" and narrower.name == "integer" and wider.precision - wider.scale >= 19


def _version(entity: Entity) -> tuple[int, int, int]:
    found = _VERSION.fullmatch(entity.version.strip())
    if found is None:
        raise UsageError(
            f"entity '{entity.name}': version '{entity.version}' is no version.",
            place=entity.place,
            expected="Expected major.minor.patch, such as 1.2.0.",
        )
    return int(found[1]), int(found[2] or 0), int(found[3] or 0)
