"""The marketing-operations pack: map, KPIs, specification ids and a sample organization."""
