"""The nouns of Accord: frozen dataclasses of the standard library, and the tree of errors."""
