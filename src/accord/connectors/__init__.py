"""Connectors: one file per kind of system, one protocol, one conformance suite."""
