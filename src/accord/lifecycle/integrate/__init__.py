"""Step 3: applies the map in waves and proves agreement."""
