"""Erasing a person from the store: keys shredded, rows taken out of segments, everything that was computed made anew and scrubbed."""

from accord.store.erasing.erasure import Erasure, Found
from accord.store.erasing.rows import PersonRows

__all__ = ["Erasure", "Found", "PersonRows"]
