"""Data contracts as documents of the Open Data Contract Standard (ODCS) 3: from an entity of the map and back.

Export writes version 3.0.2, which tools of 3.1 and 3.2 read as well; import reads 3.0 to 3.2. What ODCS has no word for stands in custom
properties that begin with ``accord``, and only there, so an exported contract gives the same entity back. What an entity has no word for
is named in ``ImportedContract.left_out``.

Source:
    Open Data Contract Standard, Bitol (LF AI & Data), versions 3.0.2, 3.1.0 and 3.2.0.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from accord.mapfile.additions import Addition
from accord.mapfile.odcs.add import add_entities, entities_text
from accord.mapfile.odcs.contract import import_contract
from accord.mapfile.odcs.export import export_contract
from accord.mapfile.odcs.imported import ContractProblems, ImportedContract
from accord.mapfile.odcs.writing import yaml_text

__all__ = [
    "Addition",
    "ContractProblems",
    "ImportedContract",
    "add_entities",
    "contract_text",
    "entities_text",
    "export_contract",
    "import_contract",
]


def contract_text(contract: Mapping[str, Any]) -> str:
    """A contract of ``export_contract`` as YAML that any YAML reader, 1.1 or 1.2, takes in with the same types."""
    return yaml_text(contract)
