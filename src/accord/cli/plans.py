"""Plan files: written, read and shown by the commands that make and carry out plans."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from accord.cli.given import given_bytes
from accord.cli.output import escape, out, table
from accord.lifecycle.files import write_whole
from accord.model.errors import DataRefused
from accord.model.integration_map import IntegrationMap
from accord.sync.apply.plan import FlowPlan, plan_from, plan_to
from accord.workspace import Workspace

if TYPE_CHECKING:  # what signs is loaded by those who sign
    from accord.store.signing import SigningKey

KIND = "accord plan"
VERSION = 1
_OP_STYLE = {"insert": "green", "update": "yellow", "delete": "red"}


def signing_key(workspace: Workspace) -> SigningKey:
    """The key pair of the workspace, made on first use."""
    from accord.store.signing import load_or_create_key

    return load_or_create_key(workspace.root / ".accord" / "keys")


def write_plan(path: Path, plans: Sequence[FlowPlan], workspace: Workspace, now: datetime) -> str:
    """Write plans as one signed file and return the SHA-256 of what it says."""
    from accord.store.signing import sign_document

    map_: IntegrationMap = workspace.map
    body = {
        "kind": KIND,
        "version": VERSION,
        "map": {"name": map_.name, "version": map_.version, "hash": map_.content_hash},
        "made_at": now.isoformat(),
        "flows": [plan_to(plan) for plan in plans],
    }
    data = sign_document(body, signing_key(workspace))
    write_whole(path, data.decode())
    return str(json.loads(data)["signature"]["sha256"])


def read_plan(path: Path, workspace: Workspace) -> list[FlowPlan]:
    """The plans of a file, which must be as this workspace wrote it.

    Raises:
        UsageError: there is no such file.
        DataRefused: a byte was changed, another workspace wrote it, or it is no plan.
    """
    from accord.store.signing import verify_document

    data = given_bytes(path, "Give a file written by accord plan --out.")
    body = verify_document(data, signing_key(workspace).public, where=str(path))
    if body.get("kind") != KIND or body.get("version") != VERSION:
        raise DataRefused("this is no plan of this version", str(path), "a file written by accord plan --out")
    flows: list[dict[str, Any]] = body["flows"]
    return [plan_from(flow, str(path)) for flow in flows]


AGREED: Final = "no change: the systems agree with what is agreed"


def show_plans(plans: Sequence[FlowPlan], limit: int, *, nothing: str = AGREED) -> None:
    """Counts per system, then each row up to ``limit``: key, what is done, and the values that change; or that there is ``nothing``."""
    counts = [
        (escape(p.flow), escape(f"{t.system}/{t.resource}"), f"{t.inserts:,}", f"{t.updates:,}", f"{t.deletes:,}", f"{_refused(t.rows):,}")
        for p in plans
        for t in p.targets
    ]
    if not counts:
        if plans:  # of flows that failed nobody knows
            out().print(nothing)
        return
    table("", ("flow", "system", "insert", "update", "delete", "does not fit"), counts, right=(2, 3, 4, 5))
    if limit <= 0:
        return
    rows = [
        (_op(row), escape(f"{t.system}/{t.resource}"), escape(_key(str(row["key"]))), escape(_values(row)))
        for p in plans
        for t in p.targets
        for row in t.rows[:limit]
    ]
    table("", ("", "system", "key", "values"), rows)
    more = sum(max(0, len(t.rows) - limit) for p in plans for t in p.targets)
    if more:
        out().print(f"and {more:,} more rows; --limit shows more of them, --out writes all")


def _refused(rows: Sequence[Any]) -> int:
    return sum(1 for row in rows if row["unfit"])


def _op(row: Any) -> str:
    style = _OP_STYLE.get(row["op"], "")
    return f"[{style}]{row['op']}[/{style}]" if style else str(row["op"])


def _key(text: str) -> str:
    return ", ".join(str(v) for v in json.loads(text).values())


def _values(row: Any) -> str:
    if row["unfit"]:
        return f"does not fit: {row['unfit']}"
    old, new = row["old"] or {}, row["new"] or {}
    if row["op"] == "delete":
        return ", ".join(f"{c}: {_short(v)}" for c, v in old.items() if v is not None)
    if row["op"] == "insert":
        return ", ".join(f"{c}: {_short(v)}" for c, v in new.items() if v is not None)
    return ", ".join(f"{c}: {_short(old.get(c))} → {_short(v)}" for c, v in new.items() if v != old.get(c))


def _short(value: str | None) -> str:
    if value is None:
        return "—"
    line = value.replace("\r", "␍").replace("\n", "␊").replace("\t", "␉")  # a value of several lines is still one value
    return line if len(line) <= 40 else f"{line[:39]}…"
