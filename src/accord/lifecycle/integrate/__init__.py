"""Step 3: applies the map in waves and proves agreement."""

from accord.lifecycle.integrate.waves import analyze

needs = ("assess", "design")

__all__ = ["analyze", "needs"]
