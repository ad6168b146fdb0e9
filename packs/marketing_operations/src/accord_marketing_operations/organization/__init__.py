"""The sample organization: who works there, what they do for a year, what it costs and what their systems hold of it."""
