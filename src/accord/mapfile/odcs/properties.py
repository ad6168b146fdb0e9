"""A property of a contract as a field of an entity."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

from accord.mapfile.odcs.patterns import to_whole
from accord.mapfile.odcs.quality import Subject, literal, read_quality, rule
from accord.mapfile.odcs.reading import Reading, put, says_something, word
from accord.mapfile.odcs.types import LOGICAL, physical_names, read_type
from accord.mapfile.odcs.words import OPTIONS, PERSONAL_WORDS, PROPERTY
from accord.mapfile.source import Listing, Node, Scalar, Table
from accord.model.errors import Place, alternatives
from accord.model.types import CanonicalType

_NUMBER: Final = re.compile(r"[-+]?[0-9]+(\.[0-9]+)?([eE][-+]?[0-9]+)?")
_NUMBERS: Final = frozenset({"integer", "number", "double"})
_RENAMED: Final = {
    "accordUnit": "unit",
    "accordPattern": "pattern",
    "accordReferences": "references",
    "accordAtMost": "at_most",
    "accordSeverity": "severity",
    "accordFreshness": "freshness",
}
_FOREIGN_KEY: Final = re.compile(r"[A-Za-z][A-Za-z0-9_]*\.[A-Za-z][A-Za-z0-9_]*")


@dataclass(slots=True)
class PropertyRead:
    """A field as a node of the map, with what of the property stands elsewhere in an entity: key and rules."""

    name: str
    place: Place
    field: Table
    key_position: int | None
    rules: list[tuple[str, Table]]


def read_property(reading: Reading, node: Table, objects: Collection[str], holder: str) -> PropertyRead | None:
    """One property, or ``None`` when it has no name."""
    name = reading.scalar(node, "name", holder)
    if name is None or not name.text:
        reading.problem(node.place, f"{holder}: a property has no name.", "Expected name: and the column's name.")
        return None
    holder = f"{holder}, property '{name.text}'"
    reading.keys(node, PROPERTY, holder)
    custom = reading.custom(node, PROPERTY, holder)
    field = Table(node.place)
    subject = Subject(objects, name.text, field)
    type_ = _type(reading, node, custom, holder)
    put(field, "type", type_)
    for key in ("required", "unique"):
        if reading.flag(node, key, holder):
            put(field, key, node.items[key], node.name_places[key])
    _meaning(reading, node, field, holder)
    _options(reading, node, custom, type_.text, subject, holder)
    _enum(reading, node, field, holder)
    _relationships(reading, node, field, holder)
    for check in reading.tables(node, "quality", holder):
        read_quality(reading, check, subject, holder)
    for ours, key in _RENAMED.items():
        value = reading.custom_text(custom, ours, holder)
        if value is not None:
            put(field, key, value)
    return PropertyRead(name.text, name.place, field, _key_position(reading, node, holder), subject.rules)


def _type(reading: Reading, node: Table, custom: dict[str, Node], holder: str) -> Scalar:
    options = reading.given(node, "logicalTypeOptions")
    format_ = reading.text(options, "format", holder) if isinstance(options, Table) else ""
    logical, physical = reading.text(node, "logicalType", holder), reading.text(node, "physicalType", holder)
    place = next((node.items[k].place for k in ("logicalType", "physicalType") if k in node.items), node.place)
    text = word("text", place)
    if logical and logical not in LOGICAL:
        reading.problem(place, f"{holder}: '{logical[:60]}' is no logical type of ODCS 3.", alternatives(logical, LOGICAL))
        return text
    if not logical and not physical:
        reading.leave(node.place, "that no type is declared (it becomes text)", holder)
    found = read_type(logical, physical, format_) if logical or physical else read_type("string", "", "")
    if not found.type:
        shown = alternatives(physical.lower().partition("(")[0], physical_names()).rpartition("Did you mean")
        meant = f" Did you mean{shown[2]}" if shown[1] else ""
        reading.problem(
            place,
            f"{holder}: the physical type '{physical[:60]}' has no canonical type.",
            f"Expected logicalType: one of {', '.join(LOGICAL)}.{meant}",
        )
        return text
    if found.left:
        reading.weaken(node.items["physicalType"].place if physical else place, found.left, holder)
    for inner in ("properties", "items"):
        part = node.items.get(inner)
        if part is not None and says_something(part):
            reading.weaken(node.name_places[inner], f"what stands inside of its JSON ('{inner}')", holder)
    return _as_ours(reading, custom, word(found.type, place), holder)


def _as_ours(reading: Reading, custom: dict[str, Node], standard: Scalar, holder: str) -> Scalar:
    """The type in the map's own writing, which must be the type the standard keys say: someone may have edited only one of them."""
    ours = reading.custom_text(custom, "accordType", holder)
    if ours is None:
        return standard
    try:
        if CanonicalType.parse(ours.text) == CanonicalType.parse(standard.text):
            return word(ours.text, ours.place)
    except ValueError:
        pass
    reading.problem(
        ours.place,
        f"{holder}: accordType says '{ours.text[:60]}', logicalType and physicalType say '{standard.text}'.",
        "Remove accordType, or make them agree.",
    )
    return standard


def _meaning(reading: Reading, node: Table, field: Table, holder: str) -> None:
    """What it is called and means, and whether it identifies a person."""
    name, text = reading.scalar(node, "businessName", holder), reading.scalar(node, "description", holder)
    if text is not None:
        put(field, "description", word(text.text, text.place))
        if name is not None and name.text != text.text:
            reading.leave(name.place, "'businessName'", holder)
    elif name is not None:
        put(field, "description", word(name.text, name.place))
    classification = reading.scalar(node, "classification", holder)
    if classification is not None and classification.text.strip().lower() in PERSONAL_WORDS:
        put(field, "personal", word("true", classification.place))
    elif classification is not None and classification.text:
        reading.leave(classification.place, f"the classification '{classification.text[:40]}'", holder)


def _options(reading: Reading, node: Table, custom: dict[str, Node], type_: str, subject: Subject, holder: str) -> None:
    """Limits and pattern; those a field has no word for become rules."""
    assert subject.into is not None
    given = reading.given(node, "logicalTypeOptions")
    options = Table(node.place) if given is None else reading.table(given, f"{holder}, logicalTypeOptions")
    if options is None:
        return
    reading.keys(options, OPTIONS, f"{holder}, logicalTypeOptions")
    pattern = reading.scalar(options, "pattern", holder)
    if pattern is not None:
        put(subject.into, "pattern", word(to_whole(pattern.text), pattern.place))
    for side, sign in (("minimum", ">"), ("maximum", "<")):
        _limit(reading, options, custom, type_, subject, side, sign, holder)
    for name, sign in (("minLength", ">="), ("maxLength", "<=")):
        length = reading.scalar(options, name, holder)
        if length is not None:
            _rule(reading, subject, name, f"length({subject.column}) {sign}", length, "integer", holder)
    multiple = reading.scalar(options, "multipleOf", holder)
    if multiple is not None and _NUMBER.fullmatch(multiple.text):
        check = f"{subject.column} % {multiple.text} = 0"
        subject.rules.append((f"{subject.name}_multipleOf", rule(multiple.place, check, dimension="validity")))
    elif multiple is not None:
        reading.problem(multiple.place, f"{holder}: multipleOf '{multiple.text[:60]}' is no number.", "Expected a number above 0.")


def _limit(
    reading: Reading, options: Table, custom: dict[str, Node], type_: str, subject: Subject, side: str, sign: str, holder: str
) -> None:
    assert subject.into is not None
    limit, exclusive = reading.scalar(options, side, holder), reading.scalar(options, f"exclusive{side.capitalize()}", holder)
    ours = reading.custom_text(custom, f"accord{side.capitalize()}", holder)
    if exclusive is not None and exclusive.text.strip().lower() == "true":
        exclusive, limit = limit, None  # 3.0: a flag beside the limit; since 3.1 the limit itself
    elif exclusive is not None and exclusive.text.strip().lower() == "false":
        exclusive = None
    if exclusive is not None:
        _rule(reading, subject, f"exclusive{side.capitalize()}", f"{subject.column} {sign}", exclusive, type_, holder)
    if ours is not None and (limit is None or _same(limit.text, ours.text)):
        put(subject.into, side, word(ours.text, ours.place))
    elif ours is not None and limit is not None:
        reading.problem(
            ours.place,
            f"{holder}: accord{side.capitalize()} says '{ours.text[:60]}', {side} says '{limit.text[:60]}'.",
            f"Remove accord{side.capitalize()}, or make them agree.",
        )
    elif limit is not None:
        put(subject.into, side, word(limit.text, limit.place))


def _same(one: str, other: str) -> bool:
    try:
        return float(one) == float(other)
    except ValueError:
        return one == other


def _rule(reading: Reading, subject: Subject, name: str, compare: str, limit: Scalar, type_: str, holder: str) -> None:
    """A rule that compares with a limit."""
    if type_.partition("(")[0] in _NUMBERS:
        if not _NUMBER.fullmatch(limit.text):
            reading.problem(limit.place, f"{holder}: {name} '{limit.text[:60]}' is no number.", "Expected a number.")
            return
        shown = limit.text
    else:
        shown = f"CAST({literal(limit.text)} AS {'DATE' if type_ == 'date' else 'TIMESTAMPTZ'})"
    subject.rules.append((f"{subject.name}_{name}", rule(limit.place, f"{compare} {shown}", dimension="validity")))


def _enum(reading: Reading, node: Table, field: Table, holder: str) -> None:
    """Listed values (since 3.2), each a value or a mapping that holds it."""
    values = []
    for position, item in enumerate(reading.items(node, "enum", holder)):
        inner = f"{holder}, enum, item {position + 1}"
        value = reading.scalar(item, "value", inner) if isinstance(item, Table) else item
        if isinstance(item, Table):
            for name in item.items:
                if name != "value":
                    reading.leave(item.name_places[name], f"'{name}' of a listed value", holder)
        if isinstance(value, Scalar) and not value.is_null:
            values.append(word(value.text, value.place))
        elif value is None or not isinstance(value, Scalar):
            reading.problem(item.place, f"{inner}: the value is missing.", "Expected value: and one value.")
    if values:
        put(field, "values", Listing(values[0].place, items=list(values)))


def _relationships(reading: Reading, node: Table, field: Table, holder: str) -> None:
    """The first foreign key (since 3.1) becomes the reference."""
    for position, relation in enumerate(reading.tables(node, "relationships", holder)):
        to = reading.given(relation, "to")
        kind = reading.text(relation, "type", holder) or "foreignKey"
        if position == 0 and kind == "foreignKey" and isinstance(to, Scalar) and _FOREIGN_KEY.fullmatch(to.text):
            put(field, "references", word(to.text, to.place))
        else:
            reading.weaken(relation.place, "a relationship that is no single foreign key 'object.property'", holder)


def _key_position(reading: Reading, node: Table, holder: str) -> int | None:
    """Where in the key it stands; large when only ``primaryKey`` is said, ``None`` when it is no key."""
    position = reading.scalar(node, "primaryKeyPosition", holder)
    if not reading.flag(node, "primaryKey", holder):
        return None
    if position is None or position.text == "-1":
        return 1_000_000
    if not position.text.isascii() or not position.text.isdigit() or len(position.text) > 6:
        reading.problem(
            position.place, f"{holder}: primaryKeyPosition '{position.text[:20]}' is no position.", "Expected 1 for the first key column."
        )
        return 1_000_000
    return int(position.text)
