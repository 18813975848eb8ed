"""Small pieces of SQL that several steps share, and the helper tables' definitions.

Every text here is shown to the operator as it runs; identifiers come quoted.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from connections.places import Place
from profiles.names import SCHEMA
from profiles.profile import Server
from profiles.steps import Evidence, Sql

QUIET = {
    "log_statement": "none",
    "log_min_duration_statement": "-1",
    "log_min_duration_sample": "-1",
    "log_transaction_sample_rate": "0",
    "log_min_error_statement": "panic",
    "log_error_verbosity": "terse",
    "track_activities": "off",
    "pg_stat_statements.track_utility": "off",
    "pgaudit.log": "none",
}
"""What keeps a session's statements, and errors in them, out of the server's log and views.

The last two do nothing where those extensions are not loaded.
"""

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


def quiet(server: str, database: str) -> Sql:
    """Silences the session before a statement that holds a secret."""
    values = ",\n  ".join(f"('{name}', '{value}')" for name, value in QUIET.items())
    text = f"SELECT count(set_config(name, value, false)) FROM (VALUES\n  {values})"
    return Sql(server=server, database=database, text=f"{text} AS s (name, value)")


def answers(server: str, database: str, query: str, answer: str, says: str) -> Evidence:
    """It holds when the query's first row reads ``answer``."""
    return Evidence(ask=Sql(server=server, database=database, text=query), answer=answer, says=says)


def conninfo(parts: Mapping[str, str]) -> str:
    """libpq's connection string of these keywords (manual 32.1.1.1)."""
    return " ".join(f"{key}={_conninfo_value(value)}" for key, value in parts.items())


def login_string(server: Server, place: Place, database: str, tls: str) -> str:
    """libpq's connection string of our own login, without a password."""
    parts = {**place.parts, "user": server.user, "dbname": database, "sslmode": tls}
    return conninfo(with_root_cert(parts, server.tls_root_cert))


def with_root_cert(parts: Mapping[str, str], root_cert: str | None) -> dict[str, str]:
    """The keywords, and with them the certificate by which the server is known, if one is named."""
    return {**parts, **({"sslrootcert": root_cert} if root_cert else {})}


def body(statements: str) -> str:
    """Several statements as one, so that they happen together or not at all."""
    return f"DO $nightferry$ BEGIN\n{statements}\nEND $nightferry$"


def _conninfo_value(value: str) -> str:
    if re.fullmatch(r"[\w.:/@%+,{}-]+", value, re.ASCII):
        return value
    escaped = value.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"
