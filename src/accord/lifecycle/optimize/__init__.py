"""Step 4: bottlenecks, capacity and proposals."""

from accord.lifecycle.optimize.analysis import analyze

needs = ("assess", "integrate")

__all__ = ["analyze", "needs"]
