"""Quality checks of a contract: those a field can carry become its own checks, the rest rules of the entity, and some neither."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Final

from accord.mapfile.expression import mistakes
from accord.mapfile.odcs.aggregates import read_aggregate
from accord.mapfile.odcs.patterns import to_whole
from accord.mapfile.odcs.reading import Reading, put, says_something, word
from accord.mapfile.odcs.words import DIMENSIONS_IN, NEIGHBOURS, OPERATORS, QUALITY, REFUSED, REPORTED
from accord.mapfile.source import Listing, Node, Scalar, Table
from accord.model.errors import Place, alternatives

_TYPES: Final = ("text", "library", "sql", "custom")
_COUNT: Final = re.compile(
    r"\s*SELECT\s+COUNT\s*\(\s*[*1]\s*\)(?:\s+AS\s+\w+)?\s+FROM\s+(?P<source>\S+)\s+WHERE\s(?P<bad>.*)", re.IGNORECASE | re.DOTALL
)
_NOT: Final = re.compile(r"\s*NOT \((?P<good>.*)\)\s*;?\s*", re.IGNORECASE | re.DOTALL)
_OBJECT: Final = re.compile(r"[\"'`]?\$?\{\{?\s*(object|table|model|schema\.table)\s*\}\}?[\"'`]?", re.IGNORECASE)
_PROPERTY: Final = re.compile(r"[\"`]?\$?\{\{?\s*(property|column|field)\s*\}\}?[\"`]?", re.IGNORECASE)
# What each library check is called in 3.0 (rule) and since 3.1 (metric).
_LIBRARY: Final = {
    "nullvalues": "null", "nullcheck": "null", "nullcount": "null", "notnull": "null", "duplicatevalues": "duplicate",
    "duplicatecount": "duplicate", "duplicatecheck": "duplicate", "unique": "duplicate", "validvalues": "invalid",
    "invalidvalues": "invalid", "invalidcount": "invalid", "missingvalues": "missing", "missingcount": "missing",
}  # fmt: skip
_ABSORBED: Final = frozenset({"type", "rule", "metric", "arguments", "validValues", "unit", "severity", "dimension", *OPERATORS})


@dataclass(slots=True)
class Subject:
    """What the checks at hand are about: an object of the contract and its key or, on a property, that property and its field."""

    names: Collection[str]
    name: str = ""
    into: Table | None = None
    rules: list[tuple[str, Table]] = field(default_factory=list)
    checks: list[tuple[str, Table]] = field(default_factory=list)
    key: Collection[str] = ()

    @property
    def column(self) -> str:
        """The property as a name in SQL."""
        return quoted(self.name)


def quoted(name: str) -> str:
    """A name as SQL identifier; it may be a reserved word."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """A text as SQL literal."""
    return "'" + text.replace("'", "''") + "'"


def rule(place: Place, check: str, *, reason: str = "", severity: str = "", dimension: str = "") -> Table:
    """A rule of the map as a node."""
    made = Table(place)
    for name, text in (("check", check), ("reason", reason), ("severity", severity), ("dimension", dimension)):
        if text:
            put(made, name, word(text, place))
    return made


def read_quality(reading: Reading, node: Table, subject: Subject, holder: str) -> None:
    """One quality check, into the field or the rules of ``subject``."""
    called = next(filter(None, (reading.text(node, key, holder) for key in ("name", "metric", "rule"))), "")
    inner = f"{holder}, quality '{called}'" if called else f"{holder}, quality"
    reading.keys(_without(node, OPERATORS), QUALITY, inner)
    kind = reading.text(node, "type", inner) or ("sql" if "query" in node.items else "library")
    if kind not in _TYPES:
        place = node.items["type"].place
        reading.problem(place, f"{inner}: '{kind}' is no type of quality check.", alternatives(kind, _TYPES))
    elif kind == "sql":
        _sql(reading, node, subject, inner)
    elif kind == "library":
        _library(reading, node, subject, inner)
    elif kind == "text":
        reading.weaken(node.place, "a quality check in words, which nothing can run,", inner)
    else:
        engine = reading.text(node, "engine", inner)
        reading.weaken(node.place, f"a quality check for the engine '{engine}'", inner)


def _sql(reading: Reading, node: Table, subject: Subject, holder: str) -> None:
    query = reading.text(node, "query", holder)
    if not query.strip():
        reading.problem(node.place, f"{holder}: 'query' is missing.", "Expected query: SELECT count(*) FROM ${object} WHERE …")
        return
    check, reason = _row_check(query, subject)
    if check and not _none_allowed(reading, node, holder, default=False):
        check, reason = "", "more than none of its rows may break it"
    if not check and _aggregate(reading, node, query, subject, holder):
        return
    if not check:
        reading.weaken(node.place, f"a check that is no rule of one row ({reason})", holder)
        return
    name, made = reading.scalar(node, "name", holder), rule(node.place, check, severity=_severity(reading, node, holder))
    custom = reading.custom(node, QUALITY, holder)
    dimension = reading.custom_text(custom, "accordDimension", holder) or _dimension(reading, node, holder)
    if dimension is not None:
        put(made, "dimension", dimension)
    description = reading.scalar(node, "description", holder)
    if description is not None:
        put(made, "reason", word(description.text, description.place))
    subject.rules.append((_named(subject, name.text if name is not None else "check"), made))


def _row_check(query: str, subject: Subject) -> tuple[str, str]:
    """The condition a good row meets, or «» and why the query does not say it.

    ``SELECT count(*) FROM object WHERE bad`` with none allowed is the rule ``NOT (bad)``; of null both say that the row is good.
    """
    text = _PROPERTY.sub(lambda _: subject.column, query) if subject.name else query
    found = _COUNT.fullmatch(text)
    if found is None:
        return "", "it does not count the rows that meet a condition"
    source = found["source"].strip("\"'`").rpartition(".")[2].strip("\"'`").casefold()
    if not _OBJECT.fullmatch(found["source"]) and source not in {name.casefold() for name in subject.names}:
        return "", f"it reads '{found['source'][:60]}'"
    inner = _NOT.fullmatch(found["bad"])
    if inner is not None and not mistakes(inner["good"], None):
        return inner["good"], ""
    bad = found["bad"].strip().rstrip(";").strip()
    wrong = mistakes(f"NOT ({bad})", None) or mistakes(bad, None)
    return ("", f"its condition is no expression over one row: {wrong[0][0].rstrip('.')}") if wrong else (f"NOT ({bad})", "")


def _aggregate(reading: Reading, node: Table, query: str, subject: Subject, holder: str) -> bool:
    """Whether the query is one aggregate over the object, which then becomes a check of the entity."""
    if subject.into is not None:
        return False  # of one property: an entity's checks are about its rows
    made = read_aggregate(reading, node, query, [*subject.names], holder)
    if made is None:
        return False
    dimension, severity = _dimension(reading, node, holder), _severity(reading, node, holder)
    if "severity" not in made.items and "severity" in node.items and severity != "report":
        put(made, "severity", word("stop", node.place))
    if dimension is not None and "dimension" not in made.items:
        put(made, "dimension", dimension)
    name, description = reading.scalar(node, "name", holder), reading.scalar(node, "description", holder)
    if description is not None and "reason" not in made.items:
        put(made, "reason", word(description.text, description.place))
    subject.checks.append((_named(subject, name.text if name is not None else "check"), made))
    return True


def _row_count(reading: Reading, node: Table, subject: Subject, holder: str) -> bool:
    """Whether the check is the library's number of rows with limits a check of the entity can hold."""
    return subject.into is None and _aggregate(reading, node, "SELECT count(*) FROM ${object}", subject, holder)


def _library(reading: Reading, node: Table, subject: Subject, holder: str) -> None:
    called = reading.text(node, "metric", holder) or reading.text(node, "rule", holder)
    kind = _LIBRARY.get(called.replace("_", "").lower())
    if not called:
        reading.problem(
            node.place, f"{holder}: neither 'metric' nor 'rule' says what is checked.", "Expected metric: nullValues, for instance."
        )
        return
    if kind == "duplicate" and subject.into is None:
        columns = {n.text for n in _arguments(reading, node, "properties", holder)}
        if columns == set(subject.key) and _none_allowed(reading, node, holder, default=True):
            return  # what the key says already
    if kind is None and called.replace("_", "").lower() == "rowcount" and _row_count(reading, node, subject, holder):
        return
    if kind is None or subject.into is None or not _none_allowed(reading, node, holder, default=True):
        reading.weaken(node.place, "a check over all rows together", holder)
        return
    for name, part in node.items.items():
        if name not in _ABSORBED and name in QUALITY.taken and says_something(part):
            reading.leave(node.name_places[name], f"'{name}' of a quality check that its field carries", holder)
    severity = _severity(reading, node, holder)
    if kind == "duplicate":
        put(subject.into, "unique", word("true", node.place))
        if severity == "report":
            put(subject.into, "severity", word("report", node.place))
    elif kind == "null" and severity != "report":
        put(subject.into, "required", word("true", node.place))
    elif kind == "null":
        subject.rules.append(
            (f"{subject.name}_given", rule(node.place, f"{subject.column} IS NOT NULL", severity=severity, dimension="completeness"))
        )
    elif kind == "missing":
        _missing(reading, node, subject, severity, holder)
    else:
        _invalid(reading, node, subject, severity, holder)


def _missing(reading: Reading, node: Table, subject: Subject, severity: str, holder: str) -> None:
    """Values that stand for «nothing» are not allowed."""
    given = _arguments(reading, node, "missingValues", holder)
    texts = [n.text for n in given if not n.is_null]
    parts = [f"{subject.column} IS NOT NULL"] if len(texts) < len(given) else []
    if texts:
        parts.append(f"CAST({subject.column} AS VARCHAR) NOT IN ({', '.join(map(literal, texts))})")
    if not parts:
        reading.weaken(node.place, "a check over all rows together", holder)
        return
    made = rule(node.place, " AND ".join(parts), severity=severity, dimension="completeness")
    subject.rules.append((f"{subject.name}_not_missing", made))


def _invalid(reading: Reading, node: Table, subject: Subject, severity: str, holder: str) -> None:
    """Values outside of a list, or that a pattern does not match, are not allowed."""
    assert subject.into is not None
    values, pattern = _arguments(reading, node, "validValues", holder), _argument(reading, node, "pattern", holder)
    into = subject.into.items
    if severity == "report" or (values and "values" in into) or (pattern is not None and "pattern" in into):
        # A field has one list and one pattern; what reports only, or comes second, is a rule beside them.
        texts = [literal(v.text) for v in values if not v.is_null]
        checks = [f"CAST({subject.column} AS VARCHAR) IN ({', '.join(texts)})"] if texts else []
        checks += [f"regexp_full_match({subject.column}, {literal(to_whole(pattern.text))})"] if pattern is not None else []
        for check in checks:
            subject.rules.append((f"{subject.name}_valid", rule(node.place, check, severity=severity, dimension="validity")))
        return
    if values:
        # A null in the list says that null is allowed, which it is for every field that is not required.
        put(subject.into, "values", Listing(values[0].place, items=[word(v.text, v.place) for v in values if not v.is_null]))
    if pattern is not None:
        put(subject.into, "pattern", word(to_whole(pattern.text), pattern.place))
    if not values and pattern is None:
        reading.weaken(node.place, "a check of valid values that names none", holder)


def _arguments(reading: Reading, node: Table, name: str, holder: str) -> list[Scalar]:
    """The values of a list argument, beside the check (3.0) or under ``arguments`` (since 3.1)."""
    under = reading.given(node, "arguments")
    found: list[Scalar] = []
    for table in (node, under):
        for item in reading.items(table, name, holder) if isinstance(table, Table) else ():
            if isinstance(item, Scalar):
                found.append(item)
            else:
                reading.problem(item.place, f"{holder}, {name}: a single value is needed here.", "Expected a list of values.")
    return found


def _argument(reading: Reading, node: Table, name: str, holder: str) -> Scalar | None:
    under = reading.given(node, "arguments")
    return (reading.scalar(under, name, holder) if isinstance(under, Table) else None) or reading.scalar(node, name, holder)


def _none_allowed(reading: Reading, node: Table, holder: str, *, default: bool) -> bool:
    """Whether the operator says that no row at all may break the check; ``default``: what it means when there is none."""
    given = [
        (name, reading.scalar(node, name, holder)) for name in OPERATORS if name in node.items and not isinstance(node.items[name], Listing)
    ]
    ranged = any(isinstance(node.items.get(name), Listing) for name in OPERATORS)
    if not given or ranged:
        return default and not ranged
    rows = reading.text(node, "unit", holder) in ("", "rows")
    zero = {"mustBe", "mustBeLessOrEqualTo"}
    return all(
        value is not None and ((name in zero and _is(value, 0)) or (name == "mustBeLessThan" and rows and _is(value, 1)))
        for name, value in given
    )


def _is(value: Scalar, number: int) -> bool:
    try:
        return float(value.text) == number
    except ValueError:
        return False


def _severity(reading: Reading, node: Table, holder: str) -> str:
    """Our word for a severity, «» for the default, which keeps a row back."""
    given = reading.scalar(node, "severity", holder)
    if given is None:
        return ""
    said = given.text.strip().lower()
    if said in REPORTED:
        return "report"
    if said not in REFUSED:
        reading.leave(given.place, f"the severity '{given.text[:40]}', which here keeps a row back,", holder)
    return ""


def _dimension(reading: Reading, node: Table, holder: str) -> Node | None:
    given = reading.scalar(node, "dimension", holder)
    if given is None:
        return None
    said = given.text.strip().lower()
    if said not in DIMENSIONS_IN:
        reading.problem(given.place, f"{holder}: '{given.text[:60]}' is no dimension of data quality.", alternatives(said, DIMENSIONS_IN))
        return None
    if said in NEIGHBOURS:
        reading.leave(given.place, f"the dimension '{said}', which here counts as {DIMENSIONS_IN[said]},", holder)
    return word(DIMENSIONS_IN[said], given.place)


def _named(subject: Subject, name: str) -> str:
    return f"{subject.name}_{name}" if subject.name else name


def _without(node: Table, names: Collection[str]) -> Table:
    kept = {name: part for name, part in node.items.items() if name not in names}
    return Table(node.place, node.size, kept, node.name_places)
