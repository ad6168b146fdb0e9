"""From the fields of a system to those of the entity and back."""
