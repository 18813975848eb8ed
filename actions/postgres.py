"""Small pieces of SQL that several steps share, and the helper tables' definitions.

Every text here is shown to the operator as it runs; identifiers come quoted.
"""

from __future__ import annotations

from profiles.names import SCHEMA
from profiles.steps import Evidence, Sql

QUIET = (
    "SET log_statement = 'none'",
    "SET log_min_duration_statement = -1",
    "SET log_min_error_statement = 'panic'",
    "SET track_activities = off",
)
"""What keeps a session's statements out of the server's log and out of pg_stat_activity."""

HELPERS = f"""\
CREATE SCHEMA IF NOT EXISTS {SCHEMA};
CREATE TABLE IF NOT EXISTS {SCHEMA}.heartbeat (
  night text, direction text, at timestamptz NOT NULL, PRIMARY KEY (night, direction));
CREATE TABLE IF NOT EXISTS {SCHEMA}.marker (
  night text, direction text, token text NOT NULL, PRIMARY KEY (night, direction));
CREATE TABLE IF NOT EXISTS {SCHEMA}.arbiter (
  night text, attempt int, direction text,
  state text NOT NULL CHECK (state IN ('armed', 'moved', 'aborted')),
  at timestamptz NOT NULL DEFAULT clock_timestamp(), PRIMARY KEY (night, attempt, direction));
CREATE TABLE IF NOT EXISTS {SCHEMA}.proof (
  token text PRIMARY KEY, at timestamptz NOT NULL DEFAULT clock_timestamp())"""


def quiet(server: str, database: str) -> tuple[Sql, ...]:
    """Silence the session before a statement that holds a secret."""
    return tuple(Sql(server=server, database=database, text=text) for text in QUIET)


def answers(server: str, database: str, query: str, answer: str, says: str) -> Evidence:
    """It holds when the query's first row reads ``answer``."""
    return Evidence(ask=Sql(server=server, database=database, text=query), answer=answer, says=says)


def body(statements: str) -> str:
    """Several statements as one, so that they happen together or not at all."""
    return f"DO $nightferry$ BEGIN\n{statements}\nEND $nightferry$"
