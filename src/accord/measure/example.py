"""The worked example in a KPI's header: rows of the standard views and the value they give. Each one is run by a test."""

from __future__ import annotations

import re
from dataclasses import dataclass

from accord.connectors.duck import borrowed_duck
from accord.connectors.types import quote
from accord.measure.kpi import Kpi
from accord.measure.runner import POINTS
from accord.measure.views import STANDARD_VIEWS
from accord.model.errors import MapError

_INPUT = re.compile(r"(?P<view>[a-z][a-z0-9_]*)\((?P<columns>[^()]*(?:\([^()]*\)[^()]*)*)\):\s*(?P<rows>.+)", re.DOTALL)
_EXPECT = re.compile(r"expect:\s*(?P<value>-?\d+(?:\.\d+)?|nothing)")
_MOMENT = "2026-01-01T00:00:00+00:00"


@dataclass(frozen=True, slots=True)
class ExampleResult:
    """What the example gave and what it should give; ``None`` stands for «not measured»."""

    expected: float | None
    value: float | None


def run_example(kpi: Kpi) -> ExampleResult:
    """Run the example of a KPI: ``view(column [type], …): (row), (row)`` lines and ``expect: number`` (or ``nothing``).

    Columns that are not given are null; those of the standard views have their types, those of entities are text unless a type
    stands behind the name. ``clock`` is 2026-01-01 00:00 UTC.

    Raises:
        MapError: the example is not in this form; with file and line.
    """
    body, _, end = kpi.example.rpartition("expect:")
    expected = _EXPECT.fullmatch(f"expect:{end}".strip())
    if not expected:
        raise MapError(
            "the example does not say what it gives.", place=kpi.file.place("example"), expected="Expected a last line «expect: number»."
        )
    with borrowed_duck() as con:
        con.execute(f"CREATE TEMP TABLE clock AS SELECT TIMESTAMPTZ '{_MOMENT}' AS now")
        for text in _inputs(body):
            con.execute(_table(kpi, text))
        for name, (columns, _build) in STANDARD_VIEWS.items():
            listed = ", ".join(f"{quote(c)} {t}" for c, t in columns.items())
            con.execute(f"CREATE TEMP TABLE IF NOT EXISTS {quote(name)} ({listed})")
        con.execute(f"CREATE TEMP TABLE observation AS {kpi.file.query}")
        value = kpi.measures[0]
        usable = f"{quote(value)} IS NOT NULL" + (" AND denominator <> 0" if len(kpi.measures) == 2 else "")
        row = con.execute(f"SELECT {POINTS[kpi.aggregate]} FROM observation WHERE {usable}").fetchone()
    found = None if row is None or row[0] is None else float(row[0])
    return ExampleResult(None if expected["value"] == "nothing" else float(expected["value"]), found)


def _inputs(body: str) -> list[str]:
    return [part.strip() for part in re.split(r"\n(?=[a-z][a-z0-9_]*\()", "\n" + body.strip()) if part.strip()]


def _table(kpi: Kpi, text: str) -> str:
    parts = _INPUT.fullmatch(text)
    if not parts:
        raise MapError(
            f"«{text[:60]}» is no input of an example.",
            place=kpi.file.place("example"),
            expected="Expected «view(column, …): (row), (row)».",
        )
    view = parts["view"]
    given = [part.split(maxsplit=1) for part in re.split(r",(?![^()]*\))", parts["columns"]) if part.strip()]
    names = [words[0] for words in given]
    standard = STANDARD_VIEWS[view][0] if view in STANDARD_VIEWS else {}
    types = dict(standard) | {words[0]: words[1] if len(words) > 1 else standard.get(words[0], "VARCHAR") for words in given}
    unknown = [name for name in names if standard and name not in standard]
    if unknown:
        raise MapError(
            f"the view {view} has no column '{unknown[0]}'.", place=kpi.file.place("example"), expected=f"Known: {', '.join(standard)}."
        )
    columns = ", ".join(f"CAST({quote(c) if c in names else 'NULL'} AS {t}) AS {quote(c)}" for c, t in types.items())
    listed = ", ".join(map(quote, names))
    return f"CREATE TEMP TABLE {quote(view)} AS SELECT {columns} FROM (VALUES {parts['rows']}) AS v({listed})"
