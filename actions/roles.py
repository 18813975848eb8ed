"""Roles and the database itself, carried over as they are, except that nobody can log in yet.

The old server writes the statements and the new one runs them: a password's hash passes through
this program's memory, and through no file, log or journal.
"""

from __future__ import annotations

from collections.abc import Sequence

from actions.postgres import answers, body, quiet
from actions.source import MAINTENANCE
from connections.quoting import quote_ident, quote_literal
from profiles.names import REPLICATION_ROLE
from profiles.steps import Evidence, Sql, Step

LIST_SETTINGS = (
    "local_preload_libraries, search_path, session_preload_libraries, shared_preload_libraries,"
    " temp_tablespaces, unix_socket_directories"
)
"""Parameters whose value is stored as a list of identifiers (GUC_LIST_QUOTE in the sources)."""

_VALUE = "substr(entry, strpos(entry, '=') + 1)"

_ASSIGNMENT = f"""\
split_part(entry, '=', 1), CASE WHEN split_part(entry, '=', 1) =
      ANY (string_to_array('{LIST_SETTINGS}', ', '))
    THEN (SELECT coalesce(string_agg(quote_literal(CASE WHEN part[1] LIKE '"%'
          THEN replace(substr(part[1], 2, length(part[1]) - 2), '""', '"')
          ELSE part[1] END), ', ' ORDER BY at), '''''')
        FROM regexp_matches({_VALUE}, '"(?:[^"]|"")*"|[^,"[:space:]]+', 'g')
          WITH ORDINALITY AS found (part, at))
    ELSE quote_literal({_VALUE}) END"""
"""Name and value of a setting, the latter as SET takes it: a list as its members, each quoted."""


def copy_roles(source: str, destination: str, wizard: str, roles: Sequence[str]) -> Step:
    """Every role of the old server, with its password, settings and memberships.

    ``roles`` are their names; ``wizard`` is our own login on the source. A login role that is
    neither the wizard's nor one with REPLICATION cannot log in on the new server until it is
    opened. A superuser that is there already stays as it is.
    """
    names = ", ".join(quote_literal(name) for name in roles)
    closed = (
        "SELECT count(*), count(*) FILTER (WHERE rolcanlogin AND NOT rolreplication"
        f" AND NOT rolsuper AND rolname <> {quote_literal(wizard)})"
        f" FROM pg_roles WHERE rolname IN ({names})"
    )
    fingerprint = _role_fingerprint(names)
    return Step(
        id=f"roles@{destination}",
        phase="replication",
        title=f"Copy {len(roles)} roles to {destination}, unable to log in",
        why="Both servers must never be writable at once: the new one is opened in the cutover.",
        commands=(
            Sql(
                server=source,
                database=MAINTENANCE,
                text=_role_statements(wizard, names),
                captures="statements",
            ),
            quiet(destination, MAINTENANCE),
            Sql(
                server=destination,
                database=MAINTENANCE,
                text=body("{statements}"),
                fills=("statements",),
            ),
        ),
        holds=(
            answers(
                destination,
                MAINTENANCE,
                closed,
                f"{len(roles)} 0",
                f"{len(roles)} roles are there, no application role can log in",
            ),
            Evidence(
                ask=Sql(server=destination, database=MAINTENANCE, text=fingerprint),
                same_as=Sql(server=source, database=MAINTENANCE, text=fingerprint),
                says="passwords, settings and memberships are the same on both sides",
            ),
        ),
    )


def create_database(destination: str, database: str, owner: str, options: str) -> Step:
    """The empty database, with the old one's encoding and locale (``options``)."""
    name = quote_ident(database)
    there = f"SELECT count(*) FROM pg_database WHERE datname = {quote_literal(database)}"
    return Step(
        id=f"database@{destination}",
        phase="replication",
        title=f"Create the database {database} on {destination}",
        commands=(
            Sql(
                server=destination,
                database=MAINTENANCE,
                text=f"CREATE DATABASE {name} OWNER {quote_ident(owner)}"
                f" TEMPLATE template0 {options}",
            ),
        ),
        holds=(answers(destination, MAINTENANCE, there, "1", "the database is there"),),
    )


def copy_settings(source: str, destination: str, database: str) -> Step:
    """The database's settings, rights, limit and comment, and the settings of roles within it."""
    fingerprint = _database_fingerprint(database)
    return Step(
        id=f"settings@{destination}/{database}",
        phase="replication",
        title=f"Copy the settings and rights of {database}",
        why="They belong to the database, and a schema dump leaves them behind.",
        commands=(
            Sql(
                server=source,
                database=MAINTENANCE,
                text=_database_statements(database),
                captures="statements",
            ),
            Sql(
                server=destination,
                database=MAINTENANCE,
                text=body("{statements}"),
                fills=("statements",),
            ),
        ),
        holds=(
            Evidence(
                ask=Sql(server=destination, database=MAINTENANCE, text=fingerprint),
                same_as=Sql(server=source, database=MAINTENANCE, text=fingerprint),
                says="settings and rights are the same on both sides",
            ),
        ),
    )


def _role_statements(wizard: str, names: str) -> str:
    attributes = f"""\
concat_ws(' ', CASE WHEN rolsuper THEN 'SUPERUSER' ELSE 'NOSUPERUSER' END,
        CASE WHEN rolinherit THEN 'INHERIT' ELSE 'NOINHERIT' END,
        CASE WHEN rolcreaterole THEN 'CREATEROLE' ELSE 'NOCREATEROLE' END,
        CASE WHEN rolcreatedb THEN 'CREATEDB' ELSE 'NOCREATEDB' END,
        CASE WHEN rolcanlogin AND (rolreplication OR rolname = {quote_literal(wizard)})
          THEN 'LOGIN' ELSE 'NOLOGIN' END,
        CASE WHEN rolreplication THEN 'REPLICATION' ELSE 'NOREPLICATION' END,
        CASE WHEN rolbypassrls THEN 'BYPASSRLS' ELSE 'NOBYPASSRLS' END,
        format('CONNECTION LIMIT %s', rolconnlimit),
        format('PASSWORD %s', coalesce(quote_literal(rolpassword), 'NULL')),
        CASE WHEN rolvaliduntil IS NOT NULL THEN format('VALID UNTIL %L', rolvaliduntil) END)"""
    return f"""\
SELECT string_agg(statement, E'\\n' ORDER BY rank, statement) FROM (
  SELECT 1 AS rank, format('IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = %1$L) THEN'
      ' CREATE ROLE %1$I WITH %2$s;'
      ' ELSIF NOT (SELECT rolsuper FROM pg_roles WHERE rolname = %1$L) THEN'
      ' ALTER ROLE %1$I WITH %2$s; ALTER ROLE %1$I RESET ALL; END IF;', rolname,
      {attributes}) AS statement
    FROM pg_authid WHERE rolname IN ({names})
  UNION ALL
  SELECT 2, format('GRANT %I TO %I WITH ADMIN %s, INHERIT %s, SET %s;', g.rolname, m.rolname,
      bool_or(admin_option)::text, bool_or(inherit_option)::text, bool_or(set_option)::text)
    FROM pg_auth_members a JOIN pg_authid g ON g.oid = a.roleid JOIN pg_authid m ON m.oid = a.member
    WHERE m.rolname IN ({names}) AND m.oid <> 10 GROUP BY g.rolname, m.rolname
  UNION ALL
  SELECT 3, format('ALTER ROLE %I SET %I TO %s;', rolname, {_ASSIGNMENT})
    FROM pg_db_role_setting JOIN pg_authid r ON r.oid = setrole, unnest(setconfig) AS entry
    WHERE setdatabase = 0 AND rolname IN ({names})
  UNION ALL
  SELECT 4, format('COMMENT ON ROLE %I IS %L;', rolname, shobj_description(oid, 'pg_authid'))
    FROM pg_authid WHERE rolname IN ({names}) AND NOT rolsuper
) AS s"""


def _digest(text: str) -> str:
    """Not md5, which a server on a FIPS system refuses."""
    return f"encode(sha256(convert_to({text}, 'UTF8')), 'hex')"


_ENTRIES = _digest("""coalesce(string_agg(entry, E'\\n' ORDER BY entry COLLATE "C"), '')""")


def _role_fingerprint(names: str) -> str:
    """Of all but LOGIN, which the fence and the opening change, and of superusers."""
    return f"""\
SELECT count(*), {_ENTRIES} FROM (
  SELECT concat_ws('|', rolname, rolinherit, rolcreaterole, rolcreatedb, rolreplication,
      rolbypassrls, rolconnlimit, {_digest("rolpassword")}, rolvaliduntil,
      shobj_description(r.oid, 'pg_authid'),
      (SELECT string_agg(value, ',' ORDER BY value) FROM unnest(s.setconfig) AS value)) AS entry
    FROM pg_authid r LEFT JOIN pg_db_role_setting s ON s.setrole = r.oid AND s.setdatabase = 0
    WHERE rolname IN ({names}) AND NOT rolsuper
  UNION ALL
  SELECT concat_ws('|', g.rolname, m.rolname, bool_or(admin_option), bool_or(inherit_option),
      bool_or(set_option))
    FROM pg_auth_members a JOIN pg_authid g ON g.oid = a.roleid JOIN pg_authid m ON m.oid = a.member
    WHERE m.rolname IN ({names}) AND NOT m.rolsuper GROUP BY g.rolname, m.rolname
) AS s"""


def _database_statements(database: str) -> str:
    name = quote_literal(database)
    return f"""\
SELECT string_agg(statement, E'\\n' ORDER BY rank, statement) FROM (
  SELECT 1 AS rank, format('REVOKE ALL ON DATABASE %I FROM PUBLIC, %I;', datname,
      pg_get_userbyid(datdba)) AS statement
    FROM pg_database WHERE datname = {name} AND datacl IS NOT NULL
  UNION ALL
  SELECT 2, format('GRANT %s ON DATABASE %I TO %s%s;', privilege_type, datname,
      CASE WHEN grantee = 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(grantee)) END,
      CASE WHEN is_grantable THEN ' WITH GRANT OPTION' END)
    FROM pg_database, aclexplode(datacl) WHERE datname = {name}
      AND pg_get_userbyid(grantee) <> '{REPLICATION_ROLE}'
  UNION ALL
  SELECT 3, format('ALTER DATABASE %I SET %I TO %s;', datname, {_ASSIGNMENT})
    FROM pg_db_role_setting JOIN pg_database d ON d.oid = setdatabase, unnest(setconfig) AS entry
    WHERE datname = {name} AND setrole = 0
  UNION ALL
  SELECT 4, format('ALTER ROLE %I IN DATABASE %I SET %I TO %s;', rolname, datname, {_ASSIGNMENT})
    FROM pg_db_role_setting JOIN pg_database d ON d.oid = setdatabase
      JOIN pg_roles r ON r.oid = setrole, unnest(setconfig) AS entry
    WHERE datname = {name}
  UNION ALL
  SELECT 5, format('ALTER DATABASE %I CONNECTION LIMIT %s; COMMENT ON DATABASE %I IS %L;', datname,
      datconnlimit, datname, shobj_description(oid, 'pg_database'))
    FROM pg_database WHERE datname = {name}
) AS s"""


def _database_fingerprint(database: str) -> str:
    name = quote_literal(database)
    return f"""\
SELECT count(*), {_ENTRIES} FROM (
  SELECT concat_ws(' ', CASE WHEN grantee <> 0 THEN pg_get_userbyid(grantee) END, privilege_type,
      is_grantable) AS entry
    FROM pg_database, aclexplode(datacl) WHERE datname = {name}
      AND pg_get_userbyid(grantee) <> '{REPLICATION_ROLE}'
  UNION ALL
  SELECT concat_ws(' ', r.rolname, value)
    FROM pg_db_role_setting JOIN pg_database d ON d.oid = setdatabase
      LEFT JOIN pg_roles r ON r.oid = setrole, unnest(setconfig) AS value
    WHERE datname = {name}
  UNION ALL
  SELECT concat_ws(' ', datconnlimit, shobj_description(oid, 'pg_database'))
    FROM pg_database WHERE datname = {name}
) AS s"""
