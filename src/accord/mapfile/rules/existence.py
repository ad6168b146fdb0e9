"""Existence names bindings of the flow that are read, and the guards of deletes and emptied fields are percentages."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from accord.mapfile.problems import Problem
from accord.mapfile.rules.facts import Facts, can_read

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
        for name, guard in (("delete_guard", flow.delete_guard), ("empty_guard", flow.empty_guard or "0%")):
            if not _PERCENT.fullmatch(guard) or float(guard.rstrip("% ")) > 100:
                yield facts.problem(
                    ("flows", flow.name, name), f"{holder}: {name} '{guard}' is no share.", "Expected a percentage from 0% to 100%."
                )
        if flow.freshness.seconds <= 0:
            yield facts.problem(
                ("flows", flow.name, "freshness"), f"{holder}: freshness is zero.", "Expected a duration above zero, such as 15m."
            )
