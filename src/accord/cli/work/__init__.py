"""The commands of ``accord work``."""
