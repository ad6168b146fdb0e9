"""A document as JSON, and the hash of what it says."""

from __future__ import annotations

import hashlib
import json
from dataclasses import fields, is_dataclass
from datetime import date, datetime
from decimal import Decimal
from enum import Enum
from typing import Any

from accord.report.document import Document
from accord.report.stamp import Stamp


def to_json(document: Document, stamp: Stamp | None = None) -> str:
    """The document as indented JSON, pictures without their SVG text; a block says its kind under ``block``.

    Raises:
        ValueError: a figure holds NaN or infinity, which is no measurement.
    """
    body = _plain(document)
    _drop_pictures(body)
    if stamp is not None:
        body["stamp"] = dict(stamp.parts())
    return json.dumps(body, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def digest(document: Document, *, run: str = "") -> str:
    """SHA-256, in hexadecimal, over everything the document says; the stamp is no part of it.

    ``run`` is the id of the run that made it: figures name it as their evidence, and two runs that say the same are the same.
    """
    text = json.dumps(_plain(document), sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    text = text.replace(run, "this run") if run else text
    return hashlib.sha256(text.encode()).hexdigest()


def _plain(thing: Any) -> Any:
    """Dataclasses, dates and decimals as plain JSON values; what is none of these as its text."""
    if is_dataclass(thing) and not isinstance(thing, type):
        body = {f.name: _plain(getattr(thing, f.name)) for f in fields(thing)}
        kind = type(thing)
        return {"block": kind.__name__.lower(), **body} if kind.__module__ == "accord.report.document" else body
    if isinstance(thing, dict):
        return {str(key): _plain(value) for key, value in thing.items()}
    if isinstance(thing, list | tuple):
        return [_plain(part) for part in thing]
    if isinstance(thing, set | frozenset):
        return sorted((_plain(part) for part in thing), key=str)
    if isinstance(thing, Enum):
        return _plain(thing.value)
    if isinstance(thing, datetime | date):
        return thing.isoformat()
    if thing is None or isinstance(thing, bool | int | float | str):
        return thing
    return format(thing, "f") if isinstance(thing, Decimal) else str(thing)


def _drop_pictures(body: Any) -> None:
    """Take the drawings out: their tables hold the same data, and the HTML twin shows them."""
    if isinstance(body, dict):
        if body.get("block") == "picture":
            body.pop("svg", None)
        for part in body.values():
            _drop_pictures(part)
    elif isinstance(body, list):
        for part in body:
            _drop_pictures(part)
