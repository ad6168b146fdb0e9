"""Audit, compliance, risk, templates and reviews."""
