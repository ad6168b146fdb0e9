"""Write to the systems what holds: plans, guards, compare-and-set."""
