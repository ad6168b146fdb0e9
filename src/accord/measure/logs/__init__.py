"""Foreign event logs in: CSV, Parquet, XES and OCEL 2.0, straight to Parquet segments."""

from __future__ import annotations

from accord.measure.logs.importer import import_log, import_logs
from accord.measure.logs.mapping import declared_log, read_mapping
from accord.measure.logs.result import BadRow, ImportResult

__all__ = ["BadRow", "ImportResult", "declared_log", "import_log", "import_logs", "read_mapping"]
