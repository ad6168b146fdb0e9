"""Map files to model and back: YAML with places, JSON Schema, lint, diff, hash."""
