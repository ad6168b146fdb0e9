"""Keeps systems in agreement: capture, validate, merge, apply, reconcile."""
