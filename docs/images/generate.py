"""Draws the integration map of the README again from a demo that has run: ``python docs/images/generate.py FOLDER``.

FOLDER is where ``accord demo marketing-operations`` built the organization. ``executive.png`` beside it is a picture of
``FOLDER/deliverables/run/executive.html`` in a browser, 1400 px wide.
"""

from __future__ import annotations

import sys
from pathlib import Path

from accord.lifecycle.agreement import agreement_map
from accord.packs import find_pack
from accord.report.svg import standalone
from accord.workspace import open_workspace

HERE = Path(__file__).resolve().parent


def main(folder: Path) -> None:
    """Write the map, colored by what the last comparison of the demo found."""
    prepared = find_pack("marketing-operations").demo(folder, seed=7, tracker_url=None)
    with open_workspace(prepared.map_folder, root=folder, variables=prepared.variables) as workspace:
        svg = agreement_map(workspace.store, workspace.map).svg
    (HERE / "integration-map.svg").write_text(standalone(svg), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
