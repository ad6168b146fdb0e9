"""The names of the KPIs there are, without reading their files: what a map may refer to."""

from __future__ import annotations

from pathlib import Path

from accord.measure.kpi import kpi_folders


def known_kpis(map_folder: Path) -> frozenset[str]:
    """KPIs of the engine, the installed packs and the ``kpis`` folder beside the map; a KPI is called like its file."""
    beside = [map_folder / "kpis"] + ([map_folder.parent / "kpis"] if map_folder.name == "map" else [])
    return frozenset(path.stem for folder in (*kpi_folders(), *beside) for path in folder.glob("*.sql"))
