"""What happened: event logs in, KPIs with intervals out."""
