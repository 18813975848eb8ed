"""Making the source ready to be replicated from: settings, the door, the role, the helper tables.

Each of these is a loan: its step carries its own undo, and stays a loose end until that has run.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from functools import partial

from actions.postgres import HELPERS, answers, body
from connections.quoting import quote_ident, quote_literal
from profiles.names import REPLICATION_ROLE, SCHEMA
from profiles.profile import Server
from profiles.steps import Command, FileEdit, LooseEnd, Sql, Step, Words

MAINTENANCE = "postgres"
"""The database in which statements about the whole cluster run."""


def alter_system(
    server: str, name: str, value: str, before: str | None, *, at_restart: bool
) -> Step:
    """Set a configuration parameter; ``before`` is what postgresql.auto.conf said until now.

    ``at_restart``: a running server takes it only at its next start.
    """
    sql = partial(Sql, server=server, database=MAINTENANCE)
    undo = f"RESET {name}" if before is None else f"SET {name} = {quote_literal(before)}"
    in_file = (
        "SELECT coalesce(max(setting), '') FROM pg_file_settings"
        f" WHERE name = {quote_literal(name)} AND sourcefile LIKE '%postgresql.auto.conf'"
    )
    return Step(
        id=f"{name}@{server}",
        phase="preflight",
        title=f"Set {name} = {value} on {server}",
        why="It takes effect at the server's next restart, which is yours to choose."
        if at_restart
        else "It takes effect at once; nobody is disturbed by it.",
        commands=(
            sql(text=f"ALTER SYSTEM SET {name} = {quote_literal(value)}"),
            sql(text="SELECT pg_reload_conf()"),
        ),
        holds=(answers(server, MAINTENANCE, in_file, value, f"{name} = {value} is configured"),),
        undo=(
            sql(text=f"ALTER SYSTEM {undo}"),
            sql(text="SELECT pg_reload_conf()"),
        ),
        undone=(answers(server, MAINTENANCE, in_file, before or "", f"{name} is as it was"),),
        leaves=LooseEnd(
            id=f"{name}@{server}",
            server=server,
            what=f"{name} = {value} by ALTER SYSTEM on {server}",
            settled_by=f"undo-{name}@{server}",
        ),
        danger="changes a server's configuration",
        servers=(server,),
    )


def restart(server: str, settings: Mapping[str, str]) -> Step:
    """A restart the operator does, at a time of their choosing, for all of these settings."""
    wanted = ", ".join(f"{name} = {value}" for name, value in settings.items())
    return Step(
        id=f"restart@{server}",
        phase="preflight",
        title=f"Restart {server}, so that {', '.join(settings)} takes effect",
        why="A restart ends every session: it is never done by the wizard.",
        commands=(Words(text=f"Restart PostgreSQL on {server}, for {wanted}."),),
        holds=tuple(
            answers(
                server,
                MAINTENANCE,
                f"SELECT current_setting({quote_literal(name)})",
                value,
                f"{name} is {value} in the running server",
            )
            for name, value in settings.items()
        ),
        by_hand=True,
        deadline_s=30.0,
    )


def hba_line(database: str, destination: Server, *, tls: bool) -> str:
    """The one line that lets the destination in (manual 20.1): one database, role and address.

    ``replication`` as a database does not match the walsender of a subscription.
    """
    kind = "hostssl" if tls else "host"
    name, address = _hba_database(database), _hba_address(destination.address)
    return f"{kind} {name} {REPLICATION_ROLE} {address} scram-sha-256"


def open_door(source: Server, destination: Server, database: str, hba: str, *, tls: bool) -> Step:
    """Put that line first in pg_hba.conf (``hba``: its path on the source's host)."""
    line = hba_line(database, destination, tls=tls)
    reload = Sql(server=source.name, database=MAINTENANCE, text="SELECT pg_reload_conf()")
    undo: tuple[Command, ...] = (
        FileEdit(host=source.name, path=hba, remove=(line,)),
        reload,
    )
    commands: tuple[Command, ...] = (
        FileEdit(host=source.name, path=hba, prepend=(line,)),
        reload,
    )
    if source.host is None:
        commands = (Words(text=f"Put this line first in {hba} and reload: {line}"),)
        undo = (Words(text=f"Take this line out of {hba} and reload: {line}"),)
    address = _hba_address(destination.address).partition("/")[0]
    rules = (
        "SELECT count(*) FROM pg_hba_file_rules WHERE error IS NULL"
        f" AND user_name = ARRAY[{quote_literal(REPLICATION_ROLE)}]"
        f" AND database = ARRAY[{quote_literal(database)}]"
    )
    here = f"{rules} AND address = {quote_literal(address)}"
    read = "SELECT (pg_stat_file(current_setting('hba_file'))).modification <= pg_conf_load_time()"
    return Step(
        id=f"hba@{source.name}",
        phase="replication",
        title=f"Let {destination.name} in, to read {database} only",
        why="A subscription logs in to the database itself; one line names the one address.",
        commands=commands,
        holds=(
            answers(source.name, MAINTENANCE, here, "1", "pg_hba.conf holds the line"),
            answers(source.name, MAINTENANCE, read, "t", "the server has read it since"),
        ),
        undo=undo,
        undone=(answers(source.name, MAINTENANCE, rules, "0", "the line is gone"),),
        leaves=LooseEnd(
            id=f"hba@{source.name}",
            server=source.name,
            what=f"pg_hba.conf line for {REPLICATION_ROLE}",
            settled_by=f"undo-hba@{source.name}",
        ),
        danger="changes a server's configuration",
        servers=(source.name,),
        by_hand=source.host is None,
    )


def replication_role(source: str, database: str) -> Step:
    """The role the subscription logs in as; it gets its password when the subscription is made."""
    sql = partial(Sql, server=source, database=MAINTENANCE)
    name, value = quote_ident(database), quote_literal(database)
    make = (
        f"IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '{REPLICATION_ROLE}') THEN\n"
        f"  CREATE ROLE {REPLICATION_ROLE};\nEND IF;\n"
        f"ALTER ROLE {REPLICATION_ROLE} WITH LOGIN REPLICATION BYPASSRLS;\n"
        f"GRANT pg_read_all_data TO {REPLICATION_ROLE};\n"
        f"IF NOT has_database_privilege('{REPLICATION_ROLE}', {value}, 'CONNECT') THEN\n"
        f"  GRANT CONNECT ON DATABASE {name} TO {REPLICATION_ROLE};\nEND IF;"
    )
    drop = (
        "IF EXISTS (SELECT FROM pg_database, aclexplode(datacl) WHERE pg_get_userbyid(grantee)"
        f" = '{REPLICATION_ROLE}' AND datname = {value}) THEN\n"
        f"  REVOKE CONNECT ON DATABASE {name} FROM {REPLICATION_ROLE};\nEND IF;\n"
        f"DROP ROLE IF EXISTS {REPLICATION_ROLE};"
    )
    there = (
        f"SELECT count(*) FROM pg_roles WHERE rolname = '{REPLICATION_ROLE}' AND rolcanlogin"
        " AND rolreplication AND rolbypassrls AND pg_has_role(oid, 'pg_read_all_data', 'USAGE')"
        f" AND has_database_privilege(oid, {value}, 'CONNECT')"
    )
    gone = f"SELECT count(*) FROM pg_roles WHERE rolname = '{REPLICATION_ROLE}'"
    return Step(
        id=f"role@{source}",
        phase="replication",
        title=f"Make the role {REPLICATION_ROLE}",
        why="BYPASSRLS, because row security would copy fewer rows without a word.",
        commands=(sql(text=body(make)),),
        holds=(answers(source, MAINTENANCE, there, "1", "the role is there, with its rights"),),
        undo=(sql(text=body(drop)),),
        undone=(answers(source, MAINTENANCE, gone, "0", "the role is gone"),),
        leaves=LooseEnd(
            id=f"role@{source}",
            server=source,
            what=f"role {REPLICATION_ROLE}",
            settled_by=f"undo-role@{source}",
        ),
    )


def helpers(server: str, database: str) -> Step:
    """The helper tables, on both sides before anything is published."""
    sql = partial(Sql, server=server, database=database)
    count = (
        "SELECT count(*) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
        f" WHERE n.nspname = '{SCHEMA}' AND c.relkind = 'r'"
    )
    statements = "".join(f"{text.strip()};\n" for text in HELPERS.split(";"))
    return Step(
        id=f"helpers@{server}/{database}",
        phase="replication",
        title=f"Make the helper tables on {server}",
        why="Heartbeat and marker travel with the data; the arbiter's row decides who may write.",
        commands=(sql(text=body(statements)),),
        holds=(answers(server, database, count, "4", "the four helper tables are there"),),
        undo=(sql(text=f"DROP SCHEMA IF EXISTS {SCHEMA} CASCADE"),),
        undone=(answers(server, database, count, "0", "the helper tables are gone"),),
        leaves=LooseEnd(
            id=f"helpers@{server}/{database}",
            server=server,
            what=f"helper tables in schema {SCHEMA}",
            settled_by=f"undo-helpers@{server}/{database}",
        ),
    )


def _hba_database(name: str) -> str:
    plain = name.isidentifier() and name not in ("all", "sameuser", "samerole", "replication")
    return name if plain else quote_ident(name)


def _hba_address(address: str) -> str:
    if address == "localhost":
        return "127.0.0.1/32"
    try:
        return str(ipaddress.ip_network(address))
    except ValueError:
        return address
