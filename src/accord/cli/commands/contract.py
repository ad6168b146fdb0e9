"""``accord contract``: data contracts (ODCS 3): write those of a map, or read one into a map."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import typer

from accord.cli import options
from accord.cli.given import given_bytes
from accord.cli.listed import sentence
from accord.cli.output import emit_json, escape, out
from accord.cli.problems import problem_json, tell_problems
from accord.lifecycle.files import write_whole
from accord.mapfile import Problem, load_map
from accord.mapfile.compatibility import judge_contract
from accord.mapfile.odcs import (
    Addition,
    ContractProblems,
    ImportedContract,
    add_entities,
    contract_text,
    entities_text,
    export_contract,
    import_contract,
)
from accord.model.entity import Entity
from accord.model.errors import UnknownName, UsageError
from accord.sync.judge.kept_contract import KEPT

_MAX_BYTES = 5_000_000


def register(app: typer.Typer) -> None:
    """Add the commands."""
    group = typer.Typer(no_args_is_help=True, help=sentence(__doc__))
    group.command("export", help="Write the entities of a map as data contracts in ODCS 3.")(export)
    group.command("import", help="Read a data contract in ODCS 3 as entities of a map.")(import_)
    group.command("check", help="Compare two versions of contracts: what breaks, and whether the versions say so.")(check)
    group.command("history", help="Show the contracts that runs kept, with what changed from one to the next.")(history)
    app.add_typer(group, name="contract")


def check(
    old: Path = typer.Argument(..., help="The contracts before: a map (file or folder), or a contract in ODCS 3."),
    new: Path = typer.Argument(..., help="The contracts now: a map (file or folder), or a contract in ODCS 3."),
    entity: list[str] = typer.Option([], "--entity", help="Only this entity; may be repeated."),
    json: options.Json = False,
) -> int:
    """Exit code 1 when a version was not raised as far as the changes ask, or an entity is gone."""
    before, after = _entities(old), _entities(new)
    for name in entity:
        if name not in before and name not in after:
            raise UnknownName("entity", name, {**before, **after})
    verdicts = [judge_contract(before[n], after[n]) for n in before if n in after and (not entity or n in entity)]
    gone = [n for n in before if n not in after and (not entity or n in entity)]
    if json:
        emit_json({"command": "contract check", "good": not gone and all(v.good for v in verdicts), "contracts": verdicts, "gone": gone})
        return 1 if gone or not all(v.good for v in verdicts) else 0
    for verdict in verdicts:
        said = "as it should be" if verdict.good else f"must be at least {verdict.wanted}"
        if verdict.changes or not verdict.good:
            out().print(f"{verdict.entity}: version {verdict.old} → {verdict.new}: {said}")
        for change in verdict.changes:
            out().print(f"  {change.level}: {escape(change.sentence)}")
    for name in gone:
        out().print(f"{name}: it is gone, which breaks everybody who reads it")
    if not gone and not any(v.changes for v in verdicts):
        out().print("the contracts are the same")
    return 1 if gone or not all(v.good for v in verdicts) else 0


@options.at_map
def history(
    where: options.Where = options.WHERE,
    entity: list[str] = typer.Option([], "--entity", help="Only this entity; may be repeated."),
    json: options.Json = False,
) -> None:
    """The first contract of an entity is the one of its first run."""
    with where.opened(write=False) as workspace:
        names = workspace.map.entities
        found = [(stored.event.time, stored.event.attributes) for stored in workspace.store.read(types=[KEPT])]
    for name in entity:
        if name not in names and not any(kept["entity"] == name for _, kept in found):
            raise UnknownName("entity", name, names)
    found = [(time, kept) for time, kept in found if not entity or kept["entity"] in entity]
    if json:
        emit_json({"command": "contract history", "contracts": [{"time": time, **kept} for time, kept in found]})
        return
    for time, kept in found:
        before = f", before {kept['before']['version']}" if "before" in kept else ""
        since = time.isoformat(timespec="seconds")
        out().print(escape(f"{kept['entity']}: version {kept['version']}{before}, since {since} (run {kept['run']})"))
        for change in kept.get("changes", ()):
            out().print(f"  {change['level']}: {escape(change['sentence'])}")
    if not found:
        out().print("no run has kept a contract yet")


def _entities(path: Path) -> dict[str, Entity]:
    """The entities of a map or of a contract."""
    if path.is_file() and (text := _text(path)) and re.search(r"^[\s{\"']*kind[\"']?\s*:\s*[\"']?DataContract", text, re.MULTILINE):
        return {e.name: e for e in import_contract(text, str(path)).entities}
    return dict(load_map(path, as_written=True).entities)


@options.map_too
def export(
    map_path: options.MapPath = options.HERE,
    data: options.Data = None,
    set_: options.SetVariable = [],
    entity: list[str] = typer.Option([], "--entity", help="Only this entity; may be repeated."),
    to: Path | None = typer.Option(None, "--to", help="Write one file <entity>.odcs.yaml each into this folder."),
    json: options.Json = False,
) -> None:
    """Print the contracts, or write them to a folder."""
    values = options.variables(data, set_)
    # Places of data as the map writes them: a contract is for others, who have neither this machine's folders nor its secrets.
    map_ = replace(load_map(map_path, values), systems=load_map(map_path, values, as_written=True).systems)
    for name in entity:
        if name not in map_.entities:
            raise UnknownName("entity", name, map_.entities)
    contracts = {name: export_contract(map_, name) for name in map_.entities if not entity or name in entity}
    files = {} if to is None else {name: to / f"{name}.odcs.yaml" for name in contracts}
    for name, file in files.items():
        write_whole(file, contract_text(contracts[name]))
    if json:
        emit_json({"command": "contract export", "contracts": list(contracts.values()), "files": [str(file) for file in files.values()]})
    elif files:
        for file in files.values():
            out().print(escape(f"written {file}"))
    else:
        typer.echo("---\n".join(contract_text(contract) for contract in contracts.values()), nl=False)


def import_(
    file: Path = typer.Argument(help="Contract: a YAML or JSON file of ODCS 3.0 to 3.2."),
    into: Path | None = typer.Option(None, "--into", help="Map to add the entities to: its folder, its file, or a new file of it."),
    data: options.Data = None,
    set_: options.SetVariable = [],
    strict: bool = typer.Option(False, "--strict", help="End with 1, and write nothing, when a check of the contract cannot be kept."),
    json: options.Json = False,
) -> int:
    """Show the entities as YAML of a map, or add them to one; 2 when the contract has mistakes."""
    values = options.variables(data, set_)
    try:
        found = import_contract(_text(file), str(file))
    except ContractProblems as error:
        return tell_problems("contract import", error.problems, as_json=json)
    addition = None if into is None else add_entities(into, found.entities, values)
    notes = (*found.left_out, *found.unchecked, *(addition.notes if addition is not None else ()))
    refused = strict and bool(found.unchecked)
    if addition is not None and not refused:
        write_whole(addition.file, addition.text)
    if json:
        emit_json({"command": "contract import", **_body(found, addition, refused=refused), "problems": []})
    else:
        _show(found, notes, addition, refused=refused)
    return 1 if refused else 0


def _body(found: ImportedContract, addition: Addition | None, *, refused: bool) -> dict[str, Any]:
    notes = addition.notes if addition is not None else ()
    return {
        "entities": {entity.name: entity for entity in found.entities},
        "yaml": entities_text(found.entities),
        "freshness_seconds": found.freshness.seconds if found.freshness is not None else None,
        "left_out": [problem_json(note) for note in (*found.left_out, *notes)],
        "unchecked": [problem_json(note) for note in found.unchecked],
        "file": str(addition.file) if addition is not None and not refused else None,
    }


def _show(found: ImportedContract, notes: tuple[Problem, ...], addition: Addition | None, *, refused: bool) -> None:
    """YAML on standard output; what was left out on standard error, so that the output stays a file of a map."""
    if addition is None:
        if found.freshness is not None:
            typer.echo(f"# Its latency is the freshness of the flow that will keep it: freshness: {found.freshness}")
        typer.echo(entities_text(found.entities), nl=False)
    for note in notes:
        typer.echo(str(note), err=True)
    if refused:
        typer.echo(f"nothing is written: {len(found.unchecked)} checks of the contract cannot be kept", err=True)
    elif addition is not None:
        freshness = f"; give its flow freshness: {found.freshness}" if found.freshness is not None else ""
        out().print(escape(f"written {addition.file}: {', '.join(e.name for e in found.entities)}{freshness}"))


def _text(file: Path) -> str:
    """The text of a contract.

    Raises:
        UsageError: it is not there, too large or not UTF-8.
    """
    data = given_bytes(file, "Give a contract file in ODCS 3.", most=_MAX_BYTES + 1)
    if len(data) > _MAX_BYTES:
        raise UsageError(f"{file} is too large for a contract.", expected=f"Expected at most {_MAX_BYTES // 1_000_000} MB.")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UsageError(f"{file} holds bytes that are not UTF-8.", expected="Save the file as UTF-8.") from error
