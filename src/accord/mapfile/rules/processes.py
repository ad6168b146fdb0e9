"""The steps of a process come after steps that exist, without a circle, in times above zero."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from accord.mapfile.problems import Problem
from accord.mapfile.rules.facts import Facts
from accord.model.process import Step


def check(facts: Facts) -> Iterator[Problem]:
    """Steps after unknown steps, and circles of steps that could never begin."""
    for process in facts.map.processes.values():
        path, holder = ("processes", process.name, "steps"), f"process '{process.name}'"
        for step in process.steps.values():
            for position, name in enumerate(step.after):
                if name not in process.steps:
                    yield facts.unknown(
                        (*path, step.name, "after", str(position)), f"{holder}, step '{step.name}'", "after: step", name, process.steps
                    )
            if step.sla is not None and step.sla.seconds <= 0:
                yield facts.problem(
                    (*path, step.name, "sla"), f"{holder}, step '{step.name}': the sla is zero.", "Expected a duration above zero."
                )
        circle = find_circle(process.steps)
        if circle:
            yield facts.problem(
                (*path, circle[0], "after"),
                f"{holder}: its steps wait for each other: {' → '.join(circle)}.",
                "Remove one of these from after:.",
            )


def find_circle(steps: Mapping[str, Step]) -> Sequence[str]:
    """One circle of steps, first step repeated at the end; empty when there is none."""
    left = {name: {a for a in step.after if a in steps} for name, step in steps.items()}
    while ready := [name for name, before in left.items() if not before]:
        for name in ready:
            del left[name]
        for before in left.values():
            before.difference_update(ready)
    if not left:
        return ()
    walk = [next(iter(left))]  # every step left waits for another one left, so the walk must meet itself
    while walk.count(walk[-1]) == 1:
        walk.append(min(left[walk[-1]]))
    return walk[walk.index(walk[-1]) :][::-1]
