"""``accord identity``: which rows are the same thing: links, proposals, merges."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from accord.cli import options
from accord.cli.listed import sentence
from accord.cli.output import clock, emit_json, escape, out, table
from accord.lifecycle.run_id import new_run_id
from accord.model.errors import UnknownName, UsageError
from accord.model.integration_map import IntegrationMap
from accord.sync.identity.decide import accept as accept_proposal
from accord.sync.identity.decide import merge_ids, unmerge_ids
from accord.sync.identity.decide import reject as reject_proposal
from accord.sync.identity.look import find_duplicates, links_of, proposals_of
from accord.workspace import Workspace

_SHOWN = 50  # rows printed for people; --json has all
Entity = Annotated[str, typer.Option("--entity", help="Entity; needed where several have identity.")]
By = Annotated[str, typer.Option("--by", help="Who decides, for the log.", show_default="the user of this machine")]
Proposal = Annotated[str, typer.Argument(help="Id of a proposal, as list shows it.")]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    group = typer.Typer(no_args_is_help=True, help=sentence(__doc__))
    group.command("list", help="Links per system, and proposals that wait for a decision.")(list_)
    group.command("show", help="Everything known under a canonical id or an own key.")(show)
    group.command("propose", help="Search what is agreed for duplicates and propose merges.")(propose)
    group.command("accept", help="Decide that the two rows of a proposal are the same thing.")(accept)
    group.command("reject", help="Decide that the two rows of a proposal are different things.")(reject)
    group.command("merge", help="Make two canonical ids one; the next sync brings their rows into agreement.")(merge)
    group.command("unmerge", help="Undo a merge: links and values as they were.")(unmerge)
    app.add_typer(group, name="identity")


@options.at_map
def list_(
    where: options.Where = options.WHERE,
    json: options.Json = False,
    entity: Entity = "",
) -> None:
    """Print links counted per resource, and the open proposals."""
    with where.opened(write=False) as workspace:
        name = _entity(workspace.map, entity)
        links, proposals = links_of(workspace.store, name).to_pylist(), proposals_of(workspace.store, name).to_pylist()
    counts: dict[str, int] = {}
    for link in links:
        counts[link["resource"]] = counts.get(link["resource"], 0) + 1
    ids = len({link["canonical"] for link in links})
    if json:
        emit_json({"command": "identity list", "entity": name, "ids": ids, "links": counts, "proposals": proposals})
        return
    table(f"{name}: {ids:,} canonical ids", ("system", "links"), [(escape(r), f"{n:,}") for r, n in sorted(counts.items())], right=(1,))
    rows = [(p["id"], _end(p, "left"), _end(p, "right"), escape(p["rule"]), f"{p['score']:.3f}", p["why"]) for p in proposals[:_SHOWN]]
    table(f"{len(proposals):,} proposals wait for a decision", ("proposal", "one", "other", "rule", "likeness", "why"), rows, right=(4,))


@options.at_map
def show(
    key: str = typer.Argument(help="Canonical id, or the key of a row in some system."),
    where: options.Where = options.WHERE,
    json: options.Json = False,
    entity: Entity = "",
) -> None:
    """Print links, merges and proposals of one thing."""
    with where.opened(write=False) as workspace:
        name = _entity(workspace.map, entity)
        links = links_of(workspace.store, name, key=key).to_pylist()
        ids = {link["canonical"] for link in links} | {key}
        merges = [
            m
            for m in workspace.store.table("identity_merge").to_pylist()
            if m["entity"] == name and m["undone_seq"] is None and ids & {m["winner"], m["loser"]}
        ]
        waiting = [p for p in proposals_of(workspace.store, name).to_pylist() if {p["left_key"], p["right_key"]} & (ids | {key})]
        if not (links or merges or waiting):
            raise _unknown(workspace, name, key)
    if json:
        emit_json({"command": "identity show", "entity": name, "links": links, "merges": merges, "proposals": waiting})
        return
    rows = [(x["canonical"], x["resource"], x["own_key"], x["rule"], "left aside" if x["retired"] else "", x["by"]) for x in links]
    table("", ("canonical id", "system", "own key", "rule", "", "by"), [tuple(escape(v or "") for v in row) for row in rows])
    for merge_ in merges:
        out().print(escape(f"{merge_['loser']} was merged into {merge_['winner']} by {merge_['by']}"))
    for p in waiting:
        out().print(f"proposal {p['id']}: {_end(p, 'left')} = {_end(p, 'right')}? ({escape(p['rule'])}, {p['why']})")


@options.at_map
def propose(
    where: options.Where = options.WHERE,
    json: options.Json = False,
    entity: Entity = "",
) -> None:
    """Run the match rules over all agreed rows; a run itself looks only at rows whose key is new."""
    with where.opened() as workspace:
        name, now = _entity(workspace.map, entity), clock()
        found = find_duplicates(workspace.map, name, workspace.store, run=new_run_id(now), now=now)
    _say(json, {"command": "identity propose", "entity": name, "proposed": found}, f"{found:,} new proposals; see accord identity list")


@options.at_map
def accept(
    proposal: Proposal,
    where: options.Where = options.WHERE,
    json: options.Json = False,
    entity: Entity = "",
    by: By = "",
) -> None:
    """The rows wait no longer: the next sync takes them as one."""
    with where.opened() as workspace:
        name = _entity(workspace.map, entity)
        id_ = accept_proposal(workspace.map, name, proposal, workspace.store, by=options.person(by), now=clock())
    _say(json, {"command": "identity accept", "entity": name, "proposal": proposal, "canonical": id_}, f"both are {id_} now")


@options.at_map
def reject(
    proposal: Proposal,
    where: options.Where = options.WHERE,
    json: options.Json = False,
    entity: Entity = "",
    by: By = "",
) -> None:
    """The rows wait no longer: the next sync takes them as two, and they are not proposed again."""
    with where.opened() as workspace:
        name = _entity(workspace.map, entity)
        reject_proposal(workspace.map, name, proposal, workspace.store, by=options.person(by), now=clock())
    _say(json, {"command": "identity reject", "entity": name, "proposal": proposal}, f"{proposal} is rejected: two different things")


@options.at_map
def merge(
    winner: str = typer.Argument(help="Canonical id that stays."),
    loser: str = typer.Argument(help="Canonical id that goes."),
    where: options.Where = options.WHERE,
    json: options.Json = False,
    entity: Entity = "",
    by: By = "",
) -> None:
    """What the loser held differently is recorded as conflicts by the next sync."""
    with where.opened() as workspace:
        name = _entity(workspace.map, entity)
        id_ = merge_ids(workspace.map, name, winner, loser, workspace.store, by=options.person(by), now=clock())
    body = {"command": "identity merge", "entity": name, "canonical": id_, "merged": loser}
    _say(json, body, f"{loser} is {id_} now; undo with accord identity unmerge {loser}")


@options.at_map
def unmerge(
    loser: str = typer.Argument(help="Canonical id that was merged away."),
    where: options.Where = options.WHERE,
    json: options.Json = False,
    entity: Entity = "",
    by: By = "",
) -> None:
    """Links made or moved since stay as they are."""
    with where.opened() as workspace:
        name = _entity(workspace.map, entity)
        winner = unmerge_ids(workspace.map, name, loser, workspace.store, by=options.person(by), now=clock())
    _say(json, {"command": "identity unmerge", "entity": name, "canonical": loser, "from": winner}, f"{loser} and {winner} are two again")


def _entity(map_: IntegrationMap, given: str) -> str:
    """The entity meant.

    Raises:
        UnknownName: no such entity with identity.
        UsageError: it is not clear which, or there is none.
    """
    known = [name for name, entity in map_.entities.items() if entity.identity is not None]
    if given:
        if given not in known:
            raise UnknownName("entity with identity", given, known)
        return given
    if len(known) != 1:
        what = "no entity of this map has identity" if not known else f"several entities have identity: {', '.join(known)}"
        raise UsageError(f"{what}.", expected="Give identity: to an entity of the map." if not known else "Name one with --entity.")
    return known[0]


def _unknown(workspace: Workspace, entity: str, key: str) -> UsageError:
    """That nothing is known under a key, with what keys there are, and of what else there are keys."""
    keys: dict[str, list[str]] = {}
    for link in links_of(workspace.store, entity).select(["resource", "own_key"]).to_pylist():
        keys.setdefault(link["resource"], []).append(link["own_key"])
    shown = "; ".join(f"{resource} ({len(own):,}, such as '{own[0]}')" for resource, own in sorted(keys.items()))
    others = [name for name, other in workspace.map.entities.items() if other.identity is not None and name != entity]
    more = f" Other entities with identity: {', '.join(others)} (--entity)." if others else ""
    there = f"Keys are known of {shown}." if keys else "No key is known yet: run accord sync first."
    return UsageError(f"'{key}' is neither a canonical id of entity '{entity}' nor an own key of its rows.", expected=there + more)


def _end(proposal: dict[str, Any], side: str) -> str:
    resource, key = proposal[f"{side}_resource"], proposal[f"{side}_key"]
    return escape(f"{resource} {key}" if resource else f"id {key}")


def _say(as_json: bool, body: dict[str, Any], sentence: str) -> None:
    if as_json:
        emit_json(body)
    else:
        out().print(escape(sentence))
