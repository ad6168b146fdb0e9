"""One file per command; each has ``register(app)`` and is found by its being here."""
