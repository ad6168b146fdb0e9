"""Step 8: what changes next and what it would break."""
