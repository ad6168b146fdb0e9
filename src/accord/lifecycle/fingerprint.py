"""One hash over everything a run depends on: the map and the content of every system it reads."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from accord import __version__
from accord.connectors.duck import borrowed_duck
from accord.model.errors import AccordError
from accord.workspace import Workspace


def inputs_fingerprint(workspace: Workspace) -> str:
    """SHA-256 over the map's hash, this version, and a content digest per resource and log; order of rows does not matter.

    A system that cannot be read counts as itself plus the error, so that it is noticed when it comes back.
    """
    parts: dict[str, str] = {"accord": __version__, "map": workspace.map.content_hash}
    resources = sorted({(b.holder, b.resource) for flow in workspace.map.flows.values() for b in flow.bindings.values()})
    with borrowed_duck() as con:
        for system, resource in resources:
            try:
                relation = workspace.connector(system).scan(con, resource)
                # Two moments of the row hash plus the count: a change of any row changes the sum, and order does not.
                row = con.execute(
                    f"SELECT count(*), sum(hash(t)::HUGEINT)::VARCHAR, bit_xor(hash(t))::VARCHAR FROM {relation} AS t"
                ).fetchone()
                parts[f"{system}/{resource}"] = repr(row)
            except AccordError as error:
                parts[f"{system}/{resource}"] = f"{type(error).__name__}"
    for name, log in sorted(workspace.map.logs.items()):
        path = Path(log.path)
        path = path if path.is_absolute() else workspace.map_folder / path
        parts[f"log:{name}"] = _file_digest(path)
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def _file_digest(path: Path) -> str:
    if not path.is_file():
        return "absent"
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
