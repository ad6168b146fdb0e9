"""Applies the proposed change to the map's own files: edited in place, comments kept, and only if they then say what was proposed."""

from __future__ import annotations

import io
import shutil
import tempfile
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap

from accord.lifecycle.context import StepContext
from accord.lifecycle.design.proposed_map import ProposedMap
from accord.lifecycle.files import write_whole
from accord.mapfile import diff_maps, load_map
from accord.model.entity import Field
from accord.model.errors import UsageError
from accord.model.integration_map import IntegrationMap

ADDED = "proposed.yaml"


def write_proposals(ctx: StepContext, proposal: ProposedMap) -> tuple[str, ...]:
    """Write the proposal into the map's files; what is new goes to ``proposed.yaml`` beside them, or into a map of one file.

    The edited files are loaded in a folder aside first, and replace the map's only when the result is the proposed map.

    Returns:
        The files that changed, relative to the map's folder.

    Raises:
        UsageError: the edited files do not say what was proposed, for instance because two entities share an anchor.
    """
    path = ctx.workspace.map_path
    folder = ctx.workspace.map_folder
    current = load_map(path, as_written=True)
    texts = edited_texts(current, proposal, path)
    with tempfile.TemporaryDirectory(prefix="accord-design-") as aside:
        copy = Path(aside) / folder.resolve().name
        shutil.copytree(folder, copy, ignore=lambda _, names: [n for n in names if n.startswith(".") or n in ("data", "deliverables")])
        for file, text in texts.items():
            (copy / file).write_text(text, encoding="utf-8")
        again = load_map(copy if path.is_dir() else copy / path.name, as_written=True)
    different = diff_maps(proposal.map, again)
    if different:
        raise UsageError(
            f"the proposal cannot be written into the files of {folder}: they would say something else ({different[0]}).",
            expected="Copy the YAML of the architecture specification by hand. Nothing was changed.",
        )
    for file, text in texts.items():
        write_whole(folder / file, text)
    return tuple(sorted(texts))


def edited_texts(current: IntegrationMap, proposal: ProposedMap, path: Path) -> dict[str, str]:
    """File, relative to the map's folder: its text after the change; only files that change."""
    folder = path if path.is_dir() else path.parent
    documents: dict[str, Any] = {}

    def document(file: str) -> Any:
        name = str(Path(file).resolve().relative_to(folder.resolve())) if Path(file).is_absolute() else file
        if name not in documents:
            standing = folder / name
            documents[name] = _yaml().load(standing.read_text(encoding="utf-8")) if standing.is_file() else CommentedMap()
        return documents[name]

    target = path.name if path.is_file() else ADDED
    for name, entity in proposal.map.entities.items():
        before = current.entities.get(name)
        if before is None:
            _section(document(target), "entities")[name] = _section(_parsed(proposal), "entities")[name]
            continue
        for field in entity.fields.values():
            if field != before.fields[field.name]:
                _set_field(document(before.place.file)["entities"][name]["fields"], field, before.fields[field.name])
    for name, flow in proposal.map.flows.items():
        standing = current.flows.get(name)
        if standing is None:
            _section(document(target), "flows")[name] = _section(_parsed(proposal), "flows")[name]
        elif flow.authority != standing.authority:
            _section(document(standing.place.file)["flows"][name], "authority").update(dict(flow.authority))
    return {name: _text(content) for name, content in documents.items()}


def _set_field(fields: Any, after: Field, before: Field) -> None:
    """Set the keys that differ; a field written as its type alone becomes a mapping."""
    if not isinstance(fields[after.name], CommentedMap):
        fields[after.name] = CommentedMap({"type": fields[after.name] or before.type})
        fields[after.name].fa.set_flow_style()
    for key in ("required", "values", "pattern", "minimum", "references", "personal"):
        value = getattr(after, key)
        if value != getattr(before, key):
            fields[after.name][key] = list(value) if isinstance(value, tuple) else value


def _section(holder: Any, name: str) -> Any:
    if holder.get(name) is None:
        holder[name] = CommentedMap()
    return holder[name]


def _parsed(proposal: ProposedMap) -> Any:
    return _yaml().load(proposal.yaml)


def _yaml() -> YAML:
    yaml = YAML(typ="rt", pure=True)
    yaml.preserve_quotes = True
    yaml.width = 1_000_000
    yaml.allow_unicode = True
    return yaml


def _text(content: Any) -> str:
    out = io.StringIO()
    _yaml().dump(content, out)
    return out.getvalue()
