"""Which rows may pass: contracts, quarantine with reasons, checks over whole tables."""
