"""The reference page of KPIs, written from the headers of their files."""

from __future__ import annotations

from collections.abc import Iterable

from accord.measure.kpi import AGGREGATES, Kpi
from accord.measure.views import STANDARD_VIEWS

_HEAD = """# KPIs

One `.sql` file is one KPI. The engine looks in its own folder, in `kpis` of each installed pack and in `kpis` beside the map. Drop a
file in, and every command, report and target knows it.

A file has a header and one query in DuckDB's SQL:

```sql
-- name: the name of the file, without .sql
-- title: for people
-- unit: h, share, count, EUR …
-- better: higher or lower
-- aggregate: {aggregates}
-- cluster: what varies together, in words
-- window: all, before_golive, since_golive or last_<n>d
-- dims: columns of a breakdown; several breakdowns with a semicolon (optional)
-- covers: ids of a specification (optional)
-- needs: what must be recorded for it, in words (optional)
-- source: where the formula comes from
-- note: what a reader must know (optional; an indented line goes on)
-- example:
--   view(column, …): (row), (row)
--   expect: the value these rows give
SELECT … AS cluster, … AS value, … AS at FROM …
```

The query returns observations: `cluster`, `at` (the time that puts one into a window), `value` (or `numerator` and `denominator`) and one
column for each of `dims`. The engine aggregates them in SQL and adds a 95 % interval: Wilson where every observation is a yes-or-no answer
of its own cluster, else a cluster bootstrap with 1,000 draws and a fixed seed. A test runs the example of every file it finds.

| aggregate | value |
|---|---|
{aggregate_rows}

## Views a query may read

| view | columns |
|---|---|
{view_rows}
| `entity_<name>` | the agreed rows of an entity of the map, in its fields |

Times are `TIMESTAMPTZ` in UTC. Nothing else can be read from a KPI: no file, no system, no table function.
"""


def kpi_reference(kpis: Iterable[Kpi]) -> str:
    """The page as Markdown: how a KPI is written, the views, and each of these KPIs."""
    head = _HEAD.format(
        aggregates=", ".join(AGGREGATES),
        aggregate_rows="\n".join(f"| `{name}` | {text} |" for name, text in AGGREGATES.items()),
        view_rows="\n".join(f"| `{name}` | {', '.join(f'`{c}`' for c in columns)} |" for name, (columns, _) in STANDARD_VIEWS.items()),
    )
    return head + "\n## KPIs of the engine\n" + "".join(map(_entry, kpis))


def _entry(kpi: Kpi) -> str:
    rows = {
        "unit": kpi.unit,
        "better": kpi.better,
        "aggregate": f"{kpi.aggregate}: {AGGREGATES[kpi.aggregate]}",
        "cluster": kpi.cluster,
        "window": kpi.window,
        "by": "; ".join(", ".join(group) for group in kpi.dims) or "no breakdown",
        "needs": kpi.needs or "nothing more than its views",
        "covers": ", ".join(kpi.covers) or "none",
        "source": kpi.source,
    }
    note = f"\n{' '.join(kpi.note.split())}\n" if kpi.note else ""
    listed = "\n".join(f"- {key}: {value}" for key, value in rows.items())
    return f"\n### `{kpi.name}`: {kpi.title}\n{note}\n{listed}\n"


if __name__ == "__main__":
    import sys

    from accord.measure.kpi import kpi_folders, load_kpis

    sys.stdout.write(kpi_reference(load_kpis(kpi_folders()[:1]).values()))
