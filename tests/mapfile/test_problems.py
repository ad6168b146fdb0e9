"""A problem is one sentence with a place; the error that carries many shows a bounded number of them."""

from __future__ import annotations

import pickle
import time

from accord.mapfile import MapProblems, Problem
from accord.mapfile.problems import SHOWN, known_names, tidy
from accord.model.errors import MapError, Place


def test_problems_come_in_the_order_of_the_files_and_once() -> None:
    """People mend a file from top to bottom."""
    second, first = Problem(Place("a.yaml", 9), "b"), Problem(Place("a.yaml", 2), "c")

    assert tidy([second, first, second]) == [first, second]


def test_the_error_survives_pickling_with_its_problems() -> None:
    """Errors cross process borders."""
    error = MapProblems([Problem(Place("a.yaml", 2), "one.", "Expected two."), Problem(Place("a.yaml", 3), "three.")])

    again = pickle.loads(pickle.dumps(error))

    assert isinstance(again, MapError)
    assert (again.problems, str(again), again.place) == (error.problems, str(error), Place("a.yaml", 2))
    assert str(error).splitlines() == ["2 problems in the map:", "  a.yaml:2: one. Expected two.", "  a.yaml:3: three."]


def test_a_thousand_problems_do_not_fill_the_screen() -> None:
    """All of them stay in ``problems``."""
    error = MapProblems([Problem(Place("a.yaml", i), "x.") for i in range(1, 1001)])

    assert len(str(error).splitlines()) == SHOWN + 2
    assert len(error.problems) == 1000


def test_suggestions_among_very_many_names_stay_quick_and_right() -> None:
    """A thousand misspelled references to three thousand names took minutes."""
    names = [f"team{i}" for i in range(3000)]
    started = time.monotonic()

    found = [known_names(f"taem{i}", names) for i in range(200)]

    assert all(text.startswith("3,000 are known.") for text in found)
    assert "Did you mean 'salesforce'?" in known_names("salesforc", [*names, "salesforce"])
    assert time.monotonic() - started < 20
