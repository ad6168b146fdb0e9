"""``measure_change`` and ``read_kpis``: functions an auto step calls to measure, on the log of the workspace it runs in."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Final

from accord.measure import discover_kpis, measure_kpi, open_measure
from accord.measure.effect import effect_of
from accord.measure.kpi import Kpi
from accord.model.errors import UnknownName, UsageError
from accord.model.integration_map import IntegrationMap
from accord.store import Store
from accord.work.action import Call, Function

_DAYS: Final = 28
_DONE = "SELECT max(ended_at) FROM work_task WHERE instance = ? AND step = ? AND state = 'completed'"


def measuring(integration_map: IntegrationMap, store: Store, clock: Callable[[], datetime]) -> dict[str, Function]:
    """The functions by name.

    Args:
        integration_map: says what the KPIs are and what their units are worth.
        store: what is measured.
        clock: the moment of measuring; aware.
    """

    def kpi_named(call: Call, name: str) -> Kpi:
        known = {n: k for n, k in discover_kpis(integration_map).items() if k.applies_to(integration_map)}
        if name not in known:
            raise UnknownName("KPI", name, known, holder=f"step '{call.step}'")
        return known[name]

    def measure_change(call: Call) -> Mapping[str, Any]:
        """What the change of an earlier step did to a KPI.

        Arguments: ``kpi``; ``since``, the step that made the change; ``days`` before it to compare with (default 28). The values become
        one variable named as the step: value before and after, change with its 95 % interval, numbers, verdict, ``gain`` (what the
        observations since were better by, in all) and ``money``, where the map says what a unit of the KPI is worth.
        """
        kpi, step = kpi_named(call, call.text("kpi")), call.text("since")
        made = store.rows(_DONE, call.instance, step)[0][0]
        if made is None:
            raise UsageError(f"step '{step}' of {call.instance} made no change yet.", expected="Measure after the step that makes it.")
        with open_measure(integration_map, store, now=clock()) as measure:
            found = effect_of(measure, kpi, datetime.fromisoformat(made), days=int(call.arguments.get("days") or _DAYS))
        said: dict[str, Any] = {"kpi": kpi.name, "unit": kpi.unit, "verdict": found.verdict}
        numbers = {"before": found.before, "after": found.after, "change": found.change, "low": found.low, "high": found.high}
        said |= {name: None if value is None else round(value, 6) for name, value in numbers.items()}
        said |= {"n_before": found.n_before, "n_after": found.n_after}
        if found.change is not None:
            said |= _gain(integration_map, kpi, found.change * found.n_after)
        return {call.step: said}

    def read_kpis(call: Call) -> Mapping[str, Any]:
        """The KPIs as they stand now, measured once for everybody who looks at them.

        Arguments: ``kpis``, their names as a list. The values become one variable named as the step.
        """
        rows = {}
        with open_measure(integration_map, store, now=clock()) as measure:
            for name in call.arguments["kpis"]:
                figure = measure_kpi(measure, kpi_named(call, str(name)), breakdown=False)[0]
                rows[str(name)] = {"value": figure.value, "unit": figure.unit, "n": figure.n, "not_measured": figure.not_measured}
        return {call.step: rows}

    return {"measure_change": measure_change, "read_kpis": read_kpis}


def _gain(integration_map: IntegrationMap, kpi: Kpi, moved: float) -> dict[str, Any]:
    gain = moved if kpi.better == "higher" else -moved
    worth = next((v for v in integration_map.unit_values.values() if v.kpi == kpi.name), None)
    money = {"money": round(gain * float(worth.amount), 2), "currency": worth.currency} if worth else {}
    return {"gain": round(gain, 6), **money}
