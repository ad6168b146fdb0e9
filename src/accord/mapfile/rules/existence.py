"""Existence names bindings that are read, deletes: mark has a field to mark with, and guards of deletes and emptied fields are shares."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from accord.mapfile.problems import Problem
from accord.mapfile.rules.facts import Facts, can_read, can_write
from accord.model.flow import MARK_FIELD, Flow

_PERCENT: Final = re.compile(r"[0-9]{1,3}(\.[0-9]{1,6})? ?%")


def check(facts: Facts) -> Iterator[Problem]:
    """Bindings that cannot decide what exists, and guards that cannot be read."""
    for flow in facts.map.flows.values():
        holder = f"flow '{flow.name}'"
        for position, name in enumerate(flow.existence):
            path = ("flows", flow.name, "existence", str(position))
            if name not in flow.bindings:
                yield facts.unknown(path, f"{holder}, existence", "binding", name, flow.bindings)
            elif not can_read(flow.bindings[name]):
                yield facts.problem(
                    path, f"{holder}, existence: binding '{name}' is only written to.", "Expected a binding with direction: both or read."
                )
        if flow.deletes == "mark":
            yield from _marked(facts, flow)
        for name, guard in (("delete_guard", flow.delete_guard), ("empty_guard", flow.empty_guard or "0%")):
            if not _PERCENT.fullmatch(guard) or float(guard.rstrip("% ")) > 100:
                yield facts.problem(
                    ("flows", flow.name, name), f"{holder}: {name} '{guard}' is no share.", "Expected a percentage from 0% to 100%."
                )
        if flow.freshness.seconds <= 0:
            yield facts.problem(
                ("flows", flow.name, "freshness"), f"{holder}: freshness is zero.", "Expected a duration above zero, such as 15m."
            )


def _marked(facts: Facts, flow: Flow) -> Iterator[Problem]:
    """Deletes that would leave no trace: nobody could tell a row that was deleted elsewhere from one that is there."""
    path, holder, entity = ("flows", flow.name, "deletes"), f"flow '{flow.name}', deletes: mark", facts.entity_of(flow)
    if entity is None:
        return
    field, else_ = entity.fields.get(MARK_FIELD), "or deletes: propagate or ignore."
    if field is None or field.type not in ("timestamp", "date"):
        what = f"entity '{entity.name}' has no field {MARK_FIELD} that holds when" if field is None else f"{MARK_FIELD} is a {field.type}"
        yield facts.problem(path, f"{holder}: {what}.", f"Expected a field {MARK_FIELD} of type timestamp, {else_}")
        return
    deleters = [b.name for b in flow.bindings.values() if can_read(b) and b.name in (flow.existence or flow.bindings)]
    for binding in flow.bindings.values():
        mapping = binding.fields.get(MARK_FIELD)
        marks = mapping is not None and can_write(binding, mapping)
        if can_write(binding) and not marks and any(name != binding.name for name in deleters):
            what = f"{holder}: binding '{binding.name}' writes no {MARK_FIELD}, so rows deleted elsewhere would stand there as before."
            expected = f"Expected {MARK_FIELD} mapped to a column (a flag with read: and write:), {else_}"
            yield facts.problem(("flows", flow.name, "bindings", binding.name, "fields"), what, expected)
