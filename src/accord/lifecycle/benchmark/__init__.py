"""Step 7: every KPI against target, history and reference."""
