"""A system that is captured by its log keeps one."""

from __future__ import annotations

from collections.abc import Iterator

from accord.mapfile.problems import Problem
from accord.mapfile.rules.facts import Facts


def check(facts: Facts) -> Iterator[Problem]:
    """Bindings whose kind of system cannot tell of changes as the map wants; nothing when what the kinds can do was not given."""
    if facts.known_connectors is None:
        return
    for flow in facts.map.flows.values():
        for binding in flow.bindings.values():
            system = facts.map.systems.get(binding.holder)
            offered = facts.known_connectors.get(system.connector) if system is not None else None
            if system is None or offered is None or binding.capture in offered:
                continue
            yield facts.problem(
                ("flows", flow.name, "bindings", binding.name, "capture"),
                f"flow '{flow.name}', binding '{binding.name}': capture: {binding.capture}, which kind '{system.connector}' cannot.",
                f"Expected one of {', '.join(sorted(offered))}.",
            )
