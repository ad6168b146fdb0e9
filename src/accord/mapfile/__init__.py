"""Map files: from YAML text to a checked ``IntegrationMap`` and back."""

from __future__ import annotations

from accord.mapfile.content import content_hash
from accord.mapfile.load import lint, load_map
from accord.mapfile.problems import MapProblems, Problem
from accord.mapfile.variables import resolve_secret

__all__ = ["MapProblems", "Problem", "content_hash", "lint", "load_map", "resolve_secret"]
