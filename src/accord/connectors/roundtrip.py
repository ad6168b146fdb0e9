"""Does every type survive a system? Written, read back and compared, value by value."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from accord.connectors.duck import open_duck
from accord.connectors.protocol import OLD, OP, ChangeBatch, Connector
from accord.connectors.types import duckdb_type, literal, quote
from accord.model.types import CanonicalType

# The ends of each range and the values that careless code changes.
VALUES: Final[dict[str, tuple[str, ...]]] = {
    "text": ("plain", 'two\nlines, "quoted"; it\'s ünï 🙂', " spaces ", "NULL", "=1+1", "007", "\\N", "tab\there"),
    "integer": ("0", "-9223372036854775808", "9223372036854775807", "9007199254740993"),
    "number(12,2)": ("0.10", "-9999999999.99", "9999999999.99", "1234567.80"),
    "number(38,9)": ("0.000000001", "-12345678901234567890123456789.987654321", "99999999999999999999999999999.999999999"),
    "double": ("0.1", "0.3333333333333333", "1e300", "-5e-324", "123456789.123456789"),
    "boolean": ("true", "false"),
    "date": ("1970-01-01", "2024-02-29", "9999-12-31", "0001-01-01"),
    "timestamp": ("2024-02-29 23:59:59.123456+00", "1999-12-31 23:00:00+00", "2024-03-31 01:30:00.5+00"),
    "uuid": ("00000000-0000-0000-0000-000000000000", "c0ffee00-1234-4321-abcd-0123456789ab"),
    "json": ('{"a": [1, 2.50, null, "ü\\n"], "b": {"c": true}}', "[]", '{"big": 12345678901234567890.125}', '"1"', "1", '""', "null"),
    "binary": ("\\x00\\xFF\\x0A", "abc"),
}


@dataclass(frozen=True, slots=True)
class TypeResult:
    """What became of the values of one type: ``wrong`` holds «written → read» of each that changed."""

    type: str
    values: int
    wrong: tuple[str, ...] = ()

    @property
    def survives(self) -> bool:
        """Whether every value came back as it was."""
        return not self.wrong


def self_test(connector: Connector, *, resource: str = "accord_self_test") -> list[TypeResult]:
    """Write values of every type into a scratch resource and read them back.

    Give it a system that may be written to: the resource is made and left there, empty.

    Args:
        connector: of the system to try.
        resource: name of the scratch resource.

    Returns:
        One result per type, in the order of ``VALUES``.
    """
    types = {name: CanonicalType.parse(name) for name in VALUES}
    columns = {name: name.replace("(", "_").replace(",", "_").replace(")", "") for name in types}
    connector.create(resource, {"id": CanonicalType("text")} | {columns[name]: type_ for name, type_ in types.items()}, ["id"])
    con = open_duck(threads=1)
    try:
        rows = max(len(values) for values in VALUES.values()) + 1  # the last row holds nulls only
        texts = "".join(f", [{', '.join(map(literal, values))}][i] AS {quote(columns[name])}" for name, values in VALUES.items())
        con.execute(f"CREATE TEMP TABLE texts AS SELECT 'row ' || i AS id{texts} FROM range(1, {rows + 1}) r(i)")
        casts = "".join(f", CAST({quote(c)} AS {duckdb_type(types[name])}) AS {quote(c)}" for name, c in columns.items())
        con.execute(f"CREATE TEMP TABLE wanted AS SELECT id{casts} FROM texts")
        olds = "".join(f", NULL AS {quote(OLD + c)}" for c in columns.values())
        _apply(connector, resource, tuple(columns.values()), con.execute(f"SELECT 'insert' AS {OP}, *{olds} FROM wanted").to_arrow_table())
        view = connector.scan(con, resource)
        results = []
        for name, values in VALUES.items():
            wanted, read = f"w.{quote(columns[name])}", f"TRY_CAST(r.{quote(columns[name])} AS {duckdb_type(types[name])})"
            if name == "json":
                wanted, read = f"canonical_json({wanted})", f"canonical_json(r.{quote(columns[name])})"
            wrong = con.execute(f"""
                SELECT w.{quote(columns[name])}, r.{quote(columns[name])}, r.id
                FROM wanted w LEFT JOIN {view} r ON r.id = w.id WHERE r.id IS NULL OR {wanted} IS DISTINCT FROM {read} ORDER BY w.id
            """).fetchall()
            found = (f"{given!r} → {'no row' if row is None else repr(back)}" for given, back, row in wrong)
            results.append(TypeResult(name, len(values) + 1, tuple(found)))
        held = "".join(f", {quote(c)}, {quote(c)} AS {quote(OLD + c)}" for c in columns.values())
        _apply(connector, resource, tuple(columns.values()), con.execute(f"SELECT 'delete' AS {OP}, id{held} FROM {view}").to_arrow_table())
        return results
    finally:
        con.close()


def _apply(connector: Connector, resource: str, columns: tuple[str, ...], rows: object) -> None:
    types = {c: type_ for c, type_ in zip(columns, map(CanonicalType.parse, VALUES), strict=True) if type_.name not in ("text", "binary")}
    connector.apply(ChangeBatch(resource, ("id",), columns, rows, "self-test", types=types))
