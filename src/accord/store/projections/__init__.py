"""One file per projection; each holds one ``PROJECTION`` and is found by being here."""
