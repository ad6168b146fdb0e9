"""Outboxes beside each other: one that fails holds up no other, and one that dies is noticed."""

from __future__ import annotations

import threading

import pytest

from accord.model.errors import AccordError, TransientError
from accord.work.couriers import carry_out_once, carrying


class Box:
    """Brings so many, then fails or has nothing more."""

    def __init__(self, many: int, error: BaseException | None = None) -> None:
        self.many, self.error, self.brought = many, error, 0
        self.turned = threading.Event()

    def turn(self) -> int:
        self.turned.set()
        if self.brought < self.many:
            self.brought += 1
            return 1
        if self.error is not None:
            raise self.error
        return 0


def test_one_that_fails_holds_up_no_other() -> None:
    """All that is due is brought, and what went wrong is told."""
    told: list[AccordError] = []
    boxes = [Box(2, TransientError("away")), Box(3)]

    assert carry_out_once(boxes, told.append) == 5
    assert [str(error) for error in told] == ["away"]


def test_they_work_until_told_to_stop() -> None:
    """The end waits for what had begun."""
    boxes, stop = [Box(3, TransientError("away")), Box(2)], threading.Event()
    told: list[AccordError] = []
    with carrying(boxes, stop, told.append):
        assert all(box.turned.wait(30) for box in boxes)
        while any(box.brought < box.many for box in boxes):
            stop.wait(0.01)

    assert stop.is_set()
    assert all(str(error) == "away" for error in told)


def test_one_that_dies_ends_the_worker() -> None:
    """An outbox nobody empties must not look like one that is empty."""
    stop = threading.Event()
    with pytest.raises(ZeroDivisionError), carrying([Box(0, ZeroDivisionError())], stop, lambda error: None):
        assert stop.wait(30)
