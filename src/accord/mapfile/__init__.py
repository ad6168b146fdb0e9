"""Map files: from YAML text to a checked ``IntegrationMap`` and back."""

from __future__ import annotations

from accord.mapfile.content import content_hash
from accord.mapfile.diff import diff_maps
from accord.mapfile.dump import dump_map, dump_section
from accord.mapfile.expression import check_expression, columns_of
from accord.mapfile.load import files_of, lint, load_map
from accord.mapfile.problems import MapProblems, Problem
from accord.mapfile.reference import reference_page
from accord.mapfile.schema import json_schema, schema_text

__all__ = [
    "MapProblems",
    "Problem",
    "check_expression",
    "columns_of",
    "content_hash",
    "diff_maps",
    "dump_map",
    "dump_section",
    "files_of",
    "json_schema",
    "lint",
    "load_map",
    "reference_page",
    "schema_text",
]
