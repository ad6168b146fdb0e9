"""What runs of flows came to, as people read it: counts, everything that somebody should know, and what waits for a person."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from accord.cli.output import escape, out, table
from accord.model.errors import AccordError, UnknownName
from accord.model.figure import Finding
from accord.model.integration_map import IntegrationMap
from accord.sync import FlowResult, flow_order

FINDINGS = 20  # so many sentences; --json has them all
_STYLE = {"problem": "red", "warning": "yellow"}


def chosen_flows(map: IntegrationMap, given: Sequence[str]) -> list[str]:  # noqa: A002 - the name the whole engine uses
    """The flows that are meant, all when none is given, in the order their references need.

    Raises:
        UnknownName: the map has no such flow.
    """
    for name in given:
        if name not in map.flows:
            raise UnknownName("flow", name, map.flows)
    return [name for name in flow_order(map) if not given or name in given]


def show_results(results: Sequence[FlowResult], failures: Sequence[tuple[str, AccordError]], *, title: str = "") -> None:
    """A line for each flow, then its findings, then what waits."""
    rows: list[tuple[str, str, str]] = []
    for result in results:
        rows.append((result.flow, result.status, escape(counted(result) or "nothing to do")))
    rows += [(name, "failed", "see the error below") for name, _ in failures]
    table(title, ("flow", "status", "counts"), rows)
    tell_found(results)
    if results and not failures and not any(r.changed for r in results):
        agree = not something_waits(results)
        out().print("no change: the systems agree with the last synchronization" if agree else "no change since the last synchronization")


def failed_code(failures: Sequence[tuple[str, AccordError]], *, otherwise: int = 0) -> int:
    """The exit code of what stopped flows: that the map is wrong comes first, as no repeat mends it; then that a system was away."""
    codes = {error.exit_code for _, error in failures}
    return next((code for code in (2, 3, 1) if code in codes), otherwise)


def tell_found(results: Sequence[FlowResult]) -> None:
    """What was found, and what waits for people."""
    tell_findings([finding for result in results for finding in result.findings])
    for sentence in waiting(results):
        out().print(escape(sentence))


def tell_findings(findings: Sequence[Finding]) -> None:
    """A line for each, as many as somebody reads."""
    for finding in findings[:FINDINGS]:
        style = _STYLE.get(finding.severity)
        word = f"[{style}]{finding.severity}[/{style}]" if style else finding.severity
        examples = "; ".join(e for e in finding.examples[:3] if e not in finding.sentence)
        out().print(f"{word}: {escape(finding.sentence)}{escape(f' For example: {examples}') if examples else ''}")
    if len(findings) > FINDINGS:
        out().print(f"and {len(findings) - FINDINGS:,} more; --json names all of them")


def something_waits(results: Sequence[FlowResult]) -> bool:
    """Whether anything was found, or waits, for which systems may differ though there is nothing to write."""
    return any(r.waiting or r.open_conflicts or _worrying(r) for r in results)


def about(flow: str, sentence: str) -> str:
    """A sentence with the flow it is about in front, named once."""
    rest = sentence.removeprefix(f"flow '{flow}': ")
    return rest if f"flow '{flow}'" in rest else f"{flow}: {rest}"


def counted(result: FlowResult) -> str:
    """«inserted 3, conflicts 1»; empty when all counts are 0."""
    return ", ".join(f"{name} {count:,}" for name, count in result.counts.items() if count)


def waiting(results: Sequence[FlowResult]) -> Iterator[str]:
    """What only people can settle, each with the command that shows it."""
    rows, conflicts = sum(r.waiting for r in results), sum(r.open_conflicts for r in results)
    if rows:
        yield f"{rows:,} {'row waits' if rows == 1 else 'rows wait'} in quarantine: accord quarantine list"
    if conflicts:
        yield f"{conflicts:,} {'conflict waits' if conflicts == 1 else 'conflicts wait'} for a person: accord conflicts --open"


def _worrying(result: FlowResult) -> bool:
    return any(finding.severity != "info" for finding in result.findings)
