"""Prove agreement row by row, independent of the run: digests, differences, signed reports."""
