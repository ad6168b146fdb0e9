"""Step 1: what stands, what is missing, and the baseline."""
