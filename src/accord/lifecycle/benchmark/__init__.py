"""Step 7: every KPI against target, history and reference."""

from accord.lifecycle.benchmark.analysis import analyze

needs = ("assess", "integrate")

__all__ = ["analyze", "needs"]
