"""Step 8: what changes next, and what it would break."""

from accord.lifecycle.evolve.analysis import analyze

needs = ("assess", "integrate")

__all__ = ["analyze", "needs"]
