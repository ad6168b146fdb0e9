"""Functions that steps of the pack's processes call; a file is one function of its own name."""
