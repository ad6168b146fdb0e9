"""Mapping and contract of one side as prepared statements over single rows: the same SQL as a run's, planned once.

Values come and go as text: as the system's server writes them on one side, as DuckDB casts canonical values to VARCHAR on the other. Both
casts give back what they were given.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass, replace

import duckdb

from accord.connectors.types import literal, quote
from accord.model.entity import Entity
from accord.model.flow import Binding
from accord.sync.cycle import storage_type
from accord.sync.judge.validate import row_checks
from accord.sync.live.agreed import Values
from accord.sync.live.plain import plain_rows
from accord.sync.mapping.fields import FieldCode, compile_field, raw_name
from accord.sync.state.finish import coarser

_names = itertools.count(1)
_RECENT = 5_000  # rows whose values are remembered: an echo of our own write comes back within milliseconds


@dataclass(frozen=True, slots=True)
class Wanted:
    """A row as a target is to hold it: ``native`` by column as text, ``shown`` by field as it will be read back.

    ``fits``: every value has room there, and the row keeps the contract.
    """

    native: dict[str, str | None]
    shown: dict[str, str | None]
    fits: bool


class SideRows:
    """One binding's rows, read and written.

    Args:
        con: a connection of the caller's; statements are prepared in it.
        entity: the canonical shape.
        binding: the side.
        types: DuckDB type of each column, as scanned.
    """

    def __init__(self, con: duckdb.DuckDBPyConnection, entity: Entity, binding: Binding, types: Mapping[str, str]) -> None:
        self._con, self._entity, self.binding = con, entity, binding
        self.codes: dict[str, FieldCode] = {
            name: compile_field(field, binding.fields[name], binding, types)
            for name, field in entity.fields.items()
            if name in binding.fields
        }
        self.key = tuple(self.codes[k].column for k in entity.key)
        self.written = tuple(c for c in self.codes.values() if c.writable and c.name not in entity.key)
        self._types = dict(types)
        self._recent: dict[tuple[str | None, ...], tuple[str | None, ...] | None] = {}
        stored = {*entity.key, *(c.name for c in self.written)}
        self._plain = plain_rows(entity, binding, self.codes, types, frozenset(stored))
        number = next(_names)
        self._read_name, self._want_name = f"read_{number}", f"want_{number}"
        con.execute(f"PREPARE {self._read_name} AS {self._read_sql()}")
        con.execute(f"PREPARE {self._want_name} AS {self._want_sql()}")

    @property
    def columns(self) -> tuple[str, ...]:
        """Columns this side's mapping uses."""
        return tuple(dict.fromkeys(c.column for c in self.codes.values()))

    def read(self, row: Mapping[str, str | None]) -> Values | None:
        """The canonical values of a row in the order of the entity's fields; ``None`` for one that a contract or a type refuses."""
        if self._plain is not None and (plain := self._plain.read(row)) is not None:
            return plain
        return self.asked(row)

    def asked(self, row: Mapping[str, str | None]) -> Values | None:
        """As ``read``, by DuckDB."""
        texts = tuple(row[c] for c in self._types)
        if texts in self._recent:
            values = self._recent.pop(texts)
        else:
            found = self._con.execute(f"EXECUTE {self._read_name}({', '.join(map(_literal, texts))})").fetchone()
            values = None if found is None or found[0] else found[1:]
        self._recent[texts] = values  # now the youngest
        if len(self._recent) > _RECENT:
            del self._recent[next(iter(self._recent))]
        return None if values is None else list(values)

    def as_stored(self, values: Values) -> dict[str, str | None] | None:
        """The row in which the system holds canonical values, in its own spelling; ``None`` when that is not certain."""
        found = self._plain.want(values) if self._plain is not None else None
        return found[0] if found is not None and found[0].keys() == self._types.keys() else None

    def want(self, merged: Values) -> Wanted:
        """What this side is to hold for a merged row."""
        if self._plain is not None and (plain := self._plain.want(merged)) is not None:
            return Wanted(*plain, fits=True)
        return self.asked_for(merged)

    def asked_for(self, merged: Values) -> Wanted:
        """As ``want``, by DuckDB."""
        given = ", ".join(map(_literal, merged))
        found = self._con.execute(f"EXECUTE {self._want_name}({given})").fetchone()
        assert found is not None
        bad, *values = found
        codes = self._stored
        native = dict(zip([c.column for c in codes], values[: len(codes)], strict=True))
        shown = dict(zip([c.name for c in codes], values[len(codes) :], strict=True))
        return Wanted(native, shown, not bad)

    def keeps(self, field: str, wanted: str | None, shown: str | None) -> bool:
        """Whether a value is what a system with less room keeps of another, as a run has it."""
        kind = storage_type(self._entity, field)
        pair = f"SELECT TRY_CAST({_literal(wanted)} AS {kind}) AS w, TRY_CAST({_literal(shown)} AS {kind}) AS z"
        return self._con.execute(f"SELECT coalesce({coarser(self._entity, field, 'w', 'z')}, false) FROM ({pair})").fetchall() == [(True,)]

    @property
    def _stored(self) -> tuple[FieldCode, ...]:
        return (*(self.codes[k] for k in self._entity.key), *self.written)

    def _read_sql(self) -> str:
        typed = ", ".join(f"TRY_CAST(t{n} AS {kind}) AS {quote(c)}, t{n}" for n, (c, kind) in enumerate(self._types.items()))
        given = ", ".join(f"${n + 1}::VARCHAR AS t{n}" for n in range(len(self._types)))
        lost = " OR ".join(f"(t{n} IS NOT NULL AND {quote(c)} IS NULL)" for n, c in enumerate(self._types))
        fields = ", ".join(
            f"CAST({self.codes[f].read if f in self.codes else 'NULL'} AS {storage_type(self._entity, f)}) AS {quote(f)}"
            for f in self._entity.fields
        )
        kept = "".join(f", {quote(c)} AS {quote(raw_name(c))}" for c in self._types)
        broken = " OR ".join(f"coalesce({check.broken}, false)" for check in row_checks(self._entity, self.codes)) or "false"
        shown = ", ".join(f"CAST({quote(f)} AS VARCHAR)" for f in self._entity.fields)
        inner = f"SELECT {fields}{kept}, ({lost}) AS _lost FROM (SELECT {typed} FROM (SELECT {given}))"
        return f"SELECT (_lost OR {broken}), {shown} FROM ({inner})"

    def _want_sql(self) -> str:
        names = list(self._entity.fields)
        given = ", ".join(f"${n + 1}::VARCHAR AS t{n}" for n in range(len(names)))
        typed = ", ".join(f"TRY_CAST(t{n} AS {storage_type(self._entity, f)}) AS {quote(f)}" for n, f in enumerate(names))
        # In the merged row every value is canonical already: only what the contract says of values and rules is asked.
        whole = {name: replace(code, broken="false") for name, code in self.codes.items()}
        broken = " OR ".join(f"coalesce({check.broken}, false)" for check in row_checks(self._entity, whole)) or "false"
        codes = self._stored
        native = ", ".join(f"CAST({c.write or 'NULL'} AS {self._types[c.column]}) AS {quote(c.column)}" for c in codes)
        kept = ", ".join(f"{quote(c.name)} AS {quote('m:' + c.name)}" for c in codes)
        unfit = " OR ".join(f"({quote('m:' + c.name)} IS NOT NULL AND {quote(c.column)} IS NULL)" for c in codes)
        texts = ", ".join(f"CAST({quote(c.column)} AS VARCHAR)" for c in codes)
        shown = ", ".join(f"CAST(CAST({c.read} AS {storage_type(self._entity, c.name)}) AS VARCHAR)" for c in codes)
        inner = f"SELECT {native}, {kept}, ({broken}) AS _bad FROM (SELECT {typed} FROM (SELECT {given}))"
        return f"SELECT (_bad OR {unfit}), {texts}, {shown} FROM ({inner})"


def _literal(value: str | None) -> str:
    # A bare NULL has a type of its own, and DuckDB plans a statement anew when a value comes in another type.
    return "NULL::VARCHAR" if value is None else literal(value)
