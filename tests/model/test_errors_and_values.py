"""Errors and values carry what a reader needs, and survive the ways they travel."""

from __future__ import annotations

import pickle
from decimal import Decimal

import pytest

from accord.model.errors import DataRefused, GuardStopped, MapError, Place, StaleWrite, SystemUnreachable, TransientError, UnknownName
from accord.model.event import Event
from accord.model.figure import Figure, show_value
from accord.model.types import CanonicalType
from accord.model.values import Duration, Money, Share

ERRORS = [
    UnknownName("field", "emial", ["email", "name"], place=Place("m.yaml", 41), holder="flow 'leads'"),
    SystemUnreachable("crm", "db", "no answer"),
    StaleWrite("crm", "leads", ["1", "2"]),
    DataRefused("not a number", "a.csv:3", "a number"),
    GuardStopped("mass delete", "50 of 60 rows", "Allow it."),
]


@pytest.mark.parametrize("error", ERRORS, ids=lambda e: type(e).__name__)
def test_an_error_keeps_its_message_and_values_through_pickling(error: Exception) -> None:
    """Workers in other processes report errors by pickle; a lost attribute is a lost way out."""
    copy = pickle.loads(pickle.dumps(error))

    assert str(copy) == str(error)
    assert copy.__dict__ == error.__dict__


def test_an_unknown_name_says_where_what_exists_and_what_was_meant() -> None:
    """The person who mistyped should not have to search."""
    text = str(ERRORS[0])

    assert text.startswith("m.yaml:41: flow 'leads' names field 'emial'")
    assert "Known: email, name." in text
    assert "Did you mean 'email'?" in text


def test_families_of_errors_decide_the_exit_code() -> None:
    """Scripts act on the exit code: 2 mend the map, 3 try again, 1 look."""
    assert (MapError("x").exit_code, TransientError("x").exit_code, DataRefused("a", "b", "c").exit_code) == (2, 3, 1)


@pytest.mark.parametrize(("text", "seconds"), [("90s", 90), ("15m", 900), ("1d 4h", 100_800), ("1w", 604_800)])
def test_a_duration_reads_units_and_sums(text: str, seconds: int) -> None:
    """Maps are written by people: «1d 4h» must mean what it says."""
    assert Duration.parse(text) == Duration(seconds)
    assert Duration.parse(str(Duration(seconds))) == Duration(seconds)


@pytest.mark.parametrize("text", ["", "5", "h", "5 h", "-1h", "1.5h", "٣h", "5x"])
def test_a_text_that_is_no_duration_is_refused(text: str) -> None:
    """A silent zero would make every deadline pass."""
    with pytest.raises(ValueError, match="duration"):
        Duration.parse(text)


def test_amounts_of_different_currencies_do_not_add() -> None:
    """A sum over currencies is not money."""
    assert Money(Decimal(1), "EUR") + Money(Decimal(2), "EUR") == Money(Decimal(3), "EUR")
    with pytest.raises(ValueError, match="do not add"):
        Money(Decimal(1), "EUR") + Money(Decimal(1), "USD")


def test_a_share_of_nothing_is_not_zero() -> None:
    """0 of 0 is no failure; it is nothing measured."""
    assert Share(0, 0).value is None
    assert Share(1, 4).value == 0.25


def test_a_figure_is_a_value_or_a_reason_and_never_both() -> None:
    """A number without evidence, or a gap without a reason, must not be possible to build."""
    with pytest.raises(ValueError, match="either a value or the reason"):
        Figure("f", None)
    with pytest.raises(ValueError, match="either a value or the reason"):
        Figure("f", 1.0, not_measured="no data")
    assert Figure("f", None, not_measured="no data").show() == "not measured: no data"
    assert Figure("f", 0.942, "share", 1234, 0.931, 0.952).show() == "94.2 % [93.1 %, 95.2 %] (n=1,234)"


@pytest.mark.parametrize(
    ("share", "shown"),
    [(1.0, "100.0 %"), (0.99978, "99.98 %"), (0.9999999, "99.99999 %"), (0.942, "94.2 %"), (0.00012, "0.01 %"), (0.0, "0.0 %")],
)
def test_a_share_reads_as_all_or_nothing_only_if_it_is(share: float, shown: str) -> None:
    """630 gaps in two million values are no «100.0 %»."""
    assert show_value(share, "share") == shown
    assert show_value(1 - 1e-15, "share") == "100.0 %"  # what arithmetic left over


def test_an_event_without_time_zone_is_refused() -> None:
    """Two machines would read a naive time differently, and the hash would hide it."""
    from datetime import datetime

    with pytest.raises(ValueError, match="zone"):
        Event("1", "a.b", datetime(2026, 1, 1), "test")


@pytest.mark.parametrize("text", ["text", "number(12,2)", "timestamp", "number"])
def test_a_type_reads_back_as_it_is_written(text: str) -> None:
    """Types travel through maps, descriptions and reports as text."""
    assert CanonicalType.parse(str(CanonicalType.parse(text))) == CanonicalType.parse(text)


@pytest.mark.parametrize("text", ["string", "number(40,2)", "number(2,5)", ""])
def test_an_unknown_type_lists_those_there_are(text: str) -> None:
    """The way out of an error is the list of what works."""
    with pytest.raises(ValueError, match="expected one of text, integer"):
        CanonicalType.parse(text)
