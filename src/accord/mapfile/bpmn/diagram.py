"""Where the nodes of a process stand on paper: kept beside the map, so that a diagram that goes out looks as it came in."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from accord.model.errors import DataRefused

FOLDER: Final = "diagrams"
_FAR: Final = 1_000_000.0
_MAX_BYTES: Final = 5_000_000


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle: left, top, width and height."""

    x: float
    y: float
    width: float
    height: float


Points = tuple[tuple[float, float], ...]


@dataclass(frozen=True, slots=True)
class Diagram:
    """Boxes by the id of a node, lanes by team («» is the pool), and the bends of flows by «source target»."""

    boxes: Mapping[str, Box] = field(default_factory=dict)
    lanes: Mapping[str, Box] = field(default_factory=dict)
    bends: Mapping[str, Points] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.boxes or self.lanes or self.bends)


def place_of(map_path: Path, process: str) -> Path:
    """The file beside a map that keeps the positions of one of its processes."""
    folder = map_path if map_path.is_dir() else map_path.parent
    return folder / FOLDER / f"{process}.json"


def diagram_text(diagram: Diagram) -> str:
    """The positions as JSON, one node on each line, so that versions compare well."""

    def lines(items: Mapping[str, Any]) -> str:
        rows = [f"    {json.dumps(key, ensure_ascii=False)}: {json.dumps(value)}" for key, value in items.items()]
        return "{\n" + ",\n".join(rows) + "\n  }" if rows else "{}"

    boxes, lanes = ({key: [box.x, box.y, box.width, box.height] for key, box in found.items()} for found in (diagram.boxes, diagram.lanes))
    bends = {key: [list(point) for point in points] for key, points in diagram.bends.items()}
    return f'{{\n  "boxes": {lines(boxes)},\n  "lanes": {lines(lanes)},\n  "bends": {lines(bends)}\n}}\n'


def read_diagram(path: Path) -> Diagram:
    """The positions in a file; none when it is not there.

    Raises:
        DataRefused: it holds something else.
    """
    if not path.is_file():
        return Diagram()
    try:
        if path.stat().st_size > _MAX_BYTES:
            raise ValueError("it is too large")
        return _diagram(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise DataRefused(
            "this is no file of positions", str(path), "one written by accord process import; without it the diagram is laid out anew"
        ) from error


def _diagram(body: Any) -> Diagram:
    boxes, lanes = ({str(key): Box(*map(finite, four)) for key, four in body[part].items()} for part in ("boxes", "lanes"))
    bends = {str(key): tuple((finite(x), finite(y)) for x, y in points) for key, points in body["bends"].items()}
    return Diagram(boxes, lanes, bends)


def finite(value: Any) -> float:
    """A coordinate.

    Raises:
        ValueError: it is no number, or one that is far off any paper.
    """
    number = float(value)
    if not math.isfinite(number) or abs(number) > _FAR:
        raise ValueError(f"{value} is no coordinate")
    return int(number) if number == int(number) else round(number, 3)
