"""Numbers on a scale stay on it: waves and ratings are 1 to 5."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from accord.mapfile.problems import Problem
from accord.mapfile.rules.facts import Facts

STEPS: Final = ("assess", "design", "integrate", "optimize", "coordinate", "improve", "benchmark", "evolve")


def check(facts: Facts) -> Iterator[Problem]:
    """Values off their scale, and lifecycle steps that do not exist."""
    for system in facts.map.systems.values():
        yield from _within(facts, ("systems", system.name, "priority"), f"system '{system.name}', priority", system.priority, 1)
    for flow in facts.map.flows.values():
        yield from _within(facts, ("flows", flow.name, "priority"), f"flow '{flow.name}', priority", flow.priority, 0)
    for risk in facts.map.risks.values():
        yield from _within(facts, ("risks", risk.name, "likelihood"), f"risk '{risk.name}', likelihood", risk.likelihood, 1)
        yield from _within(facts, ("risks", risk.name, "impact"), f"risk '{risk.name}', impact", risk.impact, 1)
    for review in facts.map.reviews.values():
        for position, step in enumerate(review.steps):
            if step not in STEPS:
                yield facts.unknown(
                    ("reviews", review.name, "steps", str(position)), f"review '{review.name}'", "lifecycle step", step, STEPS
                )
    for value in facts.map.unit_values.values():
        if value.amount < 0:
            yield facts.problem(
                ("unit_values", value.name, "amount"), f"unit value '{value.name}': the amount is below zero.", "Expected 0 or more."
            )


def _within(facts: Facts, path: tuple[str, ...], holder: str, value: int, low: int) -> Iterator[Problem]:
    if not low <= value <= 5:
        yield facts.problem(path, f"{holder}: {value} is off the scale.", f"Expected a whole number from {low} to 5.")
