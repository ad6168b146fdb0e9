"""Rows whose texts are canonical as they are: a side that holds every field unconverted and in the field's own type.

Such a row needs no engine to be read or written: its text is already what the engine would make of it. This knows only what is certain.
Any text in another spelling, and any row that a check of the contract might refuse, gives no answer here, and DuckDB is asked, whose
answer counts: see ``rows``. A test holds both to the same answers.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal, InvalidOperation

from accord.model.entity import Entity, Field
from accord.model.flow import Binding, FieldMapping
from accord.sync.cycle import storage_type
from accord.sync.live.agreed import Values
from accord.sync.mapping.fields import FieldCode

Texts = Mapping[str, str | None]
_SAME = {"TIMESTAMP WITH TIME ZONE": "TIMESTAMPTZ"}
_INTEGER = re.compile(r"0|-?[1-9][0-9]{0,17}")
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_MOMENT = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{0,5}[1-9])?\+00")
_DECIMAL_TYPE = re.compile(r"DECIMAL\(([0-9]+), ?([0-9]+)\)")
Spelled = Callable[[str], object]


@dataclass(frozen=True, slots=True)
class _Plain:
    place: int
    name: str
    column: str
    spelled: Spelled
    required: bool
    values: frozenset[str]
    least: Decimal | None
    most: Decimal | None

    def good(self, text: str | None) -> bool:
        """Whether the text is canonical and no check can refuse it."""
        if text is None:
            return not self.required
        if not self.spelled(text) or (self.values and text not in self.values):
            return False
        if self.least is None and self.most is None:
            return True
        number = Decimal(text)
        return (self.least is None or number >= self.least) and (self.most is None or number <= self.most)


class PlainRows:
    """The fields of a side that is wholly plain. Made by ``plain_rows``."""

    def __init__(self, fields: list[_Plain], total: int, stored: frozenset[str]) -> None:
        self._fields, self._total = fields, total
        self._stored = [field for field in fields if field.name in stored]

    def read(self, row: Texts) -> Values | None:
        """The canonical values of a row that is certainly good; ``None``: ask DuckDB."""
        values: Values = [None] * self._total
        for field in self._fields:
            text = values[field.place] = row[field.column]
            if not field.good(text):
                return None
        return values

    def want(self, merged: Values) -> tuple[dict[str, str | None], dict[str, str | None]] | None:
        """What the side is to hold for a merged row, by column and as it will be read back by field; ``None``: ask DuckDB."""
        if not all(field.good(merged[field.place]) for field in self._fields):
            return None
        native = {field.column: merged[field.place] for field in self._stored}
        return native, {field.name: merged[field.place] for field in self._stored}


def plain_rows(
    entity: Entity, binding: Binding, codes: Mapping[str, FieldCode], types: Mapping[str, str], stored: frozenset[str]
) -> PlainRows | None:
    """The side as plain rows, or ``None`` when something in it is converted or checked in ways this does not know.

    Args:
        entity: the contract.
        binding: the side.
        codes: its fields as compiled.
        types: DuckDB type of each column it reads.
        stored: fields it is told of a row.
    """
    if any(rule.severity == "quarantine" for rule in entity.rules.values()) or {code.column for code in codes.values()} != set(types):
        return None
    fields = []
    for place, (name, field) in enumerate(entity.fields.items()):
        if name not in codes:
            continue
        column, kept = codes[name].column, storage_type(entity, name)
        type_ = types[column].upper()
        spelled = _spelling(kept) if _SAME.get(type_, type_) == kept else None
        bounds = _bounds(field, kept)
        if spelled is None or bounds is None or not _unconverted(field, binding.fields[name]):
            return None
        required = field.required or name in entity.key
        fields.append(_Plain(place, name, column, spelled, required, frozenset(field.values), *bounds))
    return PlainRows(fields, len(entity.fields), stored)


def _unconverted(field: Field, mapping: FieldMapping) -> bool:
    same = FieldMapping(mapping.name, column=mapping.column, direction=mapping.direction)
    return mapping == same and not field.unit and not field.separator and not field.pattern


def _bounds(field: Field, kept: str) -> tuple[Decimal | None, Decimal | None] | None:
    """The limits of a number; ``None`` when there are some that a plain comparison might take otherwise than DuckDB."""
    if not field.minimum and not field.maximum:
        return None, None
    found = _DECIMAL_TYPE.fullmatch(kept)
    if found is None and kept != "BIGINT":
        return None
    scale = int(found[2]) if found else 0
    limits: list[Decimal | None] = []
    for text in (field.minimum, field.maximum):
        try:
            limit = Decimal(text) if text else None
        except InvalidOperation:
            return None
        if limit is not None and (not limit.is_finite() or limit != round(limit, scale)):
            return None  # DuckDB would round it first
        limits.append(limit)
    return limits[0], limits[1]


def _spelling(kept: str) -> Spelled | None:
    """Whether a text is the one that DuckDB writes for a value of a type."""
    if kept == "VARCHAR":
        return lambda text: "\0" not in text
    if kept == "BIGINT":
        return _INTEGER.fullmatch
    if kept == "UUID":
        return _UUID.fullmatch
    if kept == "BOOLEAN":
        return frozenset({"true", "false"}).__contains__
    if kept == "DATE":
        return lambda text: _DATE.fullmatch(text) and _is(date.fromisoformat, text)
    if kept == "TIMESTAMPTZ":
        return lambda text: _MOMENT.fullmatch(text) and _is(datetime.fromisoformat, text)
    found = _DECIMAL_TYPE.fullmatch(kept)
    if found is None or int(found[2]) == 0 or int(found[1]) <= int(found[2]):
        return None
    whole, scale = int(found[1]) - int(found[2]), int(found[2])
    pattern = re.compile(rf"(?!-0\.0+\Z)-?(0|[1-9][0-9]{{0,{whole - 1}}})\.[0-9]{{{scale}}}")
    return pattern.fullmatch


def _is(parse: Callable[[str], object], text: str) -> bool:
    try:
        parse(text)
    except ValueError:
        return False
    return True
