"""Connectors that can give an existing resource more columns."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol, runtime_checkable

from accord.model.types import CanonicalType


@runtime_checkable
class Extending(Protocol):
    """A connector that can give an existing resource more columns. A connector need not be one."""

    def add_columns(self, resource: str, columns: Mapping[str, CanonicalType]) -> None:
        """Add those of the columns that are not there, empty in every row; does nothing when all are.

        Raises:
            UnknownName: no such resource.
        """
        ...
