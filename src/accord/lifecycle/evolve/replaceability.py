"""What would break if a system were lost or replaced: a dry run on the map."""

from __future__ import annotations

from dataclasses import dataclass

from accord.model.flow import FieldMapping
from accord.model.integration_map import IntegrationMap


@dataclass(frozen=True, slots=True)
class Replaceability:
    """One system: the flows on it, and the fields and entities nobody else holds. It passes when nothing would be lost."""

    system: str
    flows: tuple[str, ...]
    only_holder_of: tuple[str, ...]
    lost_fields: tuple[str, ...]

    @property
    def passes(self) -> bool:
        """Whether its replacement could be filled from the other systems."""
        return not self.only_holder_of and not self.lost_fields


def _holds(mapping: FieldMapping) -> bool:
    """Whether a system keeps the field itself: not a constant of the map, and not only something derived from it."""
    return not mapping.value and not (mapping.read and not mapping.write)


def check_replaceability(integration_map: IntegrationMap) -> tuple[Replaceability, ...]:
    """For each system: could a replacement be filled from the others?

    A field is safe when another system of the flow holds it too. A constant of the mapping is held by the map, and a field that another
    system computes from its own columns is not held there in full, so it does not count as a copy unless it can be written back.
    """
    rows = []
    for system in integration_map.systems.values():
        flows, only, lost = [], [], []
        for flow in integration_map.flows.values():
            own = [b for b in flow.bindings.values() if b.holder == system.name]
            if not own:
                continue
            flows.append(flow.name)
            others = [b for b in flow.bindings.values() if b.holder != system.name]
            if not others:
                only.append(flow.entity)
                continue
            elsewhere = {f for b in others for f, held in b.fields.items() if _holds(held)}
            lost += [f"{flow.entity}.{f}" for b in own for f, held in b.fields.items() if _holds(held) and f not in elsewhere]
        rows.append(Replaceability(system.name, tuple(flows), tuple(sorted(set(only))), tuple(sorted(set(lost)))))
    return tuple(rows)
