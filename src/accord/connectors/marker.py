"""A row beside the data that says which batch was written last: in the same transaction, so that both are there or neither.

For systems with transactions and no memory of them. The table is ours alone and never a resource.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from typing import Final

from accord.connectors.protocol import ApplyResult, Noting

TABLE: Final = "accord_batches"
COLUMNS: Final = ("writer", "flow", "batch", "at")  # one row per writer; ``flow`` names it for people
FORBIDDEN: Final = "the map forbids a marker there"
TAKEN: Final = f"its table {TABLE} is another one"


def new_receipt(noting: Noting) -> str:
    """A receipt nobody gave before."""
    return f"{noting.writer}:{secrets.token_hex(12)}"


def note_before_commit(noting: Noting, why: str, put: Callable[[str], None]) -> Callable[[ApplyResult], None]:
    """What to call with what became of each row, once nothing but the commit is left to do.

    Args:
        noting: who is told.
        why: no marker can be kept; else empty.
        put: writes the marker of a receipt, in the transaction.
    """

    def note(result: ApplyResult) -> None:
        receipt = "" if why else new_receipt(noting)
        if receipt:
            put(receipt)
        noting.note(receipt, why, result)

    return note


def older_batch(before: str, now: str) -> str:
    """That the last batch that is named is of an earlier time than it was, for people."""
    return f"the last batch in its table {TABLE} is of {now} UTC, and was of {before} UTC"


def parts(receipt: str) -> tuple[str, str]:
    """The writer and the batch of a receipt."""
    writer, _, batch = receipt.rpartition(":")
    return writer, batch
