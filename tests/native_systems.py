"""Systems of every kind as their own programs see them: psycopg, pymysql, sqlite3, duckdb, pyarrow, openpyxl, json and plain text.

Nothing here shares code with a connector, so what is found in a system is what anybody else would find there.
"""

from __future__ import annotations

import base64
import json
import re
import sqlite3
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Context, Decimal
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import parse_qs, urlsplit
from uuid import UUID

import duckdb
import openpyxl
import psycopg
import pyarrow as pa
import pyarrow.parquet
import pymysql

TYPES = ("text", "integer", "number", "double", "boolean", "date", "timestamp", "uuid", "json", "binary")
EXACT = Context(prec=80)
Key = tuple[Any, ...]
Row = dict[str, Any]


@dataclass(frozen=True)
class Shape:
    """Columns and what they mean, in the words of an entity; ``key`` names some of them."""

    types: Mapping[str, str]
    key: tuple[str, ...]

    def key_of(self, row: Mapping[str, Any]) -> Key:
        return tuple(row[name] for name in self.key)


class Json(str):
    """A document as it was written, equal to every other spelling of the same document."""

    __slots__ = ()

    @property
    def meaning(self) -> Any:
        return _tagged(json.loads(self, parse_float=Decimal, parse_int=Decimal))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Json) and self.meaning == other.meaning

    def __ne__(self, other: object) -> bool:
        return not self == other

    __hash__ = None  # type: ignore[assignment]


def _tagged(value: Any) -> Any:
    """So that no true equals a one."""
    if isinstance(value, dict):
        return {name: _tagged(member) for name, member in value.items()}
    return [_tagged(item) for item in value] if isinstance(value, list) else (type(value).__name__, value)


class Native(ABC):
    """One system with the table, file, sheet or collection «things»."""

    kind: ClassVar[str]

    def __init__(self, at: str, shape: Shape) -> None:
        self.at = at
        self.shape = shape

    @abstractmethod
    def make(self) -> None:
        """Without rows."""

    @abstractmethod
    def read(self) -> list[Row]:
        """Every row, its values in the Python type that each stands for."""

    @abstractmethod
    def put(self, row: Row) -> None:
        """A new row."""

    @abstractmethod
    def change(self, key: Key, values: Row) -> None:
        """Some values of a row."""

    @abstractmethod
    def drop(self, key: Key) -> None:
        """The row is gone."""


class Database(Native):
    """By statements of SQL."""

    words: ClassVar[Mapping[str, str]]
    marks: ClassVar[Mapping[str, str]] = {}
    mark: ClassVar[str] = "?"
    reads: ClassVar[Mapping[str, str]] = {}
    more: ClassVar[str] = ""
    quote: ClassVar[str] = '"'

    @abstractmethod
    def run(self, statement: str, values: Iterable[Any] = ()) -> list[tuple[Any, ...]]:
        """Rows of one statement, committed."""

    def into(self, type_: str, value: Any) -> Any:
        return value

    def out(self, type_: str, value: Any) -> Any:
        return value.replace(tzinfo=UTC) if type_ == "timestamp" else bool(value) if type_ == "boolean" else value

    def declared(self, name: str) -> str:
        given = self.shape.types[name]
        word, bracket, arguments = ("number(38,9)" if given == "number" else given).partition("(")
        return self.words[word] + bracket + arguments

    def make(self) -> None:
        columns = [f"{self.named(n)} {self.declared(n)}{' NOT NULL' if n in self.shape.key else ''}" for n in self.shape.types]
        self.run(f"CREATE TABLE things ({', '.join(columns)}, PRIMARY KEY ({', '.join(map(self.named, self.shape.key))})){self.more}")

    def read(self) -> list[Row]:
        types = self.shape.types
        found = self.run(f"SELECT {', '.join(self.reads.get(_word(t), '{}').format(self.named(n)) for n, t in types.items())} FROM things")
        values = (zip(types.items(), row, strict=True) for row in found)
        return [{n: None if v is None else self._typed(t, v) for (n, t), v in row} for row in values]

    def put(self, row: Row) -> None:
        marks = ", ".join(self._mark(name) for name in row)
        self.run(f"INSERT INTO things ({', '.join(map(self.named, row))}) VALUES ({marks})", self._given(row))

    def change(self, key: Key, values: Row) -> None:
        sets = ", ".join(f"{self.named(name)} = {self._mark(name)}" for name in values)
        self.run(f"UPDATE things SET {sets} WHERE {self._where}", [*self._given(values), *self._key(key)])

    def drop(self, key: Key) -> None:
        self.run(f"DELETE FROM things WHERE {self._where}", self._key(key))

    def named(self, name: str) -> str:
        return self.quote + name + self.quote

    @property
    def _where(self) -> str:
        return " AND ".join(f"{self.named(name)} = {self._mark(name)}" for name in self.shape.key)

    def _mark(self, name: str) -> str:
        return self.marks.get(_word(self.shape.types[name]), self.mark)

    def _typed(self, type_: str, value: Any) -> Any:
        value = self.out(type_, value)
        return Json(value) if type_ == "json" else str(value) if type_ == "uuid" else value

    def _key(self, key: Key) -> list[Any]:
        return self._given(dict(zip(self.shape.key, key, strict=True)))

    def _given(self, row: Row) -> list[Any]:
        return [None if v is None else self.into(self.shape.types[n], str(v) if isinstance(v, Json) else v) for n, v in row.items()]


def _word(type_: str) -> str:
    return type_.partition("(")[0]


class Postgresql(Database):
    kind = "postgresql"
    words: ClassVar = dict(
        zip(
            TYPES,
            ("text", "bigint", "numeric", "double precision", "boolean", "date", "timestamptz", "uuid", "jsonb", "bytea"),
            strict=True,
        )
    )
    mark = "%s"
    marks: ClassVar = {"uuid": "%s::uuid", "json": "%s::jsonb", "text": "%s::text"}
    reads: ClassVar = {"json": "{}::text", "timestamp": "{} AT TIME ZONE 'UTC'"}

    def run(self, statement: str, values: Iterable[Any] = ()) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.at) as db:
            found = db.execute(statement.encode(), list(values))
            return found.fetchall() if found.description else []


class Mysql(Database):
    kind = "mysql"
    words: ClassVar = dict(
        zip(
            TYPES,
            (
                "longtext",
                "bigint",
                "decimal",
                "double",
                "tinyint(1)",
                "date",
                "datetime(6) COMMENT 'UTC'",
                "char(36)",
                "longtext",
                "longblob",
            ),
            strict=True,
        )
    )
    mark = "%s"
    quote = "`"
    more = " CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin"

    def run(self, statement: str, values: Iterable[Any] = ()) -> list[tuple[Any, ...]]:
        parts = urlsplit(self.at)
        where = {"unix_socket": parse_qs(parts.query)["unix_socket"][0], "user": parts.username, "database": parts.path[1:]}
        with pymysql.connect(**where, autocommit=True) as db, db.cursor() as cursor:
            cursor.execute(statement, list(values) or None)
            return list(cursor.fetchall())

    def declared(self, name: str) -> str:
        if name in self.shape.key and self.shape.types[name] == "text":
            return "varchar(300)"
        check = f" CHECK (json_valid({self.named(name)}))" if self.shape.types[name] == "json" else ""
        return super().declared(name) + check

    def into(self, type_: str, value: Any) -> Any:
        return value.replace(tzinfo=None) if type_ == "timestamp" else value


class Sqlite(Database):
    kind = "sqlite"
    words: ClassVar = dict(
        zip(TYPES, ("TEXT", "INTEGER", "DECIMAL", "REAL", "BOOLEAN", "DATE", "TIMESTAMP", "TEXT", "TEXT", "BLOB"), strict=True)
    )

    def run(self, statement: str, values: Iterable[Any] = ()) -> list[tuple[Any, ...]]:
        with closing(sqlite3.connect(self.at)) as db, db:
            return db.execute(statement, list(values)).fetchall()

    def declared(self, name: str) -> str:
        declared = super().declared(name)
        digits = re.search(r"\d+", declared)
        return "TEXT" if digits and int(digits[0]) > 15 else declared  # SQLite makes doubles of decimals

    def into(self, type_: str, value: Any) -> Any:
        if type_ == "timestamp":
            return value.replace(tzinfo=None).isoformat(" ")
        return value.isoformat() if type_ == "date" else f"{value:f}" if type_.startswith("number") else value

    def out(self, type_: str, value: Any) -> Any:
        return from_text(type_, str(value)) if type_.startswith(("number", "date", "timestamp")) else super().out(type_, value)


class Duckdb(Database):
    kind = "duckdb"
    words: ClassVar = dict(
        zip(TYPES, ("VARCHAR", "BIGINT", "DECIMAL", "DOUBLE", "BOOLEAN", "DATE", "TIMESTAMPTZ", "UUID", "JSON", "BLOB"), strict=True)
    )
    reads: ClassVar = {"json": "CAST({} AS VARCHAR)", "timestamp": "{} AT TIME ZONE 'UTC'"}

    def run(self, statement: str, values: Iterable[Any] = ()) -> list[tuple[Any, ...]]:
        with duckdb.connect(self.at) as db:
            db.execute("SET TimeZone = 'UTC'")
            return db.execute(statement, list(values)).fetchall()


class Whole(Native):
    """A file that its program reads, changes and writes anew as a whole."""

    @abstractmethod
    def save(self, rows: list[Row]) -> None:
        """In the place of what was there."""

    def make(self) -> None:
        self.save([])

    def put(self, row: Row) -> None:
        self.save([*self.read(), dict.fromkeys(self.shape.types) | row])

    def change(self, key: Key, values: Row) -> None:
        self.save([row | values if self.shape.key_of(row) == key else row for row in self.read()])

    def drop(self, key: Key) -> None:
        self.save([row for row in self.read() if self.shape.key_of(row) != key])


class Csv(Whole):
    """Nothing between separators is no value, ``""`` an empty text; the csv module of Python cannot tell them apart."""

    kind = "csv"

    @property
    def path(self) -> Path:
        return Path(self.at, "things.csv")

    def read(self) -> list[Row]:
        header, *lines = self._records(self.path.read_bytes().decode())
        return [
            {name: None if v is None else from_text(self.shape.types[name], v) for name, v in zip(header, line, strict=True) if name}
            for line in lines
        ]

    def save(self, rows: list[Row]) -> None:
        texts = [[as_text(self.shape.types[n], row[n]) for n in self.shape.types] for row in rows]
        lines = [",".join("" if t is None else '"' + t.replace('"', '""') + '"' for t in line) for line in [list(self.shape.types), *texts]]
        self.path.parent.mkdir(exist_ok=True)
        self.path.write_bytes("".join(line + "\r\n" for line in lines).encode())

    @staticmethod
    def _records(text: str) -> list[list[str | None]]:
        records: list[list[str | None]] = []
        at = 0
        while at < len(text):
            record: list[str | None] = []
            while True:
                value: str | None = None
                if text[at] == '"':
                    found = re.compile(r'"((?:[^"]|"")*)"').match(text, at)
                    assert found
                    value, at = found[1].replace('""', '"'), found.end()
                else:
                    plain = re.compile(r"[^,\r\n]*").match(text, at)
                    assert plain
                    value, at = plain[0] or None, plain.end()
                record.append(value)
                if text[at] != ",":
                    break
                at += 1
            at += 2 if text.startswith("\r\n", at) else 1
            records.append(record)
        return records


class JsonLines(Whole):
    kind = "jsonl"

    def read(self) -> list[Row]:
        lines = Path(self.at, "things.jsonl").read_bytes().split(b"\n")
        return [from_members(self.shape, json.loads(line, parse_float=Number, parse_int=Number)) for line in lines if line.strip()]

    def save(self, rows: list[Row]) -> None:
        Path(self.at).mkdir(exist_ok=True)
        Path(self.at, "things.jsonl").write_text("".join(members(self.shape, row) + "\n" for row in rows), encoding="utf-8", newline="\n")


class Parquet(Whole):
    kind = "parquet"
    words: ClassVar = {
        "text": pa.string(),
        "integer": pa.int64(),
        "double": pa.float64(),
        "boolean": pa.bool_(),
        "date": pa.date32(),
        "timestamp": pa.timestamp("us", "UTC"),
        "uuid": pa.string(),
        "json": pa.string(),
        "binary": pa.binary(),
    }

    @property
    def path(self) -> Path:
        return Path(self.at, "things.parquet")

    def read(self) -> list[Row]:
        found = pyarrow.parquet.read_table(self.path)
        rows = found.select(list(self.shape.types)).to_pylist()
        return [{n: None if v is None else self._out(self.shape.types[n], v) for n, v in row.items()} for row in rows]

    def save(self, rows: list[Row]) -> None:
        Path(self.at).mkdir(exist_ok=True)
        if self.path.exists():
            schema = pyarrow.parquet.read_schema(self.path)
        else:
            schema = pa.schema(
                [(n, self.words.get(t) or pa.decimal128(*map(int, re.findall(r"\d+", t) or (38, 9)))) for n, t in self.shape.types.items()]
            )
        texts = [{n: self._into(schema.field(n).type, self.shape.types[n], v) for n, v in row.items()} for row in rows]
        pyarrow.parquet.write_table(pa.Table.from_pylist(texts, schema), self.path)

    @staticmethod
    def _into(arrow: pa.DataType, type_: str, value: Any) -> Any:
        if value is None:
            return None
        if isinstance(value, Decimal):
            return value.quantize(Decimal(1).scaleb(-arrow.scale), context=EXACT)
        if type_ == "uuid" and isinstance(arrow, pa.UuidType):
            return UUID(value).bytes
        return str(value) if isinstance(value, Json) else value

    @staticmethod
    def _out(type_: str, value: Any) -> Any:
        return Json(value) if type_ == "json" else str(value) if type_ == "uuid" else value


class Workbook(Whole):
    """A program that, like Excel, writes numbers with all their digits."""

    kind = "xlsx"

    def read(self) -> list[Row]:
        header, *lines = openpyxl.load_workbook(self.at)["things"].iter_rows(values_only=True)
        return [
            {str(n): None if v is None else self._out(self.shape.types[str(n)], v) for n, v in zip(header, line, strict=True)}
            for line in lines
            if any(v is not None for v in line)
        ]

    def save(self, rows: list[Row]) -> None:
        book = openpyxl.Workbook()
        sheet = book.active
        sheet.title = "things"
        for line, row in enumerate([dict(zip(self.shape.types, self.shape.types, strict=True)), *rows], 1):
            for column, (name, type_) in enumerate(self.shape.types.items(), 1):
                value = row[name]
                if value is None:
                    continue
                value = self._into("text" if line == 1 else type_, value)
                cell = sheet.cell(line, column)
                if isinstance(value, str):
                    cell.value = "x"
                    openpyxl.cell.cell.Cell.check_string(cell, value)
                    cell._value = value  # whatever it begins with
                elif isinstance(value, float):
                    cell.value = 0
                    cell._value = repr(value)
                else:
                    cell.value = value
        book.save(self.at)

    @staticmethod
    def _into(type_: str, value: Any) -> Any:
        if type_ == "double":
            return value if value == 0 or 1e-300 < abs(value) < 1e300 else repr(value)
        if type_ in ("integer", "boolean") and abs(value) < 10**15:
            return value
        if type_.startswith("number") and len(str(value).lstrip("-").replace(".", "").strip("0")) <= 15 and 1e-9 < value.copy_abs() < 1e15:
            return float(value)
        if type_ == "date" and value >= date(1900, 3, 1):
            return value
        if type_ == "timestamp" and value >= datetime(1900, 3, 1, tzinfo=UTC) and value.microsecond % 1000 == 0:
            return value.replace(tzinfo=None)
        return as_text(type_, value)

    @staticmethod
    def _out(type_: str, value: Any) -> Any:
        if isinstance(value, str):
            return from_text(type_, value)
        if type_ == "date":
            assert (value.hour, value.minute, value.second) == (0, 0, 0)
            return value.date()
        if type_ == "timestamp":
            return value.replace(tzinfo=UTC)
        if type_.startswith("number"):
            return Decimal(repr(value))
        if type_ == "double":
            return float(value)
        assert type_ in ("integer", "boolean"), (type_, value)
        return value


class Rest(Native):
    """The collection of the API in ``tests/rest_server.py``, as its own users see it."""

    kind = "rest"
    api: Any

    def make(self) -> None:
        self.api.keys["things"] = self.shape.key
        self.api.rows["things"] = {}

    def read(self) -> list[Row]:
        loads = {"parse_float": Number, "parse_int": Number}
        return [from_members(self.shape, json.loads(_sent(item), **loads)) for item in self.api.rows["things"].values()]

    def put(self, row: Row) -> None:
        self.api.put_text("things", members(self.shape, dict.fromkeys(self.shape.types) | row))

    def change(self, key: Key, values: Row) -> None:
        row = next(row for row in self.read() if self.shape.key_of(row) == key)
        self.put(row | values)

    def drop(self, key: Key) -> None:
        row = json.loads(members(self.shape, dict(zip(self.shape.key, key, strict=True))), parse_int=str)
        self.api.remove("things", *(row[name] for name in self.shape.key))


def _sent(item: Any) -> str:
    """As the API writes it; its numbers are texts of a class of their own there."""
    if isinstance(item, dict):
        return "{" + ",".join(f"{json.dumps(n)}:{_sent(v)}" for n, v in item.items()) + "}"
    if isinstance(item, list):
        return "[" + ",".join(map(_sent, item)) + "]"
    return str(item) if type(item).__name__ == "Num" else json.dumps(item)


class Number(str):
    """A number of JSON, digit by digit."""

    __slots__ = ()


def members(shape: Shape, row: Row) -> str:
    """A row as one object: numbers, booleans, lists and objects of JSON, all else as text."""
    parts = []
    for name, value in row.items():
        word = _word(shape.types[name])
        text = as_text(word, value)
        plain = word in ("integer", "number", "double", "boolean") or (
            word == "json" and text is not None and text.lstrip()[:1] in ("[", "{")
        )
        parts.append(f"{json.dumps(name)}: {'null' if text is None else text if plain else json.dumps(text, ensure_ascii=False)}")
    return "{" + ", ".join(parts) + "}"


def from_members(shape: Shape, found: Mapping[str, Any]) -> Row:
    row: Row = {}
    for name, type_ in shape.types.items():
        value = found.get(name)
        word = _word(type_)
        if value is None:
            row[name] = None
        elif word == "boolean":
            assert isinstance(value, bool), value
            row[name] = value
        elif word in ("integer", "number", "double"):
            assert isinstance(value, Number), value
            row[name] = from_text(type_, value)
        else:
            assert not isinstance(value, (bool, Number)) or word == "json", value
            row[name] = from_text(type_, value if isinstance(value, str) else _written(value))
    return row


def _written(value: Any) -> str:
    if isinstance(value, Number):
        return str(value)
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(n)}: {_written(v)}" for n, v in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_written, value)) + "]"
    return json.dumps(value)


def as_text(type_: str, value: Any) -> str | None:
    """A value where a system has only texts."""
    if value is None:
        return None
    if type_ == "boolean":
        return "true" if value else "false"
    if type_ == "timestamp":
        return str(value.astimezone(UTC).isoformat().replace("+00:00", "Z"))
    if type_ == "date":
        return str(value.isoformat())
    if type_ == "binary":
        return base64.b64encode(value).decode()
    return repr(value) if type_ == "double" else f"{value:f}" if type_.startswith("number") else str(value)


def from_text(type_: str, text: str) -> Any:
    """What a text of a field of this type means, nothing where it is empty; fails for one that means nothing else."""
    word = _word(type_)
    if text == "" and word != "text":
        return None
    if word == "integer":
        assert re.fullmatch(r"-?\d+", text), text
        return int(text)
    if word == "number":
        return Decimal(text)
    if word == "double":
        return float(text)
    if word == "boolean":
        return {"true": True, "false": False}[text]
    if word == "date":
        return date.fromisoformat(text)
    if word == "timestamp":
        moment = datetime.fromisoformat(text)
        return moment.replace(tzinfo=moment.tzinfo or UTC)
    if word == "json":
        json.loads(text)
        return Json(text)
    if word == "binary":
        return base64.b64decode(text, validate=True)
    return text


KINDS: dict[str, type[Native]] = {
    kind.kind: kind for kind in (Postgresql, Mysql, Sqlite, Duckdb, Csv, JsonLines, Parquet, Workbook, Rest)
}  # fmt: skip
