"""``link_outcomes``: the chain of keys from campaign to publication that outcomes are counted along."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from accord.model.errors import UsageError
from accord.work.action import Call


def link_outcomes(call: Call) -> Mapping[str, Any]:
    """The chain as one text.

    Raises:
        UsageError: a key of the chain is missing, so that outcomes could not be told apart.
    """
    given = call.arguments
    chain = (given["campaign"], given["deliverable"], (given["publication"] or {}).get("id"))
    if not all(chain):
        raise UsageError(f"the chain of keys is broken: {chain}.", expected="Expected a campaign, a deliverable and a publication.")
    return {"key_chain": "/".join(map(str, chain))}
