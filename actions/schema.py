"""The schema, in the order that makes the copy fast.

Tables, primary keys and replica identities come before the data; secondary indexes, foreign keys
and triggers after it (2.8 times faster than all indexes first, measured on 2 GB).
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from actions.postgres import answers, conninfo
from profiles.names import SCHEMA, SUBSCRIPTION
from profiles.profile import Server
from profiles.steps import Evidence, Shell, Sql, Step, quoted

LATER = (
    "INDEX|INDEX ATTACH|FK CONSTRAINT|TRIGGER|EVENT TRIGGER|STATISTICS"
    "|COMMENT .*(INDEX|CONSTRAINT|TRIGGER|STATISTICS)"
)
"""Kinds of entries in pg_restore's list that wait until the data is there, and their comments.

A comment that only looks as if it were for one of these waits too, which does no harm.
"""

DUMP_TRIES = 20
"""pg_dump gives up on a lock after a second, so as never to stand in front of the application."""


def schema_first(
    source: Server,
    destination: Server,
    database: str,
    *,
    tls: tuple[str, str],
    tools: str,
    folder: Path,
    early_indexes: Sequence[tuple[str, str]],
) -> Step:
    """Dump the schema and restore what must be there before the data.

    ``tls``: libpq's sslmode for source and destination; ``tools``: the folder of pg_dump and
    pg_restore; ``folder``: where the dump and its lists stand, on this machine;
    ``early_indexes``: (schema, index) of replica identities that are no primary key.
    """
    work = quoted(str(folder))
    dump = (
        f"{quoted(tools + '/pg_dump')} --format=custom --schema-only --no-publications"
        f" --no-subscriptions --exclude-schema={SCHEMA} --lock-wait-timeout=1s --no-password"
        f" --file={work}/schema.dump -d {_login(source, database, tls[0])}"
    )
    restore = (
        f"{quoted(tools + '/pg_restore')} --exit-on-error --single-transaction --no-password"
        f" -L {work}/first.list -d {_login(destination, database, tls[1])} {work}/schema.dump"
    )
    return Step(
        id=f"schema@{destination.name}/{database}",
        phase="replication",
        title="Copy the schema: tables, keys and replica identities first",
        why="Secondary indexes, foreign keys and triggers are faster made once the data is there.",
        commands=(
            Shell(
                host=None,
                line=f"mkdir -p {work}\nn=0; until {dump}; do\n"
                f"  n=$((n+1)); [ $n -lt {DUMP_TRIES} ] || exit 1; sleep 0.5\ndone",
                passwords_for=(source.name,),
                deadline_s=600.0,
            ),
            Shell(host=None, line=_lists(work, tools, early_indexes)),
            Shell(host=None, line=restore, passwords_for=(destination.name,), deadline_s=600.0),
        ),
        holds=(_same(source.name, destination.name, database, _TABLES, "tables and keys"),),
        deadline_s=1200.0,
    )


def schema_later(
    source: Server, destination: Server, database: str, *, tls: str, tools: str, folder: Path
) -> Step:
    """Restore what was left for after the data. Run again, it starts over."""
    sql = partial(Sql, server=destination.name, database=database)
    work = quoted(str(folder))
    restore = (
        f"{quoted(tools + '/pg_restore')} --clean --if-exists --jobs=4 --no-password"
        f" --exit-on-error -L {work}/later.list"
        f" -d {_login(destination, database, tls)} {work}/schema.dump"
    )
    return Step(
        id=f"indexes@{destination.name}/{database}",
        phase="replication",
        title="Make secondary indexes, foreign keys and triggers",
        why="The data is there: each is made in one pass over it. Changes are applied again"
        " afterwards: beside a foreign key in the making one could end in a deadlock.",
        commands=(
            sql(text=f"ALTER SUBSCRIPTION {SUBSCRIPTION} DISABLE"),
            sql(text=_APPLYING, until="0"),
            Shell(
                host=None,
                line=restore,
                passwords_for=(destination.name,),
                deadline_s=86400.0,
            ),
            sql(text=f"ALTER SUBSCRIPTION {SUBSCRIPTION} ENABLE"),
        ),
        holds=(
            _same(source.name, destination.name, database, _LATER_COUNTS, "indexes and keys"),
            answers(destination.name, database, _ENABLED, "t", "changes are applied again"),
        ),
        deadline_s=86400.0,
        meanwhile=Sql(server=destination.name, database=database, text=_INDEX_PROGRESS),
    )


def refresh_views(destination: str, database: str, views: Sequence[str]) -> Step:
    """Fill materialised views (quoted names, in order of dependence); replication leaves them."""
    missing = "SELECT count(*) FROM pg_matviews WHERE NOT ispopulated"
    return Step(
        id=f"matviews@{destination}/{database}",
        phase="replication",
        title=f"Fill {len(views)} materialised views",
        why="Logical replication does not carry them; until filled, reading one is an error.",
        commands=tuple(
            Sql(
                server=destination,
                database=database,
                text=f"REFRESH MATERIALIZED VIEW {view}",
                deadline_s=86400.0,
            )
            for view in views
        ),
        holds=(answers(destination, database, missing, "0", "all of them are filled"),),
        deadline_s=86400.0,
    )


def analyze(destination: str, database: str) -> Step:
    """Planner statistics, which replication does not carry."""
    missing = (
        "SELECT count(*) FROM pg_stat_user_tables WHERE last_analyze IS NULL"
        f" AND last_autoanalyze IS NULL AND schemaname <> '{SCHEMA}'"
    )
    return Step(
        id=f"analyze@{destination}/{database}",
        phase="replication",
        title="Gather planner statistics",
        why="Without them the first queries on the new server are planned blind.",
        commands=(Sql(server=destination, database=database, text="ANALYZE", deadline_s=86400.0),),
        holds=(answers(destination, database, missing, "0", "every table has statistics"),),
        deadline_s=86400.0,
    )


_OURS = f"n.nspname <> '{SCHEMA}' AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'"

_TABLES = f"""\
SELECT count(*) FILTER (WHERE c.relkind IN ('r', 'p')), count(*) FILTER (WHERE c.relkind = 'S'),
    (SELECT count(*) FROM pg_constraint k JOIN pg_namespace n ON n.oid = k.connamespace
      WHERE k.contype = 'p' AND {_OURS})
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE {_OURS}"""

_LATER_COUNTS = f"""\
SELECT count(*) FILTER (WHERE c.relkind IN ('i', 'I')),
    (SELECT count(*) FROM pg_constraint k JOIN pg_namespace n ON n.oid = k.connamespace
      WHERE k.contype = 'f' AND k.convalidated AND {_OURS}),
    (SELECT count(*) FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid
      JOIN pg_namespace n ON n.oid = c.relnamespace WHERE NOT t.tgisinternal AND {_OURS})
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
  LEFT JOIN pg_index i ON i.indexrelid = c.oid
  WHERE {_OURS} AND coalesce(i.indisvalid, true)"""

_APPLYING = f"SELECT count(pid) FROM pg_stat_subscription WHERE subname = '{SUBSCRIPTION}'"
_ENABLED = f"SELECT subenabled FROM pg_subscription WHERE subname = '{SUBSCRIPTION}'"

_INDEX_PROGRESS = """\
SELECT format('making %s: %s, %s of %s blocks', p.index_relid::regclass, p.phase, p.blocks_done,
    p.blocks_total) FROM pg_stat_progress_create_index p ORDER BY p.pid LIMIT 1"""


def _same(source: str, destination: str, database: str, query: str, what: str) -> Evidence:
    return Evidence(
        ask=Sql(server=destination, database=database, text=query),
        same_as=Sql(server=source, database=database, text=query),
        says=f"as many {what} as on {source}",
    )


def _lists(work: str, tools: str, early_indexes: Sequence[tuple[str, str]]) -> str:
    """Divides what was dumped into first.list and later.list; says how much comes first."""
    early = " ".join(f"-e {quoted(f' INDEX {schema} {name} ')}" for schema, name in early_indexes)
    keep = f" | grep -vF {early}" if early else ""
    return (
        f"cd {work} && {quoted(tools + '/pg_restore')} -l schema.dump | grep -v '^;' > all.list;\n"
        f"grep -E '^[0-9]+; [0-9]+ [0-9]+ ({LATER}) ' all.list{keep} > later.list;\n"
        "grep -vxFf later.list all.list > first.list; wc -l < first.list"
    )


def _login(server: Server, database: str, tls: str) -> str:
    """libpq's connection string of our own login, without a password; quoted for /bin/sh."""
    parts = {
        "host": server.address,
        "port": str(server.port),
        "user": server.user,
        "dbname": database,
        "sslmode": tls,
    }
    if server.tls_root_cert:
        parts["sslrootcert"] = server.tls_root_cert
    return quoted(conninfo(parts))
