"""Writes the generated pages of the manual again: the map reference and the KPI reference. ``make docs`` runs it, tests compare."""

from __future__ import annotations

from pathlib import Path

from accord.mapfile.reference import reference_page
from accord.measure.kpi import kpi_folders, load_kpis
from accord.measure.reference import kpi_reference

HERE = Path(__file__).resolve().parent


def main() -> None:
    """Write both pages."""
    (HERE / "map.md").write_text(reference_page(), encoding="utf-8")
    (HERE / "kpis.md").write_text(kpi_reference(load_kpis(kpi_folders()[:1]).values()), encoding="utf-8")


if __name__ == "__main__":
    main()
