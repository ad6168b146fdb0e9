"""Accord's own tasks and handoffs as a system of the map, so that a flow keeps a team's tracker in agreement with them."""

from accord.work.tracker.connector import WorkTracker
from accord.work.tracker.refusals import Refusal, open_refusals

__all__ = ["Refusal", "WorkTracker", "open_refusals"]
