"""``plan``: let a solver make a plan."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from accord.work.action import Action, Call, Context


def run(call: Call, context: Context) -> Mapping[str, Any]:
    """Make a plan for a problem of the map.

    Arguments: ``problem``, its name. What the solver says becomes the variable named as the step.
    """
    return {call.step: dict(context.plan(call.text("problem"), call.key))}


ACTION = Action("plan", run)
