"""Tables, files and sheets whose owners change their columns, by the programs of ``native_systems`` and statements of their own.

A seat knows what each of its columns really holds, whatever it is called: that is more than a connector can know.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

SERVERS = ("postgresql", "mysql")
TABLES = ("sqlite", "duckdb", *SERVERS)
DECLARING = (*TABLES, "parquet")
# Field: how it is cut, its type as it is read then, and what each system declares; elsewhere nothing is declared.
CUTS: dict[str, tuple[str, str, dict[str, str]]] = {
    "name": ("short", "text", {"postgresql": "varchar(4)", "mysql": "varchar(4)", "sqlite": "VARCHAR(4)"}),
    "size": ("small", "integer", dict.fromkeys(TABLES, "smallint")),
    "rank": ("text", "text", dict.fromkeys(TABLES, "varchar(40)")),
    "price": ("whole", "number(6,0)", {**dict.fromkeys(TABLES, "decimal(6,0)"), "parquet": ""}),
    "seen": ("day", "date", {**dict.fromkeys(TABLES, "date"), "parquet": ""}),
}
COARSER = ("whole", "day")  # what another system gives is written in this form
POSTGRESQL = {
    "short": "left({}, 4)",
    "small": "least({}, 32767)",
    "text": "{}::text",
    "whole": "round({})",
    "day": "({} AT TIME ZONE 'UTC')::date",
}
Key = str
Row = dict[str, Any]


@dataclass
class Column:
    """One column as it stands: what it is called, and the field whose values it really holds."""

    name: str
    field: str | None
    type: str
    cut: str = ""  # how its type was narrowed
    anew: bool = False  # its values are not those that were agreed
    default: Any = None


Values = Callable[[Row, Column], Any]


def cut(how: str, value: Any) -> Any:
    """What a system makes of a value when the column gets a narrower type."""
    if value is None:
        return None
    if how == "short":
        return value[:4]
    if how == "whole":
        return value.quantize(Decimal(1), ROUND_HALF_UP)
    if how == "small":
        return min(value, 32767)
    return value.date() if how == "day" else str(value)


def normal(of: str, value: Any) -> Any:
    """A value as the field has it, however its column holds it."""
    if of in ("size", "rank") and isinstance(value, str) and value.isdigit():
        return int(value)
    if of == "seen" and isinstance(value, date) and not isinstance(value, datetime):
        return datetime(value.year, value.month, value.day, tzinfo=UTC)
    return value


def kept(row: Row, column: Column) -> Any:
    """The value that stood under the column's name."""
    return row.get(column.name)


@dataclass
class Seat:
    """One system, what people and runs put there, and what the map says of it."""

    name: str
    kind: str
    native: Any
    shapes: Any
    columns: list[Column]
    mapped: dict[str, str]  # field → column, as the map says
    rows: dict[Key, Row] = field(default_factory=dict)
    header: bytes = b""  # as it should be, where it was spoiled
    saved: dict[Key, Row] = field(default_factory=dict)  # values of fields before they were cut or dropped

    def __post_init__(self) -> None:
        self.types = {c.field: c.type for c in self.columns}
        if self.kind in TABLES:
            declared = type(self.native).declared
            self.native.declared = lambda name: self._declared(name) or declared(self.native, name)
        self._shape()
        self.native.make()

    def named(self, name: str) -> Column | None:
        return next((c for c in self.columns if c.name == name), None)

    def home(self, of: str | None) -> Column | None:
        """The column that really holds the field."""
        return next((c for c in self.columns if c.field == of), None)

    def sound(self) -> list[Column]:
        """Mapped columns that are as they were; the key's is not among them."""
        return [c for c in self.columns if c.field and c.field != "id" and self.mapped.get(c.field) == c.name and not (c.cut or c.anew)]

    def free(self, stem: str) -> str:
        """A name that no column has."""
        return next(name for n in range(1, 99) if self.named(name := f"{stem}{n}") is None)

    def read(self) -> dict[Key, Row]:
        found = self.native.read()
        rows = {row[self.native.shape.key[0]]: row for row in found}
        assert len(rows) == len(found), f"{self.name}: rows twice"
        return rows

    def look(self) -> None:
        self.rows = self.read()

    def rebuild(self, columns: list[Column], value: Values = kept) -> None:
        """The table or file anew, of these columns."""
        rows = [{c.name: value(row, c) for c in columns} for row in self.rows.values()]
        if self.kind in TABLES:
            self.native.run("DROP TABLE things")
        elif self.kind == "parquet":
            self.native.path.unlink()
        self.columns = columns
        self._shape()
        if self.kind in TABLES:
            self.native.make()
            for row in rows:
                self.native.put(row)
        else:
            self.native.save(rows)
        self.look()

    def add(self, column: Column, copy_of: str = "") -> None:
        """One more column: last in tables, with its default, empty or with the values of another."""
        columns, default = [*self.columns, column], f" DEFAULT '{column.default}'" if column.default is not None else ""

        def value(row: Row, c: Column) -> Any:
            return row.get(c.name) if c is not column else row[copy_of] if copy_of else column.default

        fill = [f"UPDATE things SET {self._q(column.name)} = {self._q(copy_of)}"] if copy_of else []
        self._alter(columns, value, f"ADD COLUMN {self._q(column.name)} {self._word(column.type)}{default}", *fill)

    def drop(self, column: Column) -> None:
        """Its values are kept as in a backup."""
        for key, row in self.rows.items() if column.field else ():
            self.saved.setdefault(key, {}).setdefault(str(column.field), row[column.name])
        self._alter([c for c in self.columns if c is not column], kept, f"DROP COLUMN {self._q(column.name)}")

    def rename(self, column: Column, name: str) -> None:
        old = column.name
        columns = [replace(c, name=name) if c is column else c for c in self.columns]
        to = f"RENAME COLUMN {self._q(old)} TO {self._q(name)}"
        self._alter(columns, lambda row, c: row.get(old if c.name == name else c.name), to)

    def exchange(self, one: Column, two: Column) -> None:
        """Two columns get each other's name."""
        first, second = one.name, two.name
        for old, new in ((first, "between"), (second, first), ("between", second)):
            column = self.named(old)
            assert column is not None
            self.rename(column, new)

    def retype(self, column: Column) -> None:
        """It gets a narrower or another type, and its values what the system makes of them."""
        how, type_, words = CUTS[str(column.field)]
        for key, row in self.rows.items():
            self.saved.setdefault(key, {}).setdefault(str(column.field), row[column.name])
        columns = [replace(c, type=type_, cut=how) if c is column else c for c in self.columns]
        name = self._q(column.name)
        said = {
            "postgresql": f"ALTER COLUMN {name} TYPE {words.get('postgresql')} USING {POSTGRESQL[how].format(name)}",
            "mysql": f"MODIFY {name} {words.get('mysql')}",
        }
        self._alter(columns, lambda row, c: cut(how, row[c.name]) if c.name == column.name else row.get(c.name), *_of(said, self.kind))

    def widen(self, column: Column) -> None:
        """Three decimal places in the place of two."""
        self.types[column.field] = "number(14,3)"
        columns = [replace(c, type="number(14,3)") if c is column else c for c in self.columns]
        name = self._q(column.name)
        said = {"postgresql": f"ALTER COLUMN {name} TYPE numeric(14,3)", "mysql": f"MODIFY {name} decimal(14,3)"}
        self._alter(columns, kept, *_of(said, self.kind))

    def spoil(self, n: int) -> None:
        """Let two columns of a CSV file have one name."""
        self.header, rest = self._headed()
        names = self.header.rstrip(b"\r").split(b",")
        names[n % len(names)] = names[n % len(names) - 1]
        self.native.path.write_bytes(b",".join(names) + (b"\r\n" if self.header.endswith(b"\r") else b"\n") + rest)

    def mend(self) -> None:
        """The header as it should be."""
        self.native.path.write_bytes(self.header + b"\n" + self._headed()[1])
        self.header = b""

    def _headed(self) -> tuple[bytes, bytes]:
        """First line of a file, with what of its end comes before the line feed, and the others."""
        header, _, rest = self.native.path.read_bytes().partition(b"\n")
        return header, rest

    def _alter(self, columns: list[Column], value: Values, *statements: str) -> None:
        if self.kind not in ("sqlite", *SERVERS) or not statements:
            self.rebuild(columns, value)
            return
        lax = "SET STATEMENT sql_mode = '' FOR " if self.kind == "mysql" else ""  # cuts what does not fit
        for one in statements:
            self.native.run(one if one.startswith("UPDATE") else f"{lax}ALTER TABLE things {one}")
        self.columns = columns
        self._shape()
        self.look()

    def _shape(self) -> None:
        key = self.home("id")
        assert key is not None
        self.native.shape = self.shapes({c.name: c.type for c in self.columns}, (key.name,))

    def _declared(self, name: str) -> str:
        column = self.named(name)
        return CUTS[column.field][2][self.kind] if column is not None and column.cut and column.field else ""

    def _word(self, type_: str) -> str:
        if self.kind not in TABLES:
            return ""
        word, bracket, rest = type_.partition("(")
        return "varchar(300)" if self.kind == "mysql" and word == "text" else str(self.native.words[word]) + bracket + rest

    def _q(self, name: str) -> str:
        return str(self.native.named(name)) if self.kind in TABLES else name


def _of(said: Mapping[str, str], kind: str) -> tuple[str, ...]:
    return (said[kind],) if kind in said else ()
