"""Runs the benchmarks of all areas, of one or single ones (``sync/delta``), and writes what was measured in this run.

A benchmark is a file ``benchmarks/<area>/<name>.py`` with ``run() -> list[dict]``; each dict has ``name``, ``value``, ``unit``,
``peer`` (what it was measured against in the same run), ``bar`` (the value wanted) and ``met`` (true, false, or null when there is
no bar). Results are written to ``benchmarks/results/<area>-<name>.json``.
"""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path
from typing import Any

from accord.cli.pandas_left import NoPandas

HERE = Path(__file__).resolve().parent
COLUMNS = ("name", "value", "unit", "peer", "bar", "met")


def load(path: Path) -> Any:
    if str(path.parent) not in sys.path:
        sys.path.insert(0, str(path.parent))  # a benchmark may use another one of its area
    spec = importlib.util.spec_from_file_location(f"benchmarks_{path.parent.name}_{path.stem}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # where a dataclass looks for its module
    spec.loader.exec_module(module)
    return module


def main(only: list[str]) -> int:
    areas = sorted(p.name for p in HERE.iterdir() if p.is_dir() and p.name not in ("results", "peers", "__pycache__"))
    chosen = [(area, path) for area in areas for path in sorted((HERE / area).glob("*.py"))]
    unknown = [o for o in only if o not in areas and not any(o == f"{area}/{path.stem}" for area, path in chosen)]
    if unknown:
        sys.stderr.write(f"no benchmark area {', '.join(unknown)}; there are: {', '.join(areas)}\n")
        return 2
    chosen = [(area, path) for area, path in chosen if not only or area in only or f"{area}/{path.stem}" in only]
    missed = 0
    # A plain installation holds none; DuckDB and pyarrow load it where it is, which costs whoever runs first 0.2 s.
    sys.meta_path.insert(0, NoPandas)
    results = HERE / "results"
    results.mkdir(exist_ok=True)
    for area, path in chosen:
        rows = [{c: row.get(c) for c in COLUMNS} for row in load(path).run()]
        (results / f"{area}-{path.stem}.json").write_text(json.dumps(rows, indent=2) + "\n")
        for row in rows:
            verdict = {True: "met", False: "MISSED", None: ""}[row["met"]]
            value = f"{row['value']:.3g}" if isinstance(row["value"], float) else str(row["value"])
            sys.stdout.write(
                f"{area}/{path.stem}: {row['name']:<48} {value:>10} {row['unit']:<10} {verdict:<7} bar {row['bar']} vs {row['peer']}\n"
            )
            sys.stdout.flush()
            missed += row["met"] is False
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
