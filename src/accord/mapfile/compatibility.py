"""Two versions of a contract compared: what breaks those who rely on it, what does not, and whether the version says so.

A contract is relied on from two sides. Who writes rows relies on it that rows accepted yesterday are accepted today. Who reads them relies
on it that what a field means, and that it is there at all, stays. A change is *breaking* when it may take either away, *compatible* when
rows or readers gain something and none loses, *editorial* when only words for people changed.

Source:
    Semantic Versioning 2.0.0, items 4 and 6 to 8.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from dataclasses import field as dataclass_field
from decimal import Decimal, InvalidOperation
from typing import Final, Literal

from accord.model.entity import AggregateCheck, Entity, Field, Rule
from accord.model.errors import NOWHERE, Place, UsageError
from accord.model.types import CanonicalType

Level = Literal["breaking", "compatible", "editorial"]
_VERSION: Final = re.compile(r"v?(\d{1,9})(?:\.(\d{1,9}))?(?:\.(\d{1,9}))?(?:[-+].*)?")
ROWS: Final = "rows that were accepted before may be refused"
READERS: Final = "who reads it may lose what they rely on"
BOTH: Final = f"{ROWS}, and {READERS}"
_RANK: Final = {"stop": 2, "quarantine": 2, "report": 1}
_LEVELS: Final[tuple[Level, ...]] = ("breaking", "compatible", "editorial")


@dataclass(frozen=True, slots=True)
class ContractChange:
    """One difference of two contracts, in words; of a breaking one whom it hurts, and where the new contract says so."""

    level: Level
    sentence: str
    why: str = ""
    place: Place = dataclass_field(default=NOWHERE, compare=False)


@dataclass(frozen=True, slots=True)
class ContractVerdict:
    """An entity in both versions. ``wanted`` is the least version the changes ask for; ``good`` whether the new one is at least that."""

    entity: str
    old: str
    new: str
    changes: tuple[ContractChange, ...]
    wanted: str
    good: bool


def judge_contract(old: Entity, new: Entity, *, any_version: bool = False) -> ContractVerdict:
    """Whether the new contract's version says what changed.

    Breaking asks for the next major version (before 1.0.0 the next minor one), compatible for the next minor, editorial for nothing;
    a version never goes back.

    Args:
        any_version: take versions that are no three numbers, of which only another one says that something changed.

    Raises:
        UsageError: a version is no three numbers.
    """
    changes = tuple(sorted(compare_contracts(old, new), key=lambda c: _LEVELS.index(c.level)))
    if any_version and not (is_version(old.version) and is_version(new.version)):
        good = new.version != old.version or not changes or changes[0].level == "editorial"
        return ContractVerdict(new.name, old.version, new.version, changes, "another", good)
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


def is_version(text: str) -> bool:
    """Whether a text is a version that can be compared: major.minor.patch, or a beginning of it."""
    return _VERSION.fullmatch(text.strip()) is not None


def compare_contracts(old: Entity, new: Entity) -> Iterator[ContractChange]:
    """Every difference of two contracts of one entity, each with its level."""
    for change in _differences(old, new):
        yield replace(change, place=new.place) if change.place is NOWHERE else change


def _differences(old: Entity, new: Entity) -> Iterator[ContractChange]:
    if old.key != new.key:
        yield ContractChange("breaking", f"the key is ({', '.join(new.key)}) and was ({', '.join(old.key)})", BOTH)
    for name, field in old.fields.items():
        if name not in new.fields:
            yield ContractChange("breaking", f"field '{name}' is gone", READERS)
        else:
            yield from _placed(_field(field, new.fields[name]), new.fields[name].place)
    for name, field in new.fields.items():
        if name not in old.fields:
            needed = field.required or name in new.key
            sentence = f"field '{name}' is new" + (" and required" if needed else "")
            yield ContractChange("breaking" if needed else "compatible", sentence, ROWS if needed else "", field.place)
    yield from _rules(old, new)
    yield from _checks(old, new)
    if old.events != new.events:
        yield ContractChange("compatible", "the events its rows stand for changed")
    for what in ("title", "owner", "description"):
        if getattr(old, what) != getattr(new, what):
            yield ContractChange("editorial", f"{what} changed")


def _placed(changes: Iterable[ContractChange], place: Place) -> Iterator[ContractChange]:
    return (replace(change, place=place) for change in changes)


def _field(old: Field, new: Field) -> Iterator[ContractChange]:
    name = f"field '{old.name}'"
    if old.type != new.type:
        wider = _holds(CanonicalType.parse(new.type), CanonicalType.parse(old.type))
        yield _either(not wider, f"{name} is {new.type} and was {old.type}", BOTH)
    if old.unit != new.unit:
        yield ContractChange("breaking", f"{name} is in '{new.unit}' and was in '{old.unit}'", READERS)
    if old.separator != new.separator:
        were, are = (f"a set with '{f.separator}' between its items" if f.separator else "one text" for f in (old, new))
        yield ContractChange("breaking", f"{name} is {are} and was {were}", READERS)
    if old.required != new.required:
        said = "is required now" if new.required else "may be missing now, which readers did not have to expect"
        yield ContractChange("breaking", f"{name} {said}", ROWS if new.required else READERS)
    if old.values != new.values:
        gone, come = [v for v in old.values if v not in new.values], [v for v in new.values if v not in old.values]
        if not old.values or (gone and new.values):
            only = "" if old.values else f", only {', '.join(new.values)}"
            yield ContractChange("breaking", f"{name} no longer allows {', '.join(gone) or 'any value'}{only}", ROWS)
        elif come or not new.values:
            yield ContractChange("compatible", f"{name} allows {', '.join(come) or 'any value'} too")
    if old.pattern != new.pattern:
        yield _either(bool(new.pattern), f"{name} must match '{new.pattern}', before '{old.pattern}'", ROWS)
    for key, up in (("minimum", False), ("maximum", True)):
        yield from _limit(name, key, getattr(old, key), getattr(new, key), up=up)
    most = [1 if f.unique else f.at_most for f in (old, new)]
    if most[0] != most[1]:
        tighter = bool(most[1]) and (not most[0] or most[1] < most[0])
        sentence = f"{name}: at most {most[1] or 'any number of'} rows may hold a value, before {most[0] or 'any number'}"
        # Who joins on a unique field relies on it.
        yield _either(tighter or most[0] == 1, sentence, ROWS if tighter else READERS)
    if old.references != new.references:
        yield _either(bool(new.references), f"{name} refers to '{new.references}', before '{old.references}'", BOTH)
    if old.severity != new.severity:
        yield _either(new.severity == "quarantine", f"{name}: a breach is now '{new.severity}'", ROWS)
    if old.freshness != new.freshness:
        tighter = new.freshness is not None and (old.freshness is None or new.freshness < old.freshness)
        # Late rows are told, not refused; only who was promised fresher ones loses something.
        yield _either(not tighter, f"{name}: freshness is {new.freshness}, before {old.freshness}", READERS)
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
    yield _either(not looser, f"{name}: {key} is {new or 'none'}, before {old or 'none'}", ROWS)


def _either(breaks: bool, sentence: str, why: str) -> ContractChange:
    return ContractChange("breaking", sentence, why) if breaks else ContractChange("compatible", sentence)


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
            change = _either(later.severity == "quarantine", f"rule '{name}' asks for '{later.check}', before '{rule.check}'", ROWS)
            yield replace(change, place=later.place)
        else:
            yield from _placed(_severity(f"rule '{name}'", rule, later), later.place)
    for name, rule in new.rules.items():
        if name not in old.rules:
            change = _either(rule.severity == "quarantine", f"rule '{name}' is new: {rule.check}", ROWS)
            yield replace(change, place=rule.place)


def _checks(old: Entity, new: Entity) -> Iterator[ContractChange]:
    asks = ("aggregate", "at_least", "at_most", "equals", "where", "group_by")
    for name, check in old.checks.items():
        later = new.checks.get(name)
        if later is None:
            yield ContractChange("compatible", f"check '{name}' is gone")
        elif any(getattr(check, a) != getattr(later, a) for a in asks):
            yield replace(_either(later.severity == "stop", f"check '{name}' asks for something else", ROWS), place=later.place)
        else:
            yield from _placed(_severity(f"check '{name}'", check, later), later.place)
    for name, check in new.checks.items():
        if name not in old.checks:
            yield replace(_either(check.severity == "stop", f"check '{name}' is new: {check.aggregate}", ROWS), place=check.place)


def _severity(name: str, old: Rule | AggregateCheck, new: Rule | AggregateCheck) -> Iterator[ContractChange]:
    if old.severity != new.severity:
        yield _either(_RANK[new.severity] > _RANK[old.severity], f"{name}: severity is {new.severity}, before {old.severity}", ROWS)
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
