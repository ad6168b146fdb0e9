"""What holds when systems differ: authority per field, merging against the base, conflicts and decisions."""
