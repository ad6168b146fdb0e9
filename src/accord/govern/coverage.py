"""What of a specification is demonstrated, implemented or not yet; computed from the map, the KPI files and what ran.

An id is claimed by what says ``covers:`` it. A claim of something that can be carried out (a KPI, a flow, a target, a risk's indicator,
a review, a deliverable, a gate, a process, a step) is *implemented*; it is *demonstrated* once it ran and gave what was claimed: a step
when it was done in an instance that came to its end. A step that says what it ``lacks`` of an id stays *implemented*, however often it
ran.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from accord.model.event import StoredEvent
from accord.model.figure import show_value
from accord.model.integration_map import IntegrationMap
from accord.store import Store

Kind = Literal["KPI", "flow", "target", "risk", "review", "deliverable", "process", "step", "gate", "link"]
Status = Literal["demonstrated", "implemented", "not yet"]
_CARRIED_OUT: frozenset[Kind] = frozenset({"KPI", "flow", "target", "risk", "review", "deliverable", "process", "step", "gate"})
_TYPES = ("kpi.measured", "flow.run_finished", "target.judged", "deliverable.written", "review.held")
_STEPS = (
    "SELECT t.process, t.step, count(DISTINCT t.instance), max(t.seq) FROM work_task t JOIN work_instance i ON i.instance = t.instance "
    "WHERE t.state = 'completed' AND i.status = 'completed' AND t.kind <> 'undo' GROUP BY t.process, t.step ORDER BY t.process, t.step"
)
_PROCESSES = "SELECT process, count(*) FROM work_instance WHERE status = 'completed' GROUP BY process ORDER BY process"


@dataclass(frozen=True, slots=True, order=True)
class Claim:
    """Something that says it covers an id."""

    kind: Kind
    name: str

    def __str__(self) -> str:
        return f"{self.kind} {self.name}"


@dataclass(frozen=True, slots=True)
class Proof:
    """What a claim gave when it ran: ``good`` when it gave what was claimed, ``detail`` in words, ``seq`` its event in the log."""

    claim: Claim
    good: bool
    detail: str
    seq: int

    def __str__(self) -> str:
        return f"{self.claim}: {self.detail} (event {self.seq})"


@dataclass(frozen=True, slots=True)
class CoverageRow:
    """One id of a specification with what stands for it."""

    id: str
    title: str
    status: Status
    evidence: tuple[str, ...]


def coverage(spec: Mapping[str, str], *, declared: Mapping[str, Iterable[Claim]], ran: Mapping[str, Iterable[Proof]]) -> list[CoverageRow]:
    """One row per id of the specification, in its order.

    Args:
        spec: id: title.
        declared: id: who claims it, as ``declared_ids`` finds them.
        ran: id: what ran, as ``ran_ids`` finds it. A claim that nobody declared but that ran (a deliverable) counts as well.
    """
    return [_row(name, title, set(declared.get(name, ())), list(ran.get(name, ()))) for name, title in spec.items()]


def _row(name: str, title: str, claims: set[Claim], proofs: Sequence[Proof]) -> CoverageRow:
    latest = {proof.claim: proof for proof in sorted(proofs, key=lambda p: p.seq)}
    able = sorted({c for c in claims if c.kind in _CARRIED_OUT} | set(latest))
    idle = sorted(c for c in claims if c not in able)
    evidence = [str(latest[c]) if c in latest else f"{c}: did not run" for c in able]
    evidence += [f"{c}: declared, nothing carries it out yet" for c in idle]
    if not able:
        return CoverageRow(name, title, "not yet", tuple(evidence))
    # One part that did not run, or did not give what it claims, leaves the whole undemonstrated.
    whole = all(c in latest and latest[c].good for c in able)
    return CoverageRow(name, title, "demonstrated" if whole else "implemented", tuple(evidence))


def declared_ids(
    integration_map: IntegrationMap, *, kpis: Mapping[str, Iterable[str]], deliverables: Mapping[str, Iterable[str]] | None = None
) -> dict[str, list[Claim]]:
    """Who claims which id.

    Args:
        integration_map: its flows, targets, risks, reviews, processes, steps and links with their ``covers``.
        kpis: KPI: the ids its file covers.
        deliverables: deliverable («step/name»): the ids it covers, where that is known before it is written.
    """
    found: dict[str, list[Claim]] = {}
    for kind, name, ids in _claims(integration_map, kpis, deliverables or {}):
        for covered in ids:
            found.setdefault(covered, []).append(Claim(kind, name))
    return found


def _claims(
    map_: IntegrationMap, kpis: Mapping[str, Iterable[str]], deliverables: Mapping[str, Iterable[str]]
) -> Iterator[tuple[Kind, str, Iterable[str]]]:
    yield from (("KPI", name, ids) for name, ids in kpis.items())
    yield from (("deliverable", name, ids) for name, ids in deliverables.items())
    yield from (("flow", flow.name, flow.covers) for flow in map_.flows.values())
    yield from (("target", target.name, target.covers) for target in map_.targets.values())
    yield from (("risk", risk.name, risk.covers) for risk in map_.risks.values())
    yield from (("review", review.name, review.covers) for review in map_.reviews.values())
    yield from (("link", link.name, link.covers) for link in map_.links.values())
    yield from (("gate", gate.name, gate.covers) for gate in map_.gates.values())
    for process in map_.processes.values():
        yield ("process", process.name, process.covers)
        yield from (("step", f"{process.name}.{step.name}", step.covers) for step in process.steps.values())


def ran_ids(store: Store, integration_map: IntegrationMap, *, run: str | None = None) -> dict[str, list[Proof]]:
    """What ran, by the ids it covers.

    A KPI counts when it has a value, a flow when its run ended with every row applied, a target when its verdict is *met* and not on
    simulated work, a deliverable when it was written, a review when it was held, and a risk when the KPI that shows it coming has a value.
    A step counts when an instance that came to its end did it, a process when one came to its end, and a gate when it has let something
    pass; work is done in no run, so it counts only when every run is asked for.

    Args:
        store: its event log is read from the beginning.
        integration_map: says which risk has which indicator.
        run: only what this run left; ``None`` for everything, of which the latest counts.
    """
    found: dict[str, list[Proof]] = {}
    for stored in store.read(types=_TYPES):
        if run is not None and stored.event.attributes.get("run") != run:
            continue
        for ids, proof in _proofs(stored, integration_map):
            for covered in ids:
                found.setdefault(covered, []).append(proof)
    for ids, proof in _carried_out(store, integration_map) if run is None else ():
        for covered in ids:
            found.setdefault(covered, []).append(proof)
    return found


def _carried_out(store: Store, map_: IntegrationMap) -> Iterator[tuple[Iterable[str], Proof]]:
    """What instances of processes did; steps done by simulated people say so."""
    by = " by simulated people" if any(store.read(types=["work.simulated"], limit=1)) else ""
    last: dict[str, int] = {}
    for process, step, instances, seq in store.rows(_STEPS):
        last[process] = max(seq, last.get(process, 0))
        declared = map_.processes[process].steps.get(step) if process in map_.processes else None
        for covered in declared.covers if declared else ():
            lacking = f"; lacks: {declared.lacks[covered]}" if declared and covered in declared.lacks else ""
            said = f"done in {_counted(instances)}{by}{lacking}"
            yield (covered,), Proof(Claim("step", f"{process}.{step}"), not lacking, said, seq)
    for process, instances in store.rows(_PROCESSES):
        if process in map_.processes and process in last:
            said = f"{_counted(instances)} came to the end{by}"
            yield map_.processes[process].covers, Proof(Claim("process", process), True, said, last[process])
    for stored in store.read(types=["gate.evaluated"]):
        gate = str(stored.event.attributes["gate"])
        if gate in map_.gates and map_.gates[gate].covers and stored.event.attributes["passed"]:
            yield map_.gates[gate].covers, Proof(Claim("gate", gate), True, f"passed{by}", stored.seq)


def _counted(instances: int) -> str:
    return f"{instances:,} instance" + ("" if instances == 1 else "s")


def _proofs(stored: StoredEvent, map_: IntegrationMap) -> Iterator[tuple[Iterable[str], Proof]]:
    body, seq = stored.event.attributes, stored.seq
    covers: Iterable[str] = body.get("covers") or ()
    match stored.event.type:
        case "kpi.measured":
            # A breakdown can have a value where the whole has none; only the whole speaks for the KPI.
            if not body.get("dims"):
                good, detail = _measured(body)
                yield covers, Proof(Claim("KPI", str(body["kpi"])), good, detail, seq)
                for risk in map_.risks.values():
                    if risk.indicator == body["kpi"]:
                        yield risk.covers, Proof(Claim("risk", risk.name), good, f"{risk.indicator} {detail}", seq)
        case "flow.run_finished":
            status = str(body["status"])
            yield covers, Proof(Claim("flow", str(body["flow"])), status == "done", status, seq)
        case "target.judged":
            verdict = str(body["verdict"])
            # What people were assumed to do shows what would be, not what is.
            assumed = (body.get("value") or {}).get("label", "")
            yield (
                covers,
                Proof(Claim("target", str(body["target"])), verdict == "met" and not assumed, f"{verdict} {assumed}".rstrip(), seq),
            )
        case "deliverable.written":
            yield covers, Proof(Claim("deliverable", f"{body['step']}/{body['name']}"), True, "written", seq)
        case "review.held":
            name = str(body.get("review", ""))
            own = map_.reviews[name].covers if name in map_.reviews else covers
            yield own, Proof(Claim("review", name), True, "held", seq)


def _measured(body: Mapping[str, Any]) -> tuple[bool, str]:
    value = body.get("value")
    if value is None:
        return False, f"not measured: {body.get('not_measured') or 'no reason given'}"
    return True, show_value(float(value), str(body.get("unit", "")))


def unknown_ids(spec: Mapping[str, str], declared: Mapping[str, Iterable[Claim]]) -> dict[str, tuple[str, ...]]:
    """Ids that are claimed and not in the specification, with who claims them: most likely a slip of the pen."""
    return {name: tuple(str(c) for c in claims) for name, claims in sorted(declared.items()) if name not in spec}
