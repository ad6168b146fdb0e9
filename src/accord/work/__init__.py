"""Carries work across teams: processes, handoffs, human tasks, timers."""
