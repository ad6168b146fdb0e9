"""A condition of the map as SQL of another engine, where it certainly means the same there."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Final

import sqlglot
from sqlglot import exp

from accord.connectors.types import literal
from accord.model.errors import UsageError
from accord.model.types import CanonicalType

_COMPARED: Final[Mapping[type[exp.Expr], str]] = {exp.EQ: "=", exp.NEQ: "<>", exp.GT: ">", exp.GTE: ">=", exp.LT: "<", exp.LTE: "<="}
_NUMBERS: Final = ("integer", "number", "double")
_ORDERED: Final = (*_NUMBERS, "date", "timestamp")
_TEXTS: Final = {
    "text": r".*",
    "uuid": r"[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}",
    "date": r"\d{4}-\d{2}-\d{2}",
    "timestamp": r"\d{4}-\d{2}-\d{2}([ T]\d{2}:\d{2}:\d{2}(\.\d{1,6})?(Z|[+-]\d{2}(:\d{2})?)?)?",
}
Column = Callable[[str], str]


def translated(where: str, types: Mapping[str, CanonicalType], column: Column) -> str:
    """The condition in SQL that PostgreSQL and DuckDB read alike.

    Comparisons of a column with literals, ``in``, ``between``, ``is null``, joined by and, or, not. Texts are only compared for equality,
    since their order depends on the collation; functions are left out, since each engine has its own.

    Args:
        where: SQL of the map.
        types: of the resource's columns.
        column: SQL of a column on the other side.

    Raises:
        UsageError: it holds anything else.
    """
    try:
        parsed = sqlglot.parse_one(where, dialect="duckdb")
    except sqlglot.errors.ParseError as error:
        raise _refused(where) from error
    spelled = {name.lower(): name for name in types}

    def kind_of(node: exp.Expr | None) -> tuple[str, str]:
        name = spelled.get(node.name.lower()) if isinstance(node, exp.Column) and not node.table else None
        if name is None:
            raise _refused(where)
        return column(name), types[name].name

    def value(node: exp.Expr | None, kind: str) -> str:
        sign, inner = ("-", node.this) if isinstance(node, exp.Neg) else ("", node)
        if isinstance(inner, exp.Literal):
            if inner.is_string and not sign and re.fullmatch(_TEXTS.get(kind, r"(?!)"), inner.this, re.DOTALL):
                return literal(inner.this)
            if not inner.is_string and kind in _NUMBERS and re.fullmatch(r"\d+(\.\d+)?", inner.this):
                return sign + str(inner.this)
        if isinstance(inner, exp.Boolean) and kind == "boolean" and not sign:
            return "true" if inner.this else "false"
        raise _refused(where)

    def read(node: exp.Expr | None) -> str:
        if isinstance(node, exp.Paren):
            return f"({read(node.this)})"
        if isinstance(node, exp.Not):
            return f"(NOT {read(node.this)})"
        if isinstance(node, (exp.And, exp.Or)):
            return f"({read(node.left)} {'AND' if isinstance(node, exp.And) else 'OR'} {read(node.right)})"
        if isinstance(node, exp.Column):
            name, kind = kind_of(node)
            if kind == "boolean":
                return name
        if isinstance(node, exp.Is) and isinstance(node.expression, exp.Null):
            return f"({kind_of(node.this)[0]} IS NULL)"
        if isinstance(node, exp.In) and node.expressions:
            name, kind = kind_of(node.this)
            return f"({name} IN ({', '.join(value(item, kind) for item in node.expressions)}))"
        if isinstance(node, exp.Between):
            name, kind = kind_of(node.this)
            if kind in _ORDERED:
                return f"({name} BETWEEN {value(node.args['low'], kind)} AND {value(node.args['high'], kind)})"
        operator = _COMPARED.get(type(node)) if node is not None else None
        if operator and isinstance(node, exp.Binary):
            name, kind = kind_of(node.left)
            if operator in ("=", "<>") or kind in _ORDERED:
                return f"({name} {operator} {value(node.right, kind)})"
        raise _refused(where)

    return read(parsed)


def _refused(where: str) -> UsageError:
    expected = (
        "Expected comparisons of columns with literals, in, between, is null, and, or, not. The rows are read and judged here instead."
    )
    return UsageError(f"the condition '{where}' cannot be evaluated by the system itself.", expected=expected)
