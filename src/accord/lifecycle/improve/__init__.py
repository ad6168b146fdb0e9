"""Step 6: control charts, change points and the backlog of opportunities."""
