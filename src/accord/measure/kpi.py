"""KPIs as files: one ``.sql`` with a header is one KPI; dropping it into a folder is all it takes."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib.metadata import entry_points
from importlib.resources import files
from pathlib import Path
from typing import Literal, cast

import sqlglot
from sqlglot import exp

from accord.measure.sqlfile import SqlFile, read_sql_file
from accord.measure.views import STANDARD_VIEWS
from accord.measure.window import named_window
from accord.model.errors import MapError, Place, UsageError, alternatives
from accord.model.integration_map import IntegrationMap

Aggregate = Literal["median", "p90", "mean", "ratio", "count", "sum_ratio"]
AGGREGATES: Mapping[str, str] = {
    "median": "median of value",
    "p90": "90th percentile of value",
    "mean": "mean of value",
    "ratio": "sum of numerator / sum of denominator; a share when both are 0 or 1",
    "sum_ratio": "sum of numerator / sum of denominator of any size",
    "count": "sum of value, which is 1 for each row counted and 0 for each only looked at",
}
_REQUIRED = ("name", "title", "unit", "better", "aggregate", "cluster", "window", "source", "example")
_OPTIONAL = ("dims", "covers", "note", "needs", "processes")
_NAME = re.compile(r"[a-z][a-z0-9_]*")


@dataclass(frozen=True, slots=True)
class Kpi:
    """A KPI as its file declares it.

    The query gives *observations*: ``cluster`` (what varies together, such as a case), ``at`` (which window it falls into), ``value``
    or ``numerator`` and ``denominator``, and one column for each of ``dims``. The engine aggregates them and adds the interval.
    """

    name: str
    title: str
    unit: str
    better: Literal["higher", "lower"]
    aggregate: Aggregate
    cluster: str
    window: str
    source: str
    example: str
    file: SqlFile
    views: frozenset[str]
    dims: tuple[tuple[str, ...], ...] = ()
    covers: tuple[str, ...] = ()
    note: str = ""
    needs: str = ""
    processes: tuple[str, ...] = ()

    @property
    def measures(self) -> tuple[str, ...]:
        """The columns its observations carry besides cluster, time and dims."""
        return ("numerator", "denominator") if self.aggregate in ("ratio", "sum_ratio") else ("value",)

    def applies_to(self, integration_map: IntegrationMap) -> bool:
        """Whether the map holds every entity the query reads and every process it names; otherwise it belongs to another domain."""
        entities = {view.removeprefix("entity_") for view in self.views if view.startswith("entity_")}
        return entities <= set(integration_map.entities) and set(self.processes) <= set(integration_map.processes)


def load_kpi(path: Path) -> Kpi:
    """Read one KPI file.

    Raises:
        MapError: header or query is not as it must be; with file and line.
    """
    stat = path.stat() if path.is_file() else None
    return _load_kpi(path, stat.st_mtime_ns, stat.st_size, stat.st_ino) if stat else _load_kpi(path)


@lru_cache(maxsize=512)
def _load_kpi(path: Path, *version: int) -> Kpi:
    # Every step of a run asks for all KPIs; parsing their queries is most of the cost, so a file is parsed once as long as it is the same.
    file = read_sql_file(path, required=_REQUIRED, optional=_OPTIONAL)
    name = file.text("name")
    if not _NAME.fullmatch(name) or name != path.stem:
        raise MapError(
            f"the KPI is called '{name}'.",
            place=file.place("name"),
            expected=f"Expected the name of its file, '{path.stem}': a-z, 0-9 and _.",
        )
    _one_of(file, "better", ("higher", "lower"))
    _one_of(file, "aggregate", AGGREGATES)
    _check_window(file)
    return Kpi(
        name=name,
        title=file.text("title"),
        unit=file.text("unit"),
        better=cast(Literal["higher", "lower"], file.text("better")),
        aggregate=cast(Aggregate, file.text("aggregate")),
        cluster=file.text("cluster"),
        window=file.text("window"),
        source=file.text("source"),
        example=file.text("example"),
        file=file,
        views=views_of(file),
        dims=tuple(_words(group) for group in file.text("dims").split(";") if group.strip()),
        covers=_words(file.text("covers")),
        note=file.text("note"),
        needs=file.text("needs"),
        processes=_words(file.text("processes")),
    )


def _words(text: str) -> tuple[str, ...]:
    return tuple(word.strip() for word in text.split(",") if word.strip())


def _one_of(file: SqlFile, key: str, known: Iterable[str]) -> None:
    if file.text(key) not in known:
        raise MapError(f"'{file.text(key)}' is no value for '{key}'.", place=file.place(key), expected=alternatives(file.text(key), known))


def _check_window(file: SqlFile) -> None:
    from datetime import UTC, datetime

    try:
        named_window(file.text("window"), golive="", now=datetime(2000, 1, 1, tzinfo=UTC))
    except UsageError as error:
        raise MapError(error.what, place=file.place("window"), expected=error.expected) from error


def views_of(file: SqlFile) -> frozenset[str]:
    """The standard views a query reads.

    A query is one SELECT over standard views and its own WITH parts; nothing else can be read from it, so no KPI reaches a file, a
    system or our own state.

    Raises:
        MapError: it does not parse, is no single SELECT, or reads something else.
    """
    try:
        statements = sqlglot.parse(file.query, dialect="duckdb")
    except sqlglot.errors.ParseError as error:
        detail = error.errors[0] if error.errors else {}
        line = file.query_line + int(detail.get("line") or 1) - 1
        raise MapError(f"the query does not parse: {detail.get('description', error)}.", place=Place(str(file.path), line)) from error
    if len(statements) != 1 or not isinstance(statements[0], exp.Query):
        raise MapError("this is not one SELECT.", place=file.place(), expected="Expected a single query that returns observations.")
    own = {cte.alias_or_name for cte in statements[0].find_all(exp.CTE)}
    found = set()
    for table in statements[0].find_all(exp.Table):
        if table.name in own and not table.db:
            continue
        plain = isinstance(table.this, exp.Identifier) and not table.db and not table.catalog
        if not plain or not (table.name in STANDARD_VIEWS or table.name.startswith("entity_")):
            raise MapError(
                f"the query reads '{table.sql(dialect='duckdb')}', which is no standard view.",
                place=file.place(),
                expected=alternatives(table.name, [*STANDARD_VIEWS, "entity_<name>"]),
            )
        found.add(table.name)
    return frozenset(found)


def load_kpis(folders: Sequence[Path]) -> dict[str, Kpi]:
    """All KPIs of these folders by name, in the order of folders and files.

    Raises:
        MapError: a file is not as it must be, or two files of different folders hold the same KPI.
    """
    kpis: dict[str, Kpi] = {}
    for folder in dict.fromkeys(f.resolve() for f in folders):
        for path in sorted(folder.glob("*.sql")):
            kpi = load_kpi(path)
            if kpi.name in kpis:
                raise MapError(
                    f"there are two KPIs called '{kpi.name}'.",
                    place=kpi.file.place("name"),
                    expected=f"The other is {kpis[kpi.name].file.path}; rename one of the files.",
                )
            kpis[kpi.name] = kpi
    return kpis


def kpi_folders(integration_map: IntegrationMap | None = None) -> tuple[Path, ...]:
    """Where KPIs are looked for: the engine's folder, each installed pack's ``kpis``, and ``kpis`` beside the map's files."""
    found = [Path(str(files("accord.measure") / "kpis")), *_pack_folders()]
    for name in integration_map.files if integration_map else ():
        folder = Path(name).parent
        # A map may lie in a sub-folder «map» of its pack or example; the KPIs then lie beside that folder.
        found += [folder / "kpis"] + ([folder.parent / "kpis"] if folder.name == "map" else [])
    return tuple(dict.fromkeys(f.resolve() for f in found if f.is_dir()))


@lru_cache(maxsize=1)
def _pack_folders() -> tuple[Path, ...]:
    # What is installed does not change while a process runs, and looking for it reads the record of every package there is.
    points = sorted(entry_points(group="accord.packs"), key=lambda p: p.name)
    return tuple(Path(str(files(point.value.split(":")[0]) / "kpis")) for point in points)


def discover_kpis(integration_map: IntegrationMap | None = None) -> dict[str, Kpi]:
    """All KPIs known to a map, by name: the engine's, the packs' and its own."""
    return load_kpis(kpi_folders(integration_map))
