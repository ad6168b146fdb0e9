"""The event log, its hash chain and its projections; the only writer of our own state."""

from accord.store.segments import Segment, SegmentFault
from accord.store.store import Lease, Store, open_store
from accord.store.turn import Ahead

__all__ = ["Ahead", "Lease", "Segment", "SegmentFault", "Store", "open_store"]
