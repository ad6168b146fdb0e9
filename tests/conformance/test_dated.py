"""A system says how far it has come, and going on is never taken for being set back, for every kind that can."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from accord.connectors.protocol import Dated

COUNTED = ("sqlite", "postgresql", "mysql")  # of files in general only the time tells, and that of hours


def test_a_system_that_goes_on_is_not_said_to_be_set_back(bench: Any) -> None:
    """Every false alarm stops a flow until somebody comes; and of two states the earlier one has to be told."""
    if not isinstance(bench.connector, Dated):
        pytest.skip("never: it does not say how far it has come")
    bench.create()
    bench.apply("insert", [{"id": "1", "name": "one", "amount": Decimal(1)}])

    before = bench.connector.reached("items")
    again = bench.connector.reached("items")
    bench.apply("update", [{"id": "1", "name": "uno"}], [{"name": "one"}], columns=("name",))
    after = bench.connector.reached("items")

    assert before is not None
    assert after is not None
    assert bench.connector.set_back("items", before, again, written=True) == ""
    assert bench.connector.set_back("items", before, after, written=True) == ""
    assert bool(bench.connector.set_back("items", after, before, written=True)) is (bench.kind in COUNTED)
