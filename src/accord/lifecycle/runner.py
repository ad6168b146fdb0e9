"""Runs a step: analysis, findings, deliverables, events. Everything a step leaves behind is written here."""

from __future__ import annotations

import hashlib
import importlib
import json
import pkgutil
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Any, cast

from accord import __version__
from accord.govern.templates import load_template
from accord.lifecycle.context import STEPS, Analysis, StepContext, StepMissing, StepReport, WrittenDeliverable
from accord.lifecycle.files import clear_unfinished, write_whole
from accord.measure import import_logs
from accord.model.errors import UnknownName
from accord.model.event import Event, ObjectRef
from accord.model.figure import Finding
from accord.report.canonical import digest
from accord.report.document import Document
from accord.report.html import to_html
from accord.report.markdown import to_markdown
from accord.report.stamp import Stamp

Build = Callable[[StepContext, Any], Document]


def finished_steps(ctx: StepContext, *, run: str | None = None) -> set[str]:
    """The steps that have ever finished in this workspace, or in one run."""
    events = ctx.workspace.store.read(types=["step.finished"])
    return {str(e.event.attributes["step"]) for e in events if run is None or e.event.attributes["run"] == run}


def deliverable_builders(step: str) -> tuple[tuple[str, Build], ...]:
    """The deliverables of a step, in the order of their file names: each file of its package that has a ``build``."""
    package = importlib.import_module(f"accord.lifecycle.{step}")
    found: list[tuple[str, Build]] = []
    for module_info in sorted(pkgutil.iter_modules(package.__path__), key=lambda m: m.name):
        module = importlib.import_module(f"{package.__name__}.{module_info.name}")
        if hasattr(module, "build"):
            found.append((module_info.name, cast("Build", module.build)))
    return tuple(found)


def run_step(step: str, ctx: StepContext) -> StepReport:
    """Run one step and write what it leaves: findings and metrics as events, deliverables as Markdown and HTML.

    Raises:
        UnknownName: there is no such step.
        StepMissing: a step it stands on has never run here.
    """
    if step not in STEPS:
        raise UnknownName("step", step, STEPS)
    package: Any = importlib.import_module(f"accord.lifecycle.{step}")
    missing = [need for need in package.needs if need not in finished_steps(ctx)]
    if missing:
        raise StepMissing(step, missing)
    began = time.monotonic()
    # Foreign logs the map names are input of every step; one that did not change costs a hash of its file.
    import_logs(ctx.workspace.map, ctx.workspace.store, base=ctx.workspace.map_folder, now=ctx.now, run=ctx.run)
    builders = deliverable_builders(step)
    clear_unfinished(ctx.workspace.deliverables / step)
    ctx.progress.begin(step, len(builders) + 1)
    analysis: Analysis = package.analyze(ctx)
    record_findings(step, analysis.findings, ctx)
    written = []
    for name, build in builders:
        ctx.progress.advance(name.replace("_", " "))
        written.append(write_document(build(ctx, analysis), ctx))
    ctx.progress.advance("done")
    report = StepReport(step, ctx.run, analysis, tuple(written), time.monotonic() - began)
    _record_step(report, ctx)
    return report


def write_document(document: Document, ctx: StepContext) -> WrittenDeliverable:
    """Write a document under ``deliverables/<step>/``, unless it says the same as the one that stands there."""
    folder = ctx.workspace.deliverables / document.step
    markdown, html = folder / f"{document.name}.md", folder / f"{document.name}.html"
    template = load_template("step")
    content = f"{digest(document, run=ctx.run)}:{template.sha}"
    identity = f"{document.step}/{document.name}"
    standing = {(r["step"], r["name"]): r["sha"] for r in ctx.workspace.store.table("deliverable").to_pylist()}
    same = standing.get((document.step, document.name)) == content and markdown.is_file() and html.is_file()
    if not same:
        integration_map = ctx.workspace.map
        stamp = Stamp(
            run=ctx.run,
            at=ctx.now,
            map_name=integration_map.name,
            map_hash=integration_map.content_hash,
            map_version=integration_map.version,
            accord_version=__version__,
            template=template.label,
        )
        write_whole(markdown, to_markdown(document, stamp))
        write_whole(html, to_html(document, stamp, template.text))
    attributes = {
        "step": document.step,
        "name": document.name,
        "title": document.title,
        "sha": content,
        "path": f"{document.step}/{document.name}.html",
        "run": ctx.run,
        "covers": list(document.covers),
        "changed": not same,
    }
    ctx.workspace.store.append(
        [
            Event(
                # By the whole body: a step taken up again after a crash finds its own page standing, unchanged now, which is another event.
                f"deliverable:{identity}:{ctx.run}:{_digest(attributes)}",
                "deliverable.written",
                ctx.now,
                f"lifecycle.{document.step}",
                attributes,
                (ObjectRef("deliverable", identity),),
            )
        ]
    )
    return WrittenDeliverable(document, markdown, html, not same)


def record_findings(step: str, findings: Sequence[Finding], ctx: StepContext) -> None:
    """Append what the step saw: an event for each new or changed finding, and one for each that is gone."""
    store = ctx.workspace.store
    standing: dict[tuple[str, str], str] = {}
    for row in store.table("finding").to_pylist():
        mark = json.loads(row["detail"])
        if mark.get("step") == step:
            standing[row["kind"], row["subject"]] = mark["digest"]
    events = []
    for finding in findings:
        body = {k: v for k, v in asdict(finding).items() if k != "evidence"} | {"examples": list(finding.examples)}
        mark = _digest(body)
        body |= {"run": ctx.run, "detail": dict(finding.detail) | {"step": step, "digest": mark}}
        identity = (finding.kind, finding.subject)
        if standing.pop(identity, None) != mark:
            objects = (ObjectRef("finding", f"{step}:{finding.kind}:{finding.subject}"),)
            events.append(Event(f"finding:{step}:{ctx.run}:{mark}", "finding.seen", ctx.now, f"lifecycle.{step}", body, objects))
    for kind, subject in sorted(standing):
        body = {"step": step, "kind": kind, "subject": subject, "run": ctx.run}
        objects = (ObjectRef("finding", f"{step}:{kind}:{subject}"),)
        events.append(
            Event(f"finding:{step}:{ctx.run}:cleared:{_digest(body)}", "finding.cleared", ctx.now, f"lifecycle.{step}", body, objects)
        )
    if events:
        store.append(events)


def _digest(body: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(body, sort_keys=True, default=str).encode()).hexdigest()[:32]


def _record_step(report: StepReport, ctx: StepContext) -> None:
    metrics = [
        {
            "target": m.target,
            "title": m.title,
            "value": m.value.value,
            "low": m.value.low,
            "high": m.value.high,
            "n": m.value.n,
            "note": m.note,
            "not_measured": m.value.not_measured,
            "unit": m.value.unit,
            "wanted": m.wanted,
            "verdict": m.verdict,
        }
        for m in report.analysis.metrics
    ]
    attributes = {"run": ctx.run, "step": report.step, "status": "done", "metrics": metrics, "changed": report.changed}
    ctx.workspace.store.append(
        [Event(f"step:{report.step}:{ctx.run}:{_digest(attributes)}", "step.finished", ctx.now, f"lifecycle.{report.step}", attributes)]
    )
