"""How the pack plans: demand against hours, and who does what when. A rule, not a solver."""
