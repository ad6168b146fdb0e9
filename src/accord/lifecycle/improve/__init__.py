"""Step 6: control charts, change points and the backlog of opportunities."""

from accord.lifecycle.improve.analysis import analyze

needs = ("assess", "integrate")

__all__ = ["analyze", "needs"]
