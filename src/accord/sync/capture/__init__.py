"""What the systems hold: every row, or only those that may have changed since the last run."""
