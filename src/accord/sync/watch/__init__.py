"""Continuous mode: flows kept in agreement by one long-lived process."""

from accord.sync.watch.loop import Watch
from accord.sync.watch.observe import FlowReport, Observer

__all__ = ["FlowReport", "Observer", "Watch"]
