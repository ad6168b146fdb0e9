"""The one spelling of JSON: sorted keys, no spaces; equal values are equal texts."""

from __future__ import annotations

import json
from collections.abc import Callable
from json import encoder as standard


def speller(*, ensure_ascii: bool = False, allow_nan: bool = True) -> Callable[[object], str]:
    """A function that spells a JSON value.

    ``JSONEncoder.encode`` sets up its encoder for each value anew, which for the short values here takes longer than to spell them. So
    the encoder is made once, where this Python has the one written in C.

    Args:
        ensure_ascii: escape all but ASCII.
        allow_nan: take numbers that are not finite, which JSON has not; otherwise they raise ``ValueError``.
    """
    slow = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=ensure_ascii, allow_nan=allow_nan, check_circular=False)
    make = getattr(standard, "c_make_encoder", None)
    if make is None:
        return slow.encode
    text = standard.encode_basestring_ascii if ensure_ascii else standard.encode_basestring
    chunks = make(None, slow.default, text, None, ":", ",", True, False, allow_nan)

    def spelled(value: object) -> str:
        return "".join(chunks(value, 0))

    return spelled
