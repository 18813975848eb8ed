"""What Nightferry calls its own things on a server; checks leave them out, actions make them."""

SCHEMA = "nightferry"
"""Helper tables: heartbeat and marker (published), arbiter (not)."""
PUBLICATION = "nightferry"
SUBSCRIPTION = "nightferry"
SLOT = "nightferry"
REPLICATION_ROLE = "nightferry_repl"
