"""Step 5: objectives, responsibilities and handoffs in step."""
