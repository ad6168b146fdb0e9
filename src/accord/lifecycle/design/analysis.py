"""Everything the design step computes, once; the deliverables only tell it."""

from __future__ import annotations

from dataclasses import dataclass, field

from accord.connectors.duck import borrowed_duck
from accord.lifecycle.context import Analysis, StepContext
from accord.lifecycle.design.agreements import Agreement, handoff_agreements
from accord.lifecycle.design.dataflow import Delivery, Lineage, Record, deliveries, lineage, systems_of_record
from accord.lifecycle.design.measuring import MeasurementDesign, design_measurement
from accord.lifecycle.design.proposals import (
    CheckedMapping,
    ContractProposal,
    NewEntity,
    NewField,
    check_mappings,
    contract_proposals,
    described_systems,
    entity_profiles,
    new_entities,
    new_fields,
    raw_profiles,
)
from accord.lifecycle.design.proposed_map import ProposedMap, propose_map
from accord.lifecycle.design.standards import Compliance, check_standards
from accord.lifecycle.design.write import write_proposals
from accord.lifecycle.judge import level_target
from accord.lifecycle.observe import observe
from accord.mapfile import load_map
from accord.measure import discover_kpis, open_measure
from accord.model.figure import Evidence, Figure, Finding, TargetResult
from accord.model.integration_map import IntegrationMap


@dataclass(frozen=True)
class DesignAnalysis(Analysis):
    """What step 2 proposes.

    Args:
        mappings: each declared mapping found again blindly.
        new_fields: columns no mapping reads.
        new_entities: resources no flow binds.
        contracts: checks the data passes and no contract names.
        records: the system of record of each field.
        deliveries: each field carried into a system, with its hops.
        lineage: each mapped column.
        standards: each standard with who keeps it.
        measuring: what feeds each KPI.
        agreements: handoffs between teams, measured and as agreed.
        proposal: the changed map.
        written: files that were changed, when the proposal was applied.
    """

    mappings: tuple[CheckedMapping, ...] = ()
    new_fields: tuple[NewField, ...] = ()
    new_entities: tuple[NewEntity, ...] = ()
    contracts: tuple[ContractProposal, ...] = ()
    records: tuple[Record, ...] = ()
    deliveries: tuple[Delivery, ...] = ()
    lineage: tuple[Lineage, ...] = ()
    standards: tuple[Compliance, ...] = ()
    measuring: MeasurementDesign = field(default_factory=lambda: MeasurementDesign((), (), ()))
    agreements: tuple[Agreement, ...] = ()
    proposal: ProposedMap | None = None
    written: tuple[str, ...] = ()


def analyze(ctx: StepContext) -> DesignAnalysis:
    """Propose mappings, contracts, masters and standards from map and data; with the option ``write``, apply them to the map's files."""
    workspace = ctx.workspace
    integration_map, connectors = workspace.map, workspace.connectors()
    kpis = {n: k for n, k in discover_kpis(integration_map).items() if k.applies_to(integration_map)}
    with borrowed_duck() as con:
        ctx.progress.begin("design", 3)
        observed = observe(integration_map, connectors, con, workspace.store, now=ctx.now)
        ctx.progress.advance("matching schemas")
        raw = raw_profiles(observed, connectors)
        mappings = check_mappings(observed, raw)
        ctx.progress.advance("inferring contracts")
        profiles = entity_profiles(observed, integration_map)
        contracts = contract_proposals(observed, integration_map, profiles)
        fields = new_fields(observed, raw)
        ctx.progress.advance("looking at what no flow binds")
        entities = new_entities(observed, integration_map, connectors, described_systems(connectors), profiles)
    with open_measure(integration_map, workspace.store, now=ctx.now) as measure:
        agreements = handoff_agreements(measure, integration_map)
    records = systems_of_record(integration_map)
    carried = deliveries(integration_map, records)
    standards = check_standards(integration_map)
    proposal = propose_map(load_map(workspace.map_path, as_written=True), contracts, entities, records)
    written = write_proposals(ctx, proposal) if ctx.options.get("write") and proposal.changed else ()
    return DesignAnalysis(
        findings=_findings(standards, fields, entities, contracts, integration_map),
        metrics=_metrics(integration_map, mappings, standards, carried),
        mappings=mappings,
        new_fields=fields,
        new_entities=entities,
        contracts=contracts,
        records=records,
        deliveries=carried,
        lineage=lineage(integration_map),
        standards=standards,
        measuring=design_measurement(integration_map, kpis),
        agreements=agreements,
        proposal=proposal,
        written=written,
    )


def _findings(
    standards: tuple[Compliance, ...],
    fields: tuple[NewField, ...],
    entities: tuple[NewEntity, ...],
    contracts: tuple[ContractProposal, ...],
    integration_map: IntegrationMap,
) -> tuple[Finding, ...]:
    found = []
    in_map = (Evidence("map", "all sections"),)
    for one in standards:
        if one.broken:
            sentence = f"{len(one.broken)} items do not keep the standard «{one.standard.name}»: {one.standard.rule}"
            found.append(
                Finding("standard_not_kept", one.standard.name, sentence, "warning", len(one.broken), one.broken[:5], evidence=in_map)
            )
    for new in entities:
        what = f"looks like another copy of '{new.like}'" if new.like else "is bound by no flow"
        sentence = f"{new.system}/{new.resource} holds {new.rows:,} rows and {what}. See the proposal of `accord design`."
        owner = integration_map.systems[new.system].owner
        place = Evidence("scan", f"{new.system}/{new.resource}")
        found.append(
            Finding("unbound_resource", f"{new.system}/{new.resource}", sentence, "info", new.rows, owner=owner, evidence=(place,))
        )
    if fields:
        sentence = f"{len(fields)} columns with values are read by no mapping."
        examples = tuple(f"{f.system}/{f.resource}.{f.inferred.field.name}" for f in fields[:5])
        found.append(Finding("unmapped_column", "map", sentence, "info", len(fields), examples, evidence=in_map))
    if contracts:
        sentence = f"{len(contracts)} checks that all data passes stand in no contract. `accord design --write` adds them."
        examples = tuple(f"{c.entity}.{c.field}: {c.change}" for c in contracts[:5])
        found.append(Finding("contract_proposed", "map", sentence, "info", len(contracts), examples, evidence=in_map))
    return tuple(found)


def _metrics(
    integration_map: IntegrationMap, mappings: tuple[CheckedMapping, ...], standards: tuple[Compliance, ...], carried: tuple[Delivery, ...]
) -> tuple[TargetResult, ...]:
    kept = {f.entity for f in integration_map.flows.values() if f.freshness.seconds > 0}
    whole = sum(
        bool(e.owner and e.key and (e.rules or _has_checks(integration_map, e.name)) and e.name in kept)
        for e in integration_map.entities.values()
    )
    right = sum(m.quality.right for m in mappings)
    proposed = sum(m.quality.proposed for m in mappings)
    known = sum(m.quality.known for m in mappings)
    direct = sum(d.hops == 1 for d in carried)
    runnable = sum(callable(s.standard.check) for s in standards)
    scan = Evidence("scan", "all bound resources", "each mapping matched again without looking at it")
    text = Evidence("map", integration_map.name)
    return (
        level_target(
            "completeness",
            "Completeness: entities with owner, key, contract, freshness and flow",
            _share("completeness", whole, len(integration_map.entities), "the map declares no entity", text),
            1.0,
        ),
        level_target(
            "mapping_precision",
            "Mapping quality: right proposals of all proposals, against the mappings of the map",
            _share("mapping_precision", right, proposed, "there is no mapping to find again", scan),
            0.95,
        ),
        level_target(
            "mapping_recall",
            "Mapping quality: mappings of the map found again",
            _share("mapping_recall", right, known, "there is no mapping to find again", scan),
            0.90,
        ),
        level_target(
            "standards",
            "Standards with an executable check",
            _share("standards", runnable, len(standards), "there are no standards", text),
            1.0,
        ),
        level_target(
            "data_flow_efficiency",
            "Data-flow efficiency: field deliveries in one hop from the owner",
            _share("data_flow_efficiency", direct, len(carried), "no field is carried into another system", text),
            0.95,
        ),
    )


def _has_checks(integration_map: IntegrationMap, entity: str) -> bool:
    fields = integration_map.entities[entity].fields.values()
    return any(f.required or f.values or f.pattern or f.minimum or f.maximum or f.references for f in fields)


def _share(name: str, part: int, whole: int, why: str, evidence: Evidence) -> Figure:
    return Figure(name, part / whole if whole else None, "share", whole or None, evidence=(evidence,), not_measured="" if whole else why)
