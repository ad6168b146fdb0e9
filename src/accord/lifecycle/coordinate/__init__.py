"""Step 5: objectives, responsibilities, handoffs and milestones in step."""

from accord.lifecycle.coordinate.analysis import analyze

needs = ("assess", "integrate")

__all__ = ["analyze", "needs"]
