"""Ways to move a server: one file a route, reading like the runbook, top to bottom."""
