"""From a contract in ODCS 3 to entities of the map: the nodes of one are turned into the nodes of the other, which then meet every rule."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal, InvalidOperation
from typing import Final

from accord.mapfile.build import Builder
from accord.mapfile.odcs.imported import ContractProblems, ImportedContract
from accord.mapfile.odcs.properties import PropertyRead, read_property
from accord.mapfile.odcs.quality import Subject, read_quality
from accord.mapfile.odcs.reading import Reading, joined, put, says_something, word
from accord.mapfile.odcs.words import CONTRACT, DESCRIPTION, KIND, LATENCY, LEVEL, MEMBER, OBJECT, OWNER_ROLES, READ, UNIT_SECONDS
from accord.mapfile.problems import Problem, tidy
from accord.mapfile.rules import Facts, check_all
from accord.mapfile.shapes import sections
from accord.mapfile.source import Listing, Node, Scalar, Table, read_text
from accord.mapfile.variables import Variables
from accord.model.entity import Entity
from accord.model.errors import Place, alternatives
from accord.model.values import Duration

_ENVELOPE: Final = ("version", "apiVersion", "kind", "id", "status")
_DOCUMENT: Final = "Expected a document of ODCS 3 with kind, apiVersion and schema."
_ENDING: Final = frozenset({"deprecated", "retired"})


def import_contract(text: str, shown: str = "<contract>") -> ImportedContract:
    """The entities of a contract.

    Args:
        text: an ODCS document of version 3.0 to 3.2, as YAML or JSON.
        shown: name of the file, for the places in messages.

    Returns:
        One entity for each object of the schema, each meeting every rule of the map that needs nothing but the entity: references to
        other entities and teams are checked when it is added to a map.

    Raises:
        ContractProblems: with every mistake, each with file, line and what was expected.
    """
    problems: list[Problem] = []
    root = read_text(joined(text), shown, problems)
    if root is None:
        raise ContractProblems([replace(p, expected=_DOCUMENT) if "sections such as" in p.expected else p for p in problems])
    reading = Reading()
    reading.problems = problems
    _envelope(reading, root)
    entities = _entities(reading, root)
    freshness = _freshness(reading, root)
    built = _checked(reading, root, entities)
    if reading.problems:
        raise ContractProblems(tidy(reading.problems))
    return ImportedContract(built, freshness, reading.left_out(), reading.unchecked())


def _checked(reading: Reading, root: Table, entities: Table) -> tuple[Entity, ...]:
    """The nodes as entities, by the loader and the rules of the map; their mistakes are those of the contract's lines."""
    top = Table(root.place)
    put(top, "name", word("contract", root.place))
    put(top, "entities", entities)
    builder = Builder(Variables({}, {}), as_written=True)
    built = builder.build(top)
    reading.problems += builder.problems
    if not reading.problems:
        elsewhere = frozenset(sections())  # nothing is known of the map it will stand in
        reading.problems += check_all(Facts(built, builder.places, unread=elsewhere))
    return tuple(built.entities.values())


def _envelope(reading: Reading, root: Table) -> None:
    """What makes a document a contract of a version that is understood."""
    reading.keys(root, CONTRACT, "the contract")
    for name in _ENVELOPE:
        if reading.given(root, name) is None:
            reading.problem(root.place, f"the contract: '{name}' is missing.", "ODCS 3 requires version, apiVersion, kind, id and status.")
    kind, version = reading.scalar(root, "kind", "the contract"), reading.scalar(root, "apiVersion", "the contract")
    if kind is not None and kind.text != KIND:
        reading.problem(kind.place, f"the contract: kind '{kind.text[:60]}' is not read.", f"Expected kind: {KIND}.")
    if version is not None and version.text not in READ:
        reading.problem(version.place, f"the contract: apiVersion '{version.text[:60]}' is not read.", alternatives(version.text, READ))
    status = reading.scalar(root, "status", "the contract")
    if status is not None and status.text.strip().lower() in _ENDING:
        reading.leave(status.place, f"that its status is '{status.text.strip()}'", "the contract")
    reading.custom(root, CONTRACT, "the contract")


def _entities(reading: Reading, root: Table) -> Table:
    """The section ``entities`` as a node of the map."""
    objects = list(reading.tables(root, "schema", "the contract"))
    entities = Table(root.place)
    if reading.given(root, "schema") is None or (not objects and not reading.problems):
        reading.problem(root.place, "the contract: 'schema' holds no object.", "Expected schema: and one '- name: …' for each table.")
    owner = _owner(reading, root)
    for node in objects:
        name = reading.scalar(node, "name", "the contract, schema")
        if name is None or not name.text:
            reading.problem(node.place, "the contract, schema: an object has no name.", "Expected name: and the table's name.")
        elif name.text in entities.items:
            reading.problem(name.place, f"the contract, schema: '{name.text}' is given twice.", "Rename one of the two.")
        else:
            put(entities, name.text, _entity(reading, root, node, name, owner, alone=len(objects) == 1), name.place)
    if objects and len(objects) > 1:
        purpose = _description(reading, root, None)
        if purpose is not None:
            reading.leave(purpose.place, "'purpose', which could be that of any of its objects,", "the contract, description")
    return entities


def _entity(reading: Reading, root: Table, node: Table, name: Scalar, owner: Scalar | None, *, alone: bool) -> Table:
    holder = f"object '{name.text}'"
    _object_keys(reading, node, holder)
    names = {name.text, reading.text(node, "physicalName", holder)} - {""}
    found = [p for n in reading.tables(node, "properties", holder) if (p := read_property(reading, n, names, holder)) is not None]
    fields, entity = Table(node.place), Table(name.place)
    for one in found:
        if one.name in fields.items:
            reading.problem(
                one.place, f"{holder}: property '{one.name}' is given twice.", f"It stands at {fields.name_places[one.name]} already."
            )
        else:
            put(fields, one.name, one.field, one.place)
    if not found:
        reading.problem(node.place, f"{holder}: it has no properties.", "Expected properties: and one '- name: …' for each column.")
    identity = _key(reading, found, holder, name.place)
    put(entity, "key", identity)
    put(entity, "fields", fields)
    _about(reading, root, node, entity, name, alone=alone)
    for key, value in (("owner", owner), ("version", reading.scalar(root, "version", "the contract"))):
        if value is not None:
            put(entity, key, word(value.text, value.place))
    subject = Subject(
        names, rules=[rule for one in found for rule in one.rules], key=[k.text for k in identity.items if isinstance(k, Scalar)]
    )
    for check in reading.tables(node, "quality", holder):
        read_quality(reading, check, subject, holder)
    if subject.rules:
        put(entity, "rules", _numbered(subject.rules, node.place))
    if subject.checks:
        put(entity, "checks", _numbered(subject.checks, node.place))
    for relation in reading.tables(node, "relationships", holder):
        reading.weaken(relation.place, "a relationship of the whole object", holder)
    events = reading.custom(node, OBJECT, holder).get("accordEvents")
    if events is not None:
        put(entity, "events", events)
    return entity


def _object_keys(reading: Reading, node: Table, holder: str) -> None:
    """The keys of an object; that it is a table goes without saying."""
    kept = {k: v for k, v in node.items.items() if not (k == "physicalType" and isinstance(v, Scalar) and v.text.lower() == "table")}
    reading.keys(Table(node.place, node.size, kept, node.name_places), OBJECT, holder)
    logical = reading.scalar(node, "logicalType", holder)
    if logical is not None and logical.text != "object":
        reading.problem(logical.place, f"{holder}: logicalType '{logical.text[:60]}' is not possible here.", "Expected object.")


def _key(reading: Reading, found: list[PropertyRead], holder: str, place: Place) -> Listing:
    keyed = sorted((p.key_position, i, p) for i, p in enumerate(found) if p.key_position is not None)
    if not keyed and found:
        likely = [p.name for p in found if "unique" in p.field.items]
        meant = f" Did you mean '{likely[0]}', whose values are unique?" if likely else ""
        reading.problem(
            place, f"{holder}: no property is its primary key.", f"Expected primaryKey: true on the columns that identify a row.{meant}"
        )
        keyed = [(1, 0, found[0])]  # a stand-in, so that the rest is still checked
    return Listing(place, items=[word(p.name, p.place) for _, _, p in keyed])


def _about(reading: Reading, root: Table, node: Table, entity: Table, name: Scalar, *, alone: bool) -> None:
    """Title and description: the object's own; the contract's where it describes nothing else."""
    title = reading.scalar(node, "businessName", "the contract")
    called = reading.scalar(root, "name", "the contract")
    if title is None and alone and called is not None and called.text != name.text:
        title = called
    elif called is not None and called.text not in (name.text, title.text if title is not None else ""):
        reading.leave(called.place, f"the name of the contract, '{called.text[:60]}',", "the contract")
    if title is not None:
        put(entity, "title", word(title.text, title.place))
    own = reading.scalar(node, "description", "the contract")
    text = _description(reading, root, own) if alone else own
    if text is not None:
        put(entity, "description", word(text.text, text.place))


def _description(reading: Reading, root: Table, own: Scalar | None) -> Scalar | None:
    """The description of the one object: its own, or else the purpose of the contract."""
    given = reading.given(root, "description")
    table = reading.table(given, "the contract, description") if given is not None else None
    if table is None:
        return own
    reading.keys(table, DESCRIPTION, "the contract, description")
    purpose = reading.scalar(table, "purpose", "the contract, description")
    if purpose is None or own is None:
        return own or purpose
    if purpose.text != own.text:
        reading.leave(purpose.place, "'purpose'", "the contract, description")
    return own


def _owner(reading: Reading, root: Table) -> Scalar | None:
    """The team, or the one who has the role of owner; a list of members until 3.0, a team with members since 3.1."""
    team = reading.given(root, "team")
    if team is None:
        return None
    members: Node | None = team
    owner: Scalar | None = None
    if isinstance(team, Table):
        owner, members = reading.scalar(team, "name", "the contract, team"), reading.given(team, "members")
    people = [m for m in members.items if isinstance(m, Table)] if isinstance(members, Listing) else []
    if not isinstance(team, Table) and len(people) < (len(members.items) if isinstance(members, Listing) else 1):
        reading.problem(team.place, "the contract, team: a list of members is needed here.", "Expected '- username: …' and role: …")
    for member in people:
        name, role = reading.scalar(member, "username", "the contract, team"), reading.text(member, "role", "the contract, team")
        gone = says_something(member.items.get("dateOut") or Scalar(member.place))
        if name is not None and owner is None and role.strip().lower() in OWNER_ROLES and not gone:
            owner = name
            reading.keys(member, MEMBER, f"the contract, team, '{name.text[:60]}'")
        elif name is not None:
            reading.leave(member.place, f"the member '{name.text[:60]}'", "the contract, team")
    return owner


def _freshness(reading: Reading, root: Table) -> Duration | None:
    """The shortest latency promised; other service levels are named."""
    found: list[tuple[Duration, Place]] = []
    for level in reading.tables(root, "slaProperties", "the contract"):
        name = reading.text(level, "property", "the contract, slaProperties")
        value, unit = (
            reading.scalar(level, "value", "the contract, slaProperties"),
            reading.scalar(level, "unit", "the contract, slaProperties"),
        )
        if name.strip().lower() not in LATENCY or value is None:
            reading.leave(level.place, f"the service level '{name[:60]}'", "the contract")
            continue
        reading.keys(level, LEVEL, f"the contract, slaProperties, {name}")
        element = reading.scalar(level, "element", "the contract, slaProperties")
        if element is not None and "." in element.text:
            reading.leave(element.place, f"that it is measured on '{element.text[:60]}'", f"the contract, slaProperties, {name}")
        duration = _duration(reading, value, unit)
        if duration is not None:
            found.append((duration, level.place))
    found.sort(key=lambda pair: pair[0])
    for duration, place in found[1:]:
        if duration != found[0][0]:
            reading.leave(place, f"the longer latency {duration}", "the contract")
    return found[0][0] if found else None


def _duration(reading: Reading, value: Scalar, unit: Scalar | None) -> Duration | None:
    said = unit.text.strip().lower() if unit is not None else ""
    try:
        number = Decimal(value.text.strip())
        seconds = number * UNIT_SECONDS[said]
        if 0 <= seconds < 10**12 and seconds == seconds.to_integral_value():
            return Duration(int(seconds))
    except (InvalidOperation, KeyError):
        pass
    reading.problem(
        (unit or value).place,
        f"the contract, slaProperties: the latency '{value.text[:30]}' '{said[:30]}' is no length of time.",
        "Expected a number of whole seconds in all, and a unit of s, min, h, d or w (m could be months).",
    )
    return None


def _numbered(rules: list[tuple[str, Table]], place: Place) -> Table:
    """Rules under their names; a name that stands already gets a number, since ODCS does not keep names apart."""
    table = Table(place)
    for name, node in rules:
        free, count = name, 2
        while free in table.items:
            free, count = f"{name}_{count}", count + 1
        put(table, free, node)
    return table
