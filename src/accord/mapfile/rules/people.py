"""People named in teams and steps are among ``people``, where the map has that section, and every step has somebody to do it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from accord.mapfile.problems import Problem
from accord.mapfile.rules.facts import Facts

_ADDRESS: Final = re.compile(r"[^@\s,;<>\x00-\x20\x7f]+@[^@\s,;<>\x00-\x20\x7f]+")


def check(facts: Facts) -> Iterator[Problem]:
    """Addresses that are none, names of nobody, and steps of a team without people."""
    for section, held in (("people", facts.map.people), ("teams", facts.map.teams)):
        for name, owner in held.items():
            if owner.email and not _ADDRESS.fullmatch(owner.email):
                what = f"{section}: '{name}' has the address '{owner.email}', which is none."
                yield facts.problem((section, name, "email"), what, "Expected for example mia@example.org.")
    if facts.map.people and "people" not in facts.unread:
        yield from _named(facts)
        yield from _nobody(facts)


def _named(facts: Facts) -> Iterator[Problem]:
    people, anyone = facts.map.people, {*facts.map.people, *facts.map.teams}
    for team in facts.map.teams.values():
        for key in ("owner", "backup"):
            name = getattr(team, key)
            if name and name not in people:
                yield facts.unknown(("teams", team.name, key), f"team '{team.name}'", f"{key}: person", name, people)
    for process in facts.map.processes.values():
        for step in process.steps.values():
            for key in ("escalate_to", "backup"):
                name = getattr(step, key)
                if name and name not in anyone:
                    path, holder = ("processes", process.name, "steps", step.name, key), f"process '{process.name}', step '{step.name}'"
                    yield facts.unknown(path, holder, f"{key}: person or team", name, anyone)


def _nobody(facts: Facts) -> Iterator[Problem]:
    staffed = {person.team for person in facts.map.people.values()}
    staffed |= {team.name for team in facts.map.teams.values() if team.owner or team.backup}
    for process in facts.map.processes.values():
        for step in process.steps.values():
            if step.kind == "human" and step.team in facts.map.teams and step.team not in staffed and not (step.assignee or step.backup):
                path = ("processes", process.name, "steps", step.name, "team")
                what = f"process '{process.name}', step '{step.name}': nobody of people is in team '{step.team}'."
                yield facts.problem(path, what, f"Expected a person with team: {step.team}, an owner of the team, or assignee:.")
