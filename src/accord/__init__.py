"""Accord keeps systems in agreement, carries work across teams, measures, plans and governs, from one integration map."""

__version__ = "0.1.0"
