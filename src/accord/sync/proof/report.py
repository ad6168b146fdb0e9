"""A reconciliation as a document for others: what was compared, digests of both sides, every difference, and where in the log it stands."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from accord.model.event import Head
from accord.model.integration_map import IntegrationMap
from accord.sync.result import Reconciliation

KIND = "accord reconciliation"
VERSION = 1
NAMED = 10_000  # differences written out; the segment in the store holds all of them
_SHOWN = 50
_BY = {"native": "the systems", "portable": "accord"}


def proof_body(map: IntegrationMap, proofs: Sequence[Reconciliation], head: Head, now: datetime) -> dict[str, Any]:  # noqa: A002
    """The proof as plain JSON values, to be signed.

    Args:
        map: the map the flows belong to.
        proofs: one per flow, of one run.
        head: of the event log, after the reconciliations were appended.
        now: when they began.
    """
    return {
        "kind": KIND,
        "version": VERSION,
        "map": {"name": map.name, "version": map.version, "hash": map.content_hash},
        "made_at": now.isoformat(),
        "log": {"events": head.seq, "hash": head.hash},
        "agree": all(pair.agrees for proof in proofs for pair in proof.pairs),
        "flows": [_flow(map, proof) for proof in proofs],
    }


def _flow(map: IntegrationMap, proof: Reconciliation) -> dict[str, Any]:  # noqa: A002
    bindings = map.flows[proof.flow].bindings
    return {
        "flow": proof.flow,
        "run": proof.run,
        "systems": [
            {
                "binding": name,
                "system": bindings[name].holder,
                "resource": bindings[name].resource,
                "rows": rows,
                "quarantined": proof.quarantined.get(name, 0),
                "lacking": list(proof.lacking.get(name, ())),
            }
            for name, rows in proof.rows.items()
        ],
        "pairs": [
            {
                "left": p.left,
                "right": p.right,
                "keys": p.keys,
                "missing": p.missing,
                "extra": p.extra,
                "different": p.different,
                "left_digest": p.left_digest,
                "right_digest": p.right_digest,
                "method": p.method,
                "coarser": dict(p.coarser),
            }
            for p in proof.pairs
        ],
        "unknown": dict(proof.unknown),
        "differences": {"count": proof.differences.num_rows, "segment": proof.sha, "rows": proof.differences.slice(0, NAMED).to_pylist()},
    }


def proof_markdown(body: Mapping[str, Any], signature: Mapping[str, str]) -> str:
    """The same for people; it names the signature of the JSON form, which is the one that verifies."""
    verdict = "The systems agree on every key that was compared." if body["agree"] else "The systems differ."
    lines = [
        f"# Reconciliation of {_cell(body['map']['name'])}",
        "",
        f"{verdict} Made {body['made_at']}, map version {_cell(body['map']['version'])} (`{body['map']['hash'][:16]}`), "
        f"event log at {body['log']['events']:,} events (`{body['log']['hash'][:16]}`).",
        "",
    ]
    for flow in body["flows"]:
        lines += [f"## {_cell(flow['flow'])}", "", "| system | resource | rows | in quarantine |", "| --- | --- | ---: | ---: |"]
        lines += [f"| {_cell(s['system'])} | {_cell(s['resource'])} | {s['rows']:,} | {s['quarantined']:,} |" for s in flow["systems"]]
        lines += [f"\n{_cell(lacking_sentence(s['system'], s['resource'], s['lacking']))}" for s in flow["systems"] if s["lacking"]]
        lines += [
            "",
            "| pair | keys in both | missing | extra | different | digests | by |",
            "| --- | ---: | ---: | ---: | ---: | --- | --- |",
        ]
        for p in flow["pairs"]:
            digests = f"`{p['left_digest'][:16]}` {'=' if p['left_digest'] == p['right_digest'] else '≠'} `{p['right_digest'][:16]}`"
            pair = f"{_cell(p['left'])} ~ {_cell(p['right'])}"
            lines.append(
                f"| {pair} | {p['keys']:,} | {p['missing']:,} | {p['extra']:,} | {p['different']:,} | {digests} | {_BY[p['method']]} |"
            )
        lines += ["", *(f"{_cell(said)}\n" for p in flow["pairs"] for said in coarser_sentences(p["left"], p["right"], p["coarser"]))]
        lines += _differences(flow["differences"], flow["unknown"])
    lines += [f"Signed with {signature['algorithm']} key `{signature['key']}`; SHA-256 of the signed content `{signature['sha256']}`.", ""]
    return "\n".join(lines)


def lacking_sentence(system: str, resource: str, columns: Sequence[str]) -> str:
    """What a proof does not cover, because mapped columns are gone."""
    what = ", ".join(f"'{column}'" for column in columns)
    return f"{system}/{resource} no longer has {what}: the fields mapped to it were not compared there."


def coarser_sentences(left: str, right: str, coarser: Mapping[str, int]) -> list[str]:
    """Which values agree only because one of two systems cannot hold them whole."""
    return [
        f"{left} ~ {right}: {count:,} values of '{field}' are the same only as coarsely as one of the two can hold them"
        for field, count in coarser.items()
    ]


def row_named(key: str, unknown: Mapping[str, str]) -> str:
    """Which row is meant: by its key, or where that is no id yet, by what its own system calls it."""
    return f"{unknown[key]} (no id yet)" if key in unknown else key


def _differences(found: Mapping[str, Any], unknown: Mapping[str, str]) -> list[str]:
    if not found["count"]:
        return []
    lines = ["| pair | key | difference | field | left | right |", "| --- | --- | --- | --- | --- | --- |"]
    for d in found["rows"][:_SHOWN]:
        pair, values = (
            f"{d['left']} ~ {d['right']}",
            (row_named(d["key"], unknown), d["kind"], d["field"], d["left_value"], d["right_value"]),
        )
        lines.append(f"| {_cell(pair)} | {' | '.join(_cell('—' if v is None else str(v)) for v in values)} |")
    more = found["count"] - min(found["count"], _SHOWN)
    return [*lines, "", *([f"and {more:,} more; segment `{found['segment']}` of the store holds all of them.", ""] if more else [])]


def _cell(text: str) -> str:
    """Text of a table's cell: values of rows must not end it, start a line or be markup."""
    plain = " ".join(text.split())
    for sign in "\\|`*_<>[]":
        plain = plain.replace(sign, f"\\{sign}")
    return plain
