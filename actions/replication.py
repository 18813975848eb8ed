"""Publication, slot and subscription: what carries the rows, each a loan with its undo."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial

from actions.postgres import answers, conninfo, quiet, with_root_cert
from actions.source import MAINTENANCE
from connections.places import Place
from connections.quoting import quote_literal
from profiles.names import PUBLICATION, REPLICATION_ROLE, SCHEMA, SLOT, SUBSCRIPTION
from profiles.steps import LooseEnd, Sql, Step


def publish(source: str, database: str, tables: Sequence[str]) -> Step:
    """Publish exactly these tables (quoted names), and our heartbeat and marker.

    ``FOR ALL TABLES`` would make a later CREATE TABLE without a key break production's updates.
    """
    sql = partial(Sql, server=source, database=database)
    listed = ",\n  ".join([f"{SCHEMA}.heartbeat", f"{SCHEMA}.marker", *tables])
    count = f"SELECT count(*) FROM pg_publication_tables WHERE pubname = '{PUBLICATION}'"
    return Step(
        id=f"publication@{source}/{database}",
        phase="replication",
        title=f"Publish {len(tables)} tables",
        why="Listed one by one: a table made later cannot break updates on this server.",
        commands=(sql(text=f"CREATE PUBLICATION {PUBLICATION} FOR TABLE\n  {listed}"),),
        holds=(answers(source, database, count, str(len(tables) + 2), "all are published"),),
        undo=(sql(text=f"DROP PUBLICATION IF EXISTS {PUBLICATION}"),),
        undone=(answers(source, database, count, "0", "nothing of ours is published"),),
        leaves=LooseEnd(
            id=f"publication@{source}/{database}",
            server=source,
            what=f"publication {PUBLICATION}",
            settled_by=f"undo-publication@{source}/{database}",
        ),
    )


def make_slot(source: str, database: str, deadline_s: float) -> Step:
    """The slot, made by itself: it waits for transactions that began before, and blocks nobody."""
    sql = partial(Sql, server=source, database=database)
    count = f"SELECT count(*) FROM pg_replication_slots WHERE slot_name = '{SLOT}'"
    here = f"{count} AND database = {quote_literal(database)}"
    return Step(
        id=f"slot@{source}/{database}",
        phase="replication",
        title=f"Make the replication slot {SLOT}",
        why="It waits until every transaction that writes now has ended; nobody waits for it.",
        commands=(
            sql(text="SET lock_timeout = 0"),
            sql(
                text="SELECT slot_name, lsn::text"
                f" FROM pg_create_logical_replication_slot('{SLOT}', 'pgoutput')",
                deadline_s=deadline_s,
            ),
        ),
        holds=(answers(source, database, here, "1", "the slot is there"),),
        undo=(
            sql(
                text="SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots"
                f" WHERE slot_name = '{SLOT}'",
            ),
        ),
        undone=(answers(source, database, count, "0", "the slot is gone"),),
        leaves=LooseEnd(
            id=f"slot@{source}/{database}",
            server=source,
            what=f"replication slot {SLOT}, which keeps WAL",
            settled_by=f"undo-slot@{source}/{database}",
        ),
        deadline_s=deadline_s + 10.0,
        meanwhile=sql(text=_SLOT_BLOCKERS),
    )


def subscribe(
    source: str,
    destination: str,
    database: str,
    *,
    place: Place,
    tls: str,
    tls_root_cert: str | None,
) -> Step:
    """Give the replication role a password made for this run, and subscribe with it.

    ``place``: where the destination reaches the source.
    """
    sql = partial(Sql, server=destination, database=database)
    way = with_root_cert({**place.parts, "dbname": database, "sslmode": tls}, tls_root_cert)
    there = f"SELECT count(*) FROM pg_subscription WHERE subname = '{SUBSCRIPTION}' AND subenabled"
    gone = f"SELECT count(*) FROM pg_subscription WHERE subname = '{SUBSCRIPTION}'"
    return Step(
        id=f"subscription@{destination}/{database}",
        phase="replication",
        title=f"Subscribe {destination} to {source}: the copy begins",
        why="The destination fetches the rows itself; they never pass through this machine.",
        secrets=("password",),
        commands=(
            quiet(source, MAINTENANCE),
            Sql(
                server=source,
                database=MAINTENANCE,
                text=f"ALTER ROLE {REPLICATION_ROLE} PASSWORD '{{verifier}}'",
                fills=("verifier",),
            ),
            quiet(destination, database),
            sql(text=_create_subscription(way), fills=("password",)),
        ),
        holds=(answers(destination, database, there, "1", "the subscription is enabled"),),
        undo=(sql(text=f"DROP SUBSCRIPTION IF EXISTS {SUBSCRIPTION}"),),
        undone=(answers(destination, database, gone, "0", "the subscription is gone"),),
        leaves=LooseEnd(
            id=f"subscription@{destination}/{database}",
            server=destination,
            what=f"subscription {SUBSCRIPTION}",
            settled_by=f"undo-subscription@{destination}/{database}",
        ),
    )


def copied(destination: str, database: str, deadline_s: float) -> Step:
    """Wait until every table has been copied and follows.

    Run again after an error, or a road that was cut, it lets the copy go on.
    """
    return Step(
        id=f"copied@{destination}/{database}",
        phase="replication",
        title="Wait until every table is copied",
        why="Each table is copied as of one moment, then follows what has happened since. An error"
        " disables the subscription: no table is copied again and again.",
        commands=(
            Sql(
                server=destination,
                database=database,
                text=f"ALTER SUBSCRIPTION {SUBSCRIPTION} ENABLE",
            ),
            Sql(
                server=destination,
                database=database,
                text=_NOT_READY,
                until="0",
                unless="disabled",
                deadline_s=deadline_s,
            ),
        ),
        holds=(answers(destination, database, _NOT_READY, "0", "every table follows"),),
        deadline_s=deadline_s,
    )


def commit_at_once(destination: str, database: str) -> Step:
    """Let the subscription report what it has applied at once, not at the next 200 ms."""
    setting = f"SELECT subsynccommit FROM pg_subscription WHERE subname = '{SUBSCRIPTION}'"
    return Step(
        id=f"commit@{destination}/{database}",
        phase="cutover",
        title="Let the subscription commit at once",
        why="With its default it reports in steps of wal_writer_delay: 200 to 400 ms of pause.",
        commands=(
            Sql(
                server=destination,
                database=database,
                text=f"ALTER SUBSCRIPTION {SUBSCRIPTION} SET (synchronous_commit = 'on')",
            ),
        ),
        holds=(answers(destination, database, setting, "on", "synchronous_commit is on"),),
    )


_NOT_READY = f"""\
SELECT CASE WHEN NOT bool_and(subenabled) THEN 'disabled'
    ELSE count(r.srrelid) FILTER (WHERE r.srsubstate <> 'r')::text END
  FROM pg_subscription s LEFT JOIN pg_subscription_rel r ON r.srsubid = s.oid
  WHERE s.subname = '{SUBSCRIPTION}'"""

_SLOT_BLOCKERS = """\
SELECT 'waiting for ' || coalesce(string_agg(format('pid %s (%s, open %s s)', pid, usename,
    extract(epoch FROM now() - xact_start)::int), ', '), 'nobody')
  FROM pg_stat_activity WHERE pid = ANY (SELECT unnest(pg_blocking_pids(pid))
    FROM pg_stat_activity WHERE query LIKE '%pg_create_logical_replication_slot%')"""


def _create_subscription(way: Mapping[str, str]) -> str:
    login = {
        "user": REPLICATION_ROLE,
        "password": "{password}",
        "application_name": SUBSCRIPTION,
    }
    return (
        f"CREATE SUBSCRIPTION {SUBSCRIPTION}\n"
        f"  CONNECTION {quote_literal(conninfo({**way, **login}))}\n"
        f"  PUBLICATION {PUBLICATION}\n"
        f"  WITH (create_slot = false, slot_name = '{SLOT}', copy_data = true, origin = none,"
        " disable_on_error = true)"
    )
