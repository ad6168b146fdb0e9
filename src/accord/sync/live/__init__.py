"""The short way: a change of one row in one system reaches the others in milliseconds, or is left to the next run."""

from accord.sync.live.fold import fold_live, pend_live
from accord.sync.live.path import LivePath, Taken, open_live

__all__ = ["LivePath", "Taken", "fold_live", "open_live", "pend_live"]
