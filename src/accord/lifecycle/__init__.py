"""The eight steps: each reads the map, the systems and the log, and leaves deliverables."""
