"""Work that crosses teams: processes carried out durably, handoffs, tasks, timers.

A process instance is rows, not a thread: ``Work`` carries out one command in one transaction, and what waits costs nothing.
"""

from accord.work.engine import Work, open_work
from accord.work.state import Task

__all__ = ["Task", "Work", "open_work"]
