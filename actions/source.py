"""Making the source ready to be replicated from: settings, the door, the role, the helper tables.

Each of these is a loan: its step carries its own undo, and stays a loose end until that has run.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping, Sequence
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
        why="A restart ends every session: when that may be is yours to choose.",
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


def comes_from(source: Server, destination: Server, source_address: str | None) -> str:
    """The address from which the source's server sees the destination come.

    Through the replication tunnel that is the source's host itself, and Linux gives a connection
    with one of its own addresses that same address as its origin, one with 127.0.0.0/8 127.0.0.1.
    ``source_address``: as the server itself knows it; None: by its socket.
    """
    if source.replication_tunnel is None:
        return destination.comes_from or destination.address
    own = ipaddress.ip_address(source_address or "127.0.0.1")
    return "127.0.0.1" if own.version == 4 and own.is_loopback else str(own)


def hba_line(database: str, address: str, *, tls: bool) -> str:
    """The line that lets the subscription in (manual 20.1): one database, role and address.

    ``replication`` as a database does not match the walsender of a subscription.
    """
    return _hba_line(database, REPLICATION_ROLE, address, tls=tls)


def dump_line(database: str, user: str, address: str, *, tls: bool) -> str:
    """The line that lets pg_dump in, marked: the operator may have the same one already."""
    return f"{_hba_line(database, _hba_name(user), address, tls=tls)} {DUMP_MARK}"


DUMP_MARK = "# nightferry: pg_dump"


def open_door(
    source: Server,
    destination: Server,
    database: str,
    hba: str,
    *,
    tls: bool,
    address: str,
    dumps: bool,
) -> Step:
    """Put these lines first in pg_hba.conf (``hba``: its path on the source's host).

    ``address``: as `comes_from`; ``dumps``: pg_dump comes from there too, by our own login.
    """
    lines = [hba_line(database, address, tls=tls)]
    lines += [dump_line(database, source.user, address, tls=tls)] * dumps
    commands, undo = _edits(source, hba, lines)
    answered = partial(answers, source.name, MAINTENANCE)
    rules = (
        "SELECT count(DISTINCT user_name) FROM pg_hba_file_rules WHERE error IS NULL"
        f" AND database = ARRAY[{quote_literal(database)}] AND user_name IN "
    )
    ours = f"ARRAY[{quote_literal(REPLICATION_ROLE)}]"
    users = ", ".join([ours] + [f"ARRAY[{quote_literal(source.user)}]"] * dumps)
    from_there = f"AND address = {quote_literal(_hba_address(address).partition('/')[0])}"
    here = f"{rules}({users}) {from_there}"
    return Step(
        id=f"hba@{source.name}",
        phase="replication",
        title=f"Let {destination.name} in, to read {database} only",
        why="A subscription logs in to the database itself; one line names the one address."
        + " pg_dump runs there too, by the wizard's own login." * dumps,
        commands=commands,
        holds=(
            answered(here, str(len(lines)), f"pg_hba.conf holds {_lines(dumps)}"),
            answered(_HBA_READ, "t", "the server has read it since"),
        ),
        undo=undo,
        undone=(
            answered(f"{rules}({ours})", "0", f"the line for {REPLICATION_ROLE} is gone"),
            *[answered(_DUMP_MARKS, "0", "the line for pg_dump is gone")] * dumps,
        ),
        leaves=LooseEnd(
            id=f"hba@{source.name}",
            server=source.name,
            what=f"pg_hba.conf: {_lines(dumps)} for {destination.name}",
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


_HBA_READ = "SELECT (pg_stat_file(current_setting('hba_file'))).modification <= pg_conf_load_time()"
_DUMP_MARKS = (
    f"SELECT position('{DUMP_MARK}'::bytea IN pg_read_binary_file(current_setting('hba_file')))"
)


def _edits(
    source: Server, hba: str, lines: Sequence[str]
) -> tuple[tuple[Command, ...], tuple[Command, ...]]:
    """What puts the lines there, and what takes them out again."""
    if source.host is None:
        shown = "\n".join(lines)
        put = Words(text=f"Put first in {hba}, and reload:\n{shown}")
        return (put,), (Words(text=f"Take out of {hba}, and reload:\n{shown}"),)
    reload = Sql(server=source.name, database=MAINTENANCE, text="SELECT pg_reload_conf()")
    edit = partial(FileEdit, host=source.name, path=hba)
    return (edit(prepend=(*lines,)), reload), (edit(remove=(*lines,)), reload)


def _lines(dumps: bool) -> str:
    return "both lines" if dumps else "the line"


def _hba_line(database: str, user: str, address: str, *, tls: bool) -> str:
    kind = "hostssl" if tls else "host"
    return f"{kind} {_hba_name(database)} {user} {_hba_address(address)} scram-sha-256"


def _hba_name(name: str) -> str:
    plain = name.isidentifier() and name not in ("all", "sameuser", "samerole", "replication")
    return name if plain else quote_ident(name)


def _hba_address(address: str) -> str:
    if address == "localhost":
        return "127.0.0.1/32"
    try:
        return str(ipaddress.ip_network(address))
    except ValueError:
        return address
