"""Step 2: proposes the architecture as a change to the map."""
