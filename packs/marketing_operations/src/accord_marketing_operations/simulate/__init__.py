"""Simulated people who carry out the pack's processes after go-live, through nothing but the public functions of ``Work``."""

from accord_marketing_operations.simulate.habits import Habits
from accord_marketing_operations.simulate.story import Summary, simulate_work

__all__ = ["Habits", "Summary", "simulate_work"]
