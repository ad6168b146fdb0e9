"""A condition of the map as SQL of another engine, where it certainly means the same there.

It is read here and not by a parser of all SQL: what is understood fits on a page, and loading such a parser takes longer than comparing two
small tables. Whatever else stands there is refused.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Final

from accord.connectors.types import literal
from accord.model.errors import UsageError
from accord.model.types import CanonicalType

_TOKEN: Final = re.compile(
    r"""[ \t\r\n]*(?:
        (?P<text>'(?:[^']|'')*')
      | "(?P<quoted>(?:[^"]|"")+)"
      | (?P<number>[0-9]+(?:\.[0-9]+)?(?![\w.]))
      | (?P<word>[^\W\d]\w*)
      | (?P<sign><=|>=|<>|!=|==|[=<>(),]|-(?!-))
    )[ \t\r\n]*""",
    re.VERBOSE,
)
_OPERATORS: Final = {"=": "=", "==": "=", "<>": "<>", "!=": "<>", "<": "<", "<=": "<=", ">": ">", ">=": ">="}
_RESERVED: Final = frozenset(("and", "or", "not", "in", "between", "is", "null", "true", "false"))
_FUNCTIONS: Final = frozenset(  # those that are called without parentheses
    f"{what}_{of}"
    for what in ("current", "local", "session", "system")
    for of in ("catalog", "date", "role", "schema", "time", "timestamp", "user")
) | {"localtime", "localtimestamp", "user"}
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
        return _Reader(_tokens(where), types, column).whole()
    except (_UnknownError, RecursionError) as error:
        expected = (
            "Expected comparisons of columns with literals, in, between, is null, and, or, not. The rows are read and judged here instead."
        )
        raise UsageError(f"the condition '{where}' cannot be evaluated by the system itself.", expected=expected) from error


class _UnknownError(Exception):
    """Something stands there that is not understood."""


def _tokens(where: str) -> list[tuple[str, str]]:
    """Kind and text of each token; words in small letters, names and texts without their quotes."""
    found, place = [], 0
    while place < len(where):
        match = _TOKEN.match(where, place)
        if match is None or match.lastgroup is None:
            raise _UnknownError
        kind, said = match.lastgroup, match[match.lastgroup]
        if kind == "word":
            said = said.lower()
            kind = "word" if said in _RESERVED else "quoted" if said not in _FUNCTIONS else "function"
        elif kind == "quoted":
            said = said.replace('""', '"').lower()
        elif kind == "text":
            said = said[1:-1].replace("''", "'")
        found.append((kind, said))
        place = match.end()
    return found


class _Reader:
    """Reads tokens from left to right and gives SQL."""

    def __init__(self, tokens: list[tuple[str, str]], types: Mapping[str, CanonicalType], column: Column) -> None:
        self._rest = tokens[::-1]
        self._types, self._column = types, column
        self._spelled = {name.lower(): name for name in types}

    def whole(self) -> str:
        said = self._either()
        if self._rest:
            raise _UnknownError
        return said

    def _either(self) -> str:
        return self._joined("or", lambda: self._joined("and", self._one))

    def _joined(self, word: str, part: Callable[[], str]) -> str:
        parts = [part()]
        while self._is("word", word):
            parts.append(part())
        return parts[0] if len(parts) == 1 else f"({f' {word.upper()} '.join(parts)})"

    def _one(self) -> str:
        if self._is("word", "not"):
            return f"(NOT {self._one()})"
        if self._is("sign", "("):
            said = self._either()
            self._must("sign", ")")
            return f"({said})"
        spelled = self._spelled.get(self._take("quoted"))
        if spelled is None:
            raise _UnknownError
        return self._compared(self._column(spelled), self._types[spelled].name)

    def _compared(self, name: str, kind: str) -> str:
        if self._is("word", "is"):
            no = self._is("word", "not")
            self._must("word", "null")
            said = f"({name} IS NULL)"
        else:
            no = self._is("word", "not")
            if self._is("word", "in"):
                self._must("sign", "(")
                values = [self._value(kind)]
                while self._is("sign", ","):
                    values.append(self._value(kind))
                self._must("sign", ")")
                said = f"({name} IN ({', '.join(values)}))"
            elif kind in _ORDERED and self._is("word", "between"):
                low = self._value(kind)
                self._must("word", "and")
                said = f"({name} BETWEEN {low} AND {self._value(kind)})"
            elif no:
                raise _UnknownError
            elif self._rest and self._rest[-1][1] in _OPERATORS and self._rest[-1][0] == "sign":
                said = self._operated(name, kind)
            elif kind == "boolean":
                said = name
            else:
                raise _UnknownError
        return f"(NOT {said})" if no else said

    def _operated(self, name: str, kind: str) -> str:
        operator = _OPERATORS[self._take("sign")]
        if operator not in ("=", "<>") and kind not in _ORDERED:
            raise _UnknownError
        return f"({name} {operator} {self._value(kind)})"

    def _value(self, kind: str) -> str:
        minus = "-" if self._is("sign", "-") else ""
        if kind in _NUMBERS:
            return minus + self._take("number")
        if minus:
            raise _UnknownError
        if kind == "boolean":
            if self._is("word", "true"):
                return "true"
            self._must("word", "false")
            return "false"
        said = self._take("text")
        if not re.fullmatch(_TEXTS.get(kind, r"(?!)"), said, re.DOTALL):
            raise _UnknownError
        return literal(said)

    def _is(self, kind: str, said: str) -> bool:
        """Whether this comes next; it is taken then."""
        if not self._rest or self._rest[-1] != (kind, said):
            return False
        self._rest.pop()
        return True

    def _must(self, kind: str, said: str) -> None:
        if not self._is(kind, said):
            raise _UnknownError

    def _take(self, kind: str) -> str:
        if not self._rest or self._rest[-1][0] != kind:
            raise _UnknownError
        return self._rest.pop()[1]
