"""The event log, its hash chain and its projections; the only writer of our own state."""
