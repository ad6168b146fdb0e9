"""KPI files: every example runs, every mistake has file and line, a dropped-in file is a KPI."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from importlib.metadata import entry_points
from importlib.resources import files
from pathlib import Path

import duckdb
import pytest

from accord.measure import Kpi, Measure, discover_kpis, known_kpis, load_kpi, load_kpis, measure_kpis, open_measure
from accord.measure.example import run_example
from accord.measure.reference import kpi_reference
from accord.model.errors import MapError
from accord.model.integration_map import IntegrationMap
from accord.store import Store

ROOT = Path(__file__).resolve().parents[2]
ENGINE = Path(str(files("accord.measure") / "kpis"))


def every_file() -> list[Path]:
    """KPIs of the engine, of installed packs and of the examples."""
    packs = [Path(str(files(p.value.split(":")[0]) / "kpis")) for p in entry_points(group="accord.packs")]
    folders = [ENGINE, *packs, *(ROOT / "examples").glob("*/kpis")]
    return sorted({p.resolve() for folder in folders for p in folder.glob("*.sql")})


@pytest.mark.parametrize("path", every_file(), ids=lambda p: f"{p.parents[1].name}/{p.stem}")
def test_the_example_of_every_kpi_gives_what_it_says(path: Path) -> None:
    """The header's example is the shortest definition of a KPI, so it must be true."""
    result = run_example(load_kpi(path))

    assert result.value == (None if result.expected is None else pytest.approx(result.expected, abs=1e-9))


GOOD = """-- name: waits
-- title: Waiting
-- unit: h
-- better: lower
-- aggregate: mean
-- cluster: case
-- window: all
-- source: ours
-- example:
--   handoff(case_id, wait_hours): ('a', 1), ('b', 3)
--   expect: 2
SELECT case_id AS cluster, wait_hours AS value, ended_at AS at FROM handoff
"""


@pytest.fixture
def kpi_file(tmp_path: Path) -> Callable[[str], Path]:
    def write(text: str) -> Path:
        folder = tmp_path / "kpis"
        folder.mkdir(exist_ok=True)
        (folder / "waits.sql").write_text(text)
        return folder / "waits.sql"

    return write


def test_one_dropped_in_file_is_a_kpi(tmp_path: Path, kpi_file: Callable[[str], Path], handoffs: Callable[..., Measure]) -> None:
    """A new KPI touches one file: it is found beside the map, measured, and known to the map's targets."""
    kpi_file(GOOD)
    start = datetime(2025, 1, 1, tzinfo=UTC)
    measure = handoffs([{"id": "1", "campaign": "c", "giver": "a", "taker": "b", "offered": start, "accepted": start.replace(hour=6)}])

    kpis = discover_kpis(IntegrationMap("m", files=(str(tmp_path / "map.yaml"),)))
    figures = measure_kpis(measure, [kpis["waits"]])

    assert [f.value for f in figures] == [6.0]
    assert "waits" in known_kpis(tmp_path)


@pytest.mark.parametrize(
    ("old", "new", "line", "says"),
    [
        ("-- unit: h\n", "", 1, "lacks unit"),
        ("-- unit: h", "-- unitt: h", 3, "Did you mean 'unit'"),
        ("-- unit: h", "-- title: again", 3, "stands twice"),
        ("better: lower", "better: less", 4, "higher"),
        ("aggregate: mean", "aggregate: average", 5, "no value for 'aggregate'"),
        ("window: all", "window: always", 7, "last_<n>d"),
        ("name: waits", "name: other", 1, "'waits'"),
        ("-- title: Waiting", "title: Waiting", 1, "lacks"),
        ("FROM handoff\n", "FROM handof\n", 12, "Did you mean 'handoff'"),
        ("FROM handoff\n", "FROM read_csv('/etc/passwd')\n", 12, "no standard view"),
        ("FROM handoff\n", "FROM '/etc/passwd'\n", 12, "no standard view"),
        ("FROM handoff\n", "FROM other.handoff\n", 12, "no standard view"),
        ("FROM handoff\n", "FROM handoff; DROP TABLE handoff\n", 12, "not one SELECT"),
        ("SELECT case_id", "SELEC case_id", 12, ""),
        ("SELECT case_id", "DELETE FROM handoff --", 12, "not one SELECT"),
    ],
)
def test_a_mistake_in_a_kpi_file_has_file_and_line(old: str, new: str, line: int, says: str, kpi_file: Callable[[str], Path]) -> None:
    """Whoever drops a file in learns what is wrong with it, and no KPI can read files or change anything."""
    path = kpi_file(GOOD.replace(old, new))

    with pytest.raises(MapError) as raised:
        load_kpi(path)

    assert f"waits.sql:{line}" in str(raised.value)
    assert says in str(raised.value)


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("wait_hours AS value", "wait_hour AS value", "wait_hour"),
        ("AS cluster", "AS clusters", "no column 'cluster'"),
        ("ended_at AS at", "1 AS then", "'at'"),
    ],
)
def test_a_query_that_does_not_fit_the_views_is_a_map_error(
    old: str, new: str, says: str, kpi_file: Callable[[str], Path], handoffs: Callable[..., Measure]
) -> None:
    """A wrong column is the author's mistake, told with file and line, and the next KPI still runs."""
    kpi = load_kpi(kpi_file(GOOD.replace(old, new)))
    measure = handoffs([])

    with pytest.raises(MapError, match=says) as raised:
        measure_kpis(measure, [kpi])

    assert "waits.sql:12" in str(raised.value)
    assert measure_kpis(measure, [load_kpi(ENGINE / "handoff_time.sql")])[0].not_measured


def test_two_files_of_one_name_are_refused(tmp_path: Path, kpi_file: Callable[[str], Path]) -> None:
    """Which of two definitions counts must never be a matter of luck."""
    first = kpi_file(GOOD).parent
    (tmp_path / "more").mkdir()
    (tmp_path / "more" / "waits.sql").write_text(GOOD)

    with pytest.raises(MapError, match="two KPIs called 'waits'"):
        load_kpis([first, tmp_path / "more"])


def test_without_data_every_kpi_says_why(store: Store) -> None:
    """«not measured: reason», never a number and never an error."""
    with open_measure(IntegrationMap("empty"), store, now=datetime(2026, 1, 1, tzinfo=UTC)) as measure:
        figures = measure_kpis(measure, load_kpis([ENGINE]))

    assert len(figures) == len(list(ENGINE.glob("*.sql")))
    assert all(f.value is None and len(f.not_measured) > 20 for f in figures)


def test_the_reference_page_is_that_of_the_files() -> None:
    """docs/kpis.md is written from the headers: ``python -m accord.measure.reference > docs/kpis.md``."""
    kpis: dict[str, Kpi] = load_kpis([ENGINE])

    assert (ROOT / "docs" / "kpis.md").read_text() == kpi_reference(kpis.values())


@pytest.mark.parametrize(
    "sql", ["SELECT * FROM read_text('/etc/hostname')", "COPY (SELECT 1) TO '/tmp/out.csv'", "SET enable_external_access = true"]
)
def test_a_measurement_reaches_no_file_but_its_segments(sql: str, handoffs: Callable[..., Measure]) -> None:
    """Whatever a query says: what is measured cannot read other files, write any, or lift the lock."""
    measure = handoffs([])

    with pytest.raises(duckdb.Error):
        measure.con.execute(sql)
