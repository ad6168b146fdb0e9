"""``accord audit``: the event log as evidence: verify it, sign its head, prove events, export it."""

from __future__ import annotations

from pathlib import Path

import typer

from accord.cli import options
from accord.cli.given import given_bytes
from accord.cli.listed import sentence
from accord.cli.output import clock, emit_json, escape, out
from accord.govern.audit import check_document, export_log, prove_consistency, prove_event, signed_head
from accord.lifecycle.files import write_whole
from accord.store.signing import PUBLIC, load_or_create_key, load_public_key
from accord.workspace import Workspace

_EXPECTED = "Give a file that accord audit wrote."
To = typer.Option(None, "--to", help="Write it to this file instead of printing it.")


def register(app: typer.Typer) -> None:
    """Add the commands."""
    group = typer.Typer(no_args_is_help=True, help=sentence(__doc__))
    group.command("verify", help="Verify every event of the log, and earlier signed heads against it.")(verify)
    group.command("head", help="Sign the present end of the log.")(head)
    group.command("prove", help="Prove that an event is in the log.")(prove)
    group.command("consistency", help="Prove that the log extends an earlier signed head.")(consistency)
    group.command("export", help="Write the log with a verifier that needs only Python.")(export)
    group.command("check", help="Check a head or a proof without the log.")(check)
    app.add_typer(group, name="audit")


def _keys(workspace: Workspace) -> Path:
    return workspace.root / ".accord" / "keys"


def _give(data: bytes, to: Path | None, json: bool, command: str) -> None:
    if to is not None:
        write_whole(to, data.decode())
    if json and to is not None:
        emit_json({"command": f"audit {command}", "file": str(to)})
    elif to is not None:
        out().print(escape(f"written {to}"))
    else:
        typer.echo(data.decode(), nl=False)


@options.at_map
def verify(
    where: options.Where = options.WHERE,
    json: options.Json = False,
    against: list[Path] = typer.Option([], "--head", help="Signed head noted earlier, outside the workspace; may be repeated."),
    public_key: Path | None = typer.Option(None, "--public-key", help="Key the heads are signed with; default: the workspace's."),
) -> int:
    """Exit code 1 when an event does not verify, a segment is damaged, or the log does not extend a head."""
    with where.opened(write=False) as workspace:
        head_ = workspace.store.verify()
        faults = workspace.store.verify_segments()
        erased = workspace.store.table("erased_segment").num_rows
        key = load_or_create_key(_keys(workspace))
        trusted = load_public_key(public_key) if public_key else key.public
        for file in against:
            old = check_document(given_bytes(file, _EXPECTED), trusted, where=str(file))
            prove_consistency(workspace.store, old.get("head", old), key, now=clock())
    if json:
        damaged = [{"segment": f.sha, "fault": f.fault} for f in faults]
        emit_json(
            {
                "command": "audit verify",
                "events": head_.seq,
                "hash": head_.hash,
                "heads": len(against),
                "segments": damaged,
                "erased": erased,
            }
        )
    else:
        more = f", and it extends {len(against)} earlier heads" if against else ""
        out().print(f"verified: {head_.seq:,} events, head {head_.hash}{more}")
        if erased:
            out().print(f"{erased:,} segments were erased with persons in them; others stand for them")
        for fault in faults:
            out().print(f"segment {fault.sha} is {fault.fault}")
    return 1 if faults else 0


@options.at_map
def head(
    where: options.Where = options.WHERE,
    json: options.Json = False,
    to: Path | None = To,
) -> None:
    """A signed head in other hands makes a cut or a rewritten log visible."""
    with where.opened(write=False) as workspace:
        _give(signed_head(workspace.store, load_or_create_key(_keys(workspace)), now=clock()), to, json, "head")


@options.at_map
def prove(
    event: str = typer.Argument(help="Id of the event, or its number."),
    where: options.Where = options.WHERE,
    json: options.Json = False,
    to: Path | None = To,
) -> None:
    """The proof holds the event itself, so it says as much as it shows."""
    with where.opened(write=False) as workspace:
        _give(prove_event(workspace.store, event, load_or_create_key(_keys(workspace)), now=clock()), to, json, "prove")


@options.at_map
def consistency(
    old: Path = typer.Argument(help="Earlier signed head."),
    where: options.Where = options.WHERE,
    json: options.Json = False,
    to: Path | None = To,
) -> None:
    """Exit code 1 when the log does not begin with what that head was signed for."""
    with where.opened(write=False) as workspace:
        key = load_or_create_key(_keys(workspace))
        body = check_document(given_bytes(old, _EXPECTED), key.public, where=str(old))
        _give(prove_consistency(workspace.store, body, key, now=clock()), to, json, "consistency")


@options.at_map
def export(
    folder: Path = typer.Argument(help="New folder for the export."),
    where: options.Where = options.WHERE,
    json: options.Json = False,
) -> None:
    """Whoever gets the folder runs ``python verify.py`` in it."""
    with where.opened(write=False) as workspace:
        keys = _keys(workspace)
        count = export_log(workspace.store, folder, load_or_create_key(keys), keys / PUBLIC, now=clock())
    if json:
        emit_json({"command": "audit export", "folder": str(folder), "events": count})
    else:
        out().print(escape(f"written {folder}: {count:,} events; verify with: python {folder / 'verify.py'}"))


def check(
    file: Path = typer.Argument(help="A head or a proof."),
    public_key: Path = typer.Option(..., "--public-key", help="The signer's public key (signing-key.pub)."),
    json: options.Json = False,
) -> None:
    """Needs neither the map nor the log."""
    body = check_document(given_bytes(file, _EXPECTED), load_public_key(public_key), where=str(file))
    if json:
        emit_json({"command": "audit check", "document": body})
    else:
        at = body.get("head", body)
        out().print(escape(f"{body['kind']} holds: {at['size']:,} events, root {at['root']}, {at['at']}"))
