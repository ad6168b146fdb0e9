"""Step 4: bottlenecks, capacity and proposals."""
