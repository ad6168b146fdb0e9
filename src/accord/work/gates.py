"""Gates: what must be true before work goes on, with every point that is not met named."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from accord.model.process import Check, Gate
from accord.work.expression import holds


@dataclass(frozen=True, slots=True)
class GateResult:
    """How a gate was answered: ``score`` is the share of the weights that was met, 0 to 1."""

    gate: str
    passed: bool
    score: float
    failed: tuple[str, ...]
    reasons: tuple[str, ...]


def evaluate_gate(gate: Gate, variables: Mapping[str, Any]) -> GateResult:
    """Look at every point of a gate; passed when all mandatory ones are met and the score reaches the threshold.

    A point without an expression is answered by the variable of its own name, which a form fills in.
    """
    failed, reasons, met, whole, mandatory = [], [], 0.0, 0.0, True
    for check in gate.checks.values():
        whole += check.weight
        reason = _missing(gate, check, variables)
        if reason:
            failed.append(check.name)
            reasons.append(reason)
            mandatory = mandatory and not check.mandatory
        else:
            met += check.weight
    score = met / whole if whole else 1.0
    return GateResult(gate.name, mandatory and score >= share(gate.threshold), score, tuple(failed), tuple(reasons))


def share(text: str) -> float:
    """``95%`` or ``0.95`` as a share.

    Raises:
        ValueError: neither.
    """
    text = text.strip()
    return float(text[:-1]) / 100 if text.endswith("%") else float(text)


def _missing(gate: Gate, check: Check, variables: Mapping[str, Any]) -> str:
    said = check.reason or f"{check.name} is not met"
    if check.evidence and not variables.get(check.evidence):
        return f"{said}: the evidence '{check.evidence}' is missing"
    good = holds(check.check, variables, holder=f"gate '{gate.name}', check '{check.name}'") if check.check else variables.get(check.name)
    return "" if good is True else said
