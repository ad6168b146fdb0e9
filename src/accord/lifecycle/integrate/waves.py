"""The rollout: each wave's flows are synchronized and proven before the next wave starts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from accord.lifecycle.context import Analysis, StepContext
from accord.lifecycle.integrate.metrics import FlowCount, count_changes, success_metrics
from accord.lifecycle.starting import started_by
from accord.lifecycle.titles import counted, flow_title
from accord.model.errors import AccordError, GuardStopped, SystemUnreachable, UnknownName
from accord.model.figure import Finding
from accord.model.flow import Flow
from accord.model.integration_map import IntegrationMap
from accord.sync import Ran, Reconciliation, flow_order, reconcile, rests_on, run_flows
from accord.work.starts import Begun

# A wave whose share of active and reconciled flows is below this stops the rollout of later waves (lifecycle.md, step 3).
WAVE_GATE = 0.95

WAVES: Mapping[int, str] = {
    1: "foundation",
    2: "foundation",
    3: "advanced operations",
    4: "professional management",
    5: "strategic governance",
}


@dataclass(frozen=True)
class FlowOutcome:
    """What became of one flow: ``active`` when it ran, with the proof that followed it and the processes its rows started."""

    flow: str
    wave: int
    status: str
    active: bool
    proof: Reconciliation | None
    quarantined: int = 0
    sentence: str = ""
    begun: tuple[Begun, ...] = ()

    @property
    def reconciled(self) -> bool:
        """Whether every pair of systems agrees on every key that is not in quarantine."""
        return self.proof is not None and all(p.agrees for p in self.proof.pairs)


@dataclass(frozen=True)
class IntegrateAnalysis(Analysis):
    """The outcome of every flow, by wave, and what of the rollout was held back."""

    outcomes: tuple[FlowOutcome, ...] = ()
    changes: tuple[FlowCount, ...] = ()
    held_back: Mapping[int, str] = field(default_factory=dict)

    def wave(self, *numbers: int) -> tuple[FlowOutcome, ...]:
        """The outcomes of some waves, in the order they ran."""
        return tuple(o for o in self.outcomes if o.wave in numbers)


def wave_of(integration_map: IntegrationMap, flow: Flow) -> int:
    """The wave of a flow, 1 to 5: its own priority, or the latest of its systems'."""
    systems = [integration_map.systems[b.holder] for b in flow.bindings.values()]
    return flow.priority or max((s.priority for s in systems), default=1)


def analyze(ctx: StepContext) -> IntegrateAnalysis:
    """Synchronize and reconcile every flow, wave by wave; ``options['wave']`` limits it to one.

    A flow that fails (a system away, a guard, refused data) is recorded and the flows beside it go on; a wave below its gate stops
    the waves after it.

    Raises:
        UnknownName: ``options['wave']`` names a wave without flows.
    """
    integration_map = ctx.workspace.map
    order = flow_order(integration_map)
    waves = {name: wave_of(integration_map, integration_map.flows[name]) for name in order}
    only = int(ctx.options.get("wave") or 0)
    if only and only not in waves.values():
        raise UnknownName("wave", str(only), sorted({str(w) for w in waves.values()}))
    outcomes: list[FlowOutcome] = []
    held_back: dict[int, str] = {}
    stopped = ""
    for wave in sorted({only} if only else set(waves.values())):
        if stopped:
            held_back[wave] = stopped
            continue
        flows = [name for name in order if waves[name] == wave]
        ctx.progress.begin(f"integrate wave {wave}", 2 * len(flows))
        ran = _run(ctx, flows, [name for name in order if waves[name] > wave])
        done = [_outcome(ctx, name, wave, ran) for name in flows]
        outcomes += done
        sound = sum(o.active and o.reconciled for o in done)
        if sound / len(done) < WAVE_GATE:
            stopped = f"{sound} of {counted(len(done), 'flow')} of wave {wave} are active and in agreement, {WAVE_GATE:.0%} are needed"
    later_flows = [name for name in order if waves[name] in held_back]
    found = count_changes(ctx)
    return IntegrateAnalysis(
        findings=_findings(ctx, outcomes, held_back),
        metrics=success_metrics(ctx, outcomes, found, later_flows),
        outcomes=tuple(outcomes),
        changes=found.changes,
        held_back=held_back,
    )


def _run(ctx: StepContext, flows: Sequence[str], later: Sequence[str]) -> Ran:
    """Run a wave's flows, and where rows were refused the flows of later waves that refer to them, if they were rolled out before.

    A row may not be deleted before those that point at it, and these must not wait for a gate that waits for it.
    """
    workspace = ctx.workspace

    def run(names: Sequence[str], id_: str) -> Ran:
        allow_deletes = bool(ctx.options.get("allow_deletes"))
        return run_flows(
            workspace.map,
            names,
            workspace.connectors(),
            workspace.store,
            run=id_,
            now=ctx.now,
            allow_deletes=allow_deletes,
            begin=ctx.progress.advance,
        )

    ran = run(flows, ctx.run)
    held = [result.flow for result in ran.results if result.counts["refused"]]
    pointing: list[str] = []
    for name in later if held else ():
        if workspace.store.flow_state(name) and rests_on(workspace.map, name, [*held, *pointing]):
            pointing.append(name)
    if pointing:
        again = run([*held, *pointing], f"{ctx.run}-ahead")
        ran = Ran([*(r for r in ran.results if r.flow not in held), *again.results], [*ran.failed, *again.failed])
    return ran


def _outcome(ctx: StepContext, name: str, wave: int, ran: Ran) -> FlowOutcome:
    workspace = ctx.workspace
    ctx.progress.advance(name)
    try:
        for failed, error in ran.failed:
            if failed == name:
                raise error
        result = next(result for result in ran.results if result.flow == name)
        begun = started_by(workspace, [name])
        proof = reconcile(workspace.map, name, workspace.connectors(), workspace.store, run=ctx.run, now=ctx.now)
    except SystemUnreachable as error:
        return FlowOutcome(name, wave, "unreachable", False, None, sentence=str(error))
    except GuardStopped as error:
        return FlowOutcome(name, wave, "stopped by a guard", False, None, sentence=str(error))
    except AccordError as error:
        # One flow's data must not stop the others; the finding and the gate carry the failure on.
        if error.exit_code == 2:
            raise
        return FlowOutcome(name, wave, "failed", False, None, sentence=str(error))
    return FlowOutcome(name, wave, result.status, True, proof, quarantined=result.waiting, begun=tuple(begun))


def _findings(ctx: StepContext, outcomes: list[FlowOutcome], held_back: Mapping[int, str]) -> tuple[Finding, ...]:
    integration_map = ctx.workspace.map
    findings = []
    for outcome in outcomes:
        owner = integration_map.flows[outcome.flow].owner
        title = flow_title(integration_map, outcome.flow)
        if not outcome.active:
            kind = "unreachable" if outcome.status == "unreachable" else "flow_failed"
            findings.append(Finding(kind, outcome.flow, outcome.sentence, "problem", owner=owner))
        elif outcome.proof is not None and not outcome.reconciled:
            differing = sum(p.missing + p.extra + p.different for p in outcome.proof.pairs)
            command = f"`accord reconcile --flow {outcome.flow}`"
            text = f"«{title}»: {counted(differing, 'difference')} between its systems left; {command} names each"
            findings.append(Finding("not_reconciled", outcome.flow, text, "problem", differing, owner=owner))
        if outcome.quarantined:
            rows = "row waits in quarantine" if outcome.quarantined == 1 else "rows wait in quarantine, each"
            text = f"«{title}»: {outcome.quarantined:,} {rows} with its reasons; what is corrected at the source returns by itself"
            findings.append(Finding("quarantine", outcome.flow, text, "warning", outcome.quarantined, owner=owner))
        for refused in (b for b in outcome.begun if b.reason):
            subject = f"{refused.process}/{refused.start} {refused.key}".rstrip()
            findings.append(Finding("start_refused", subject, refused.sentence, "warning", owner=owner))
    for wave, why in held_back.items():
        findings.append(Finding("wave_held_back", f"wave {wave}", f"wave {wave} was not rolled out: {why}", "problem"))
    return tuple(findings)
