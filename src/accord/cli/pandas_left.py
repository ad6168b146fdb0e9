"""Keeps pyarrow from loading pandas, which takes as long as a short command does."""

from __future__ import annotations

import sys
from typing import ClassVar

import pyarrow as pa


def leave_pandas() -> None:
    """Have pyarrow note that there is no pandas: it looks for it at the first list it is given, and no list of ours is of pandas.

    For a process that is ours alone. Whoever imports pandas still gets it, and so does pyarrow once it is asked for a data frame.
    """
    if "pandas" in sys.modules:
        return
    sys.meta_path.insert(0, NoPandas)
    try:
        pa.array([])
    finally:
        sys.meta_path.remove(NoPandas)


class NoPandas:
    """Finds no pandas, as a plain installation holds none."""

    __name__: ClassVar = "accord without pandas"

    @staticmethod
    def find_spec(name: str, path: object = None, target: object = None) -> None:
        """Leave all other modules to the finders behind this one."""
        if name == "pandas":
            raise ModuleNotFoundError(name, name=name)
