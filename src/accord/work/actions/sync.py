"""``sync``: bring the systems of a flow into agreement."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from accord.work.action import Action, Call, Context


def run(call: Call, context: Context) -> Mapping[str, Any]:
    """Run one flow once; a repeat is harmless, as a flow that agrees has nothing to do.

    Arguments: ``flow``, its name in the map. The counts of the run become the variable named as the step.
    """
    return {call.step: dict(context.sync(call.text("flow")))}


ACTION = Action("sync", run)
