"""What people look at: their tasks and how late they are, what is on offer to a team, how a case stands and what happened to it."""

from accord.work.inbox.board import Board, board
from accord.work.inbox.handoffs import Passage, offers, passages
from accord.work.inbox.history import Entry, comments, history, sentence, show
from accord.work.inbox.tasks import FOR_PEOPLE, MOST_ROWS, Item, SlaState, counts, inbox, item

__all__ = [
    "FOR_PEOPLE",
    "MOST_ROWS",
    "Board",
    "Entry",
    "Item",
    "Passage",
    "SlaState",
    "board",
    "comments",
    "counts",
    "history",
    "inbox",
    "item",
    "offers",
    "passages",
    "sentence",
    "show",
]
