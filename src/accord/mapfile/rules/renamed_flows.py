"""What ``renamed_from`` names is no flow of the map any more, and became one flow only."""

from __future__ import annotations

from collections.abc import Iterator

from accord.mapfile.problems import Problem
from accord.mapfile.rules.facts import Facts
from accord.model.flow import RENAMED_FROM_NONE


def check(facts: Facts) -> Iterator[Problem]:
    """Former names that are still in use, or claimed twice."""
    claimed: dict[str, str] = {}
    for flow in facts.map.flows.values():
        path, holder = ("flows", flow.name, "renamed_from"), f"flow '{flow.name}': renamed_from '{flow.renamed_from}'"
        if flow.renamed_from in ("", RENAMED_FROM_NONE):
            continue
        if flow.renamed_from in facts.map.flows:
            yield facts.problem(path, f"{holder} is a flow of this map.", "Expected the name of a flow that is no longer there.")
        elif (other := claimed.setdefault(flow.renamed_from, flow.name)) != flow.name:
            yield facts.problem(path, f"{holder} is that of flow '{other}', too.", "What was agreed can go on in one of them only.")
