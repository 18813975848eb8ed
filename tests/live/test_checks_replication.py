"""Lag, progress, Verify and Aftercare against a replication that really runs."""

from __future__ import annotations

import asyncio
import os
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NamedTuple

import pytest

from actions.postgres import HELPERS
from checks import counts, lag, verify
from checks.catalogue import AFTERCARE, LAG, VERIFY
from checks.check import Look
from checks.forecast import Point, forecast
from checks.lag import Sample, Watched, read_sample
from checks.progress import read_progress
from checks.runner import run_checks
from connections.postgres import Session, connect
from rehearsal.server import Server as Running
from tests.fix_looks import a_profile, a_server, finding
from tests.fix_servers import PASSWORD, Pair

pytestmark = pytest.mark.live

SCHEMA = Path(__file__).parents[2] / "rehearsal" / "schema.sql"
NIGHT = Watched(night="shop-20260101-0300-cafe")
PATIENCE_S = 20.0
HEARTBEAT = (
    "INSERT INTO nightferry.heartbeat (night, direction, at)"
    f" VALUES ('{NIGHT.night}', 'forward', clock_timestamp())"
    " ON CONFLICT (night, direction) DO UPDATE SET at = excluded.at"
)


@pytest.fixture(scope="module")
def replicated(old_and_new: Pair) -> Iterator[Pair]:
    """The rehearsal's database, copied and followed by the new server."""
    asyncio.run(_replicate(old_and_new))
    yield old_and_new


async def _replicate(pair: Pair) -> None:
    for side in (pair.old, pair.new):
        async with a_session(side, "postgres") as maintenance:
            await maintenance.run("CREATE DATABASE app")
    async with a_session(pair.old) as old, a_session(pair.new) as new:
        await old.run("SET search_path = public; SET rehearsal.rows = 3000")
        await old.run(SCHEMA.read_text("utf-8"))
        await old.run("ANALYZE")
        _carry_the_schema(pair)
        await old.run(HELPERS)
        await new.run(HELPERS)
        await _subscribe(pair, old, new)
        await until(lambda: _all_follow(old, new))
        await new.run('REFRESH MATERIALIZED VIEW public."Umsatz je Tag"')
        await new.run("ANALYZE")


def _carry_the_schema(pair: Pair) -> None:
    roles = _ran(pair, "pg_dumpall", pair.old, "--roles-only").decode()
    kept = [line for line in roles.splitlines() if "ROLE postgres" not in line]
    schema = _ran(pair, "pg_dump", pair.old, "-s", "app")
    for text in ("\n".join(kept).encode(), schema):
        _ran(pair, "psql", pair.new, "-q", "-v", "ON_ERROR_STOP=1", "-d", "app", said=text)


def _ran(pair: Pair, tool: str, server: Running, *words: str, said: bytes = b"") -> bytes:
    where = ["-h", "127.0.0.1", "-U", "postgres", "-p", str(server.port)]
    return subprocess.run(
        [str(pair.new.programs / tool), *where, *words],
        env={**os.environ, "PGPASSWORD": PASSWORD},
        check=True,
        capture_output=True,
        input=said,
    ).stdout


async def _subscribe(pair: Pair, old: Session, new: Session) -> None:
    await old.run("CREATE ROLE nightferry_repl LOGIN REPLICATION BYPASSRLS PASSWORD 'repl'")
    await old.run("GRANT pg_read_all_data TO nightferry_repl")
    tables = await old.rows(
        "SELECT format('%I.%I', schemaname, tablename) AS name FROM pg_tables"
        " WHERE schemaname IN ('public', 'Lager')"
        " AND (schemaname || '.' || tablename) NOT IN ('public.payments')"
    )
    listed = ", ".join(
        ["nightferry.heartbeat", "nightferry.marker", *(one["name"] for one in tables)]
    )
    await old.run(f"CREATE PUBLICATION nightferry FOR TABLE {listed}")
    await old.run("SELECT pg_create_logical_replication_slot('nightferry', 'pgoutput')")
    await new.run(
        f"CREATE SUBSCRIPTION nightferry CONNECTION 'host=127.0.0.1 port={pair.old.port} dbname=app"
        " user=nightferry_repl password=repl' PUBLICATION nightferry"
        " WITH (create_slot = false, slot_name = 'nightferry', origin = none,"
        " disable_on_error = true)"
    )


async def _all_follow(old: Session, new: Session) -> bool:
    progress = await read_progress(old, new)
    return bool(progress.tables) and all(one.state == "following" for one in progress.tables)


async def until(holds: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not await holds():  # noqa: ASYNC110 - there is nobody to set an event
            await asyncio.sleep(0.02)


@asynccontextmanager
async def a_session(
    running: Running, database: str = "app", application: str = "nightferry"
) -> AsyncIterator[Session]:
    server = a_server(running.name, running.port)
    session = await connect(server, database, PASSWORD, application=application)
    try:
        yield session
    finally:
        await session.close()


@asynccontextmanager
async def looking(pair: Pair) -> AsyncIterator[tuple[Look, Session, Session]]:
    async with a_session(pair.old) as old, a_session(pair.new) as new:
        profile = a_profile(a_server("old", pair.old.port), a_server("new", pair.new.port))
        yield Look(profile, {"source": old, "destination": new}), old, new


async def read(old: Session, new: Session, previous: Sample | None = None) -> Sample:
    await old.run(HEARTBEAT)
    return await read_sample(old, new, previous, NIGHT)


async def test_a_replication_as_it_should_be_passes_every_check(replicated: Pair) -> None:
    async with looking(replicated) as (look, old, new):
        await until(lambda: _follows(old, new))
        found = [one async for one in run_checks((*LAG, *VERIFY), look)]
    verdicts = {one.check: one.verdict for one in found}
    assert verdicts.pop("pg.sequence_values") == "note"
    assert set(verdicts.values()) == {"pass"}, found
    assert "SCRAM" not in repr(found)


async def _follows(old: Session, new: Session) -> bool:
    sample = await read(old, new)
    return sample.trouble == "" and sample.behind_bytes == 0


async def test_a_sample_has_every_figure_and_a_heartbeat_that_travelled(replicated: Pair) -> None:
    async with looking(replicated) as (_, old, new):
        first = await read(old, new)
        await old.run("INSERT INTO public.event_log (kind) SELECT 'x' FROM generate_series(1, 500)")
        second = await read(old, new, first)
    assert second.trouble == ""
    assert second.behind_s is not None
    assert 0 <= second.behind_s < 5
    assert second.behind_bytes is not None
    assert second.write_rate is not None
    assert second.write_rate > 0
    assert second.apply_rate is not None
    assert second.retained_bytes is not None
    assert second.wal_status == "reserved"
    assert (first.write_rate, first.apply_rate) == (None, None)


async def test_a_subscription_that_stands_still_falls_behind_and_says_so(
    replicated: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(verify, "CANARY_S", 0.2)
    monkeypatch.setattr(lag, "ARRIVAL_S", 0.05)
    async with looking(replicated) as (look, old, new):
        await until(lambda: _follows(old, new))
        await new.run("ALTER SUBSCRIPTION nightferry DISABLE")
        samples = [await read(old, new)]
        for _ in range(5):
            await old.run(
                "INSERT INTO public.event_log (kind, padding) SELECT 'x', repeat('y', 900)"
                " FROM generate_series(1, 300)"
            )
            samples.append(await read(old, new, samples[-1]))
        assert (await finding(look, "pg.canary")).verdict == "stop"
        await until(lambda: _no_sender(old, new))
        stopped = await read(old, new)
        await new.run("ALTER SUBSCRIPTION nightferry ENABLE")
        await until(lambda: _follows(old, new))
    assert samples[-1].behind_s is not None
    assert samples[-1].behind_s > (samples[0].behind_s or 0)
    enable = "ALTER SUBSCRIPTION nightferry ENABLE, on the destination"
    assert stopped.trouble == f"subscription nightferry is disabled: {enable}"
    assert (stopped.behind_bytes, stopped.retained_bytes is None) == (None, False)
    points = [Point(float(at), 10**6 + at * 300_000) for at in range(6)]
    assert forecast(points).caught_up_in_s is None


async def _no_sender(old: Session, new: Session) -> bool:
    return (await read(old, new)).behind_bytes is None


async def test_what_is_missing_is_named(replicated: Pair) -> None:
    async with looking(replicated) as (_, old, new):
        no_slot = await read_sample(old, new, None, Watched(night="x", slot="other"))
        gone = await read_sample(old, new, None, Watched(night="x", subscription="other"))
        backwards = await read_sample(new, old, None, Watched(night="x", direction="back"))
    assert no_slot.trouble.startswith("there is no replication slot other on the source: the copy")
    assert gone.trouble == "there is no subscription other on the destination"
    assert backwards.behind_s is None
    assert "no replication slot" in backwards.trouble


async def test_progress_of_a_copy_that_is_through(replicated: Pair) -> None:
    async with looking(replicated) as (_, old, new):
        progress = await read_progress(old, new)
    by_name = {one.name: one for one in progress.tables}
    assert progress.tables_copied == len(progress.tables) == 11
    assert progress.fraction == 1.0
    assert (by_name['public."it\'s a ""note"""'].rows_estimated or 0) > 0
    assert progress.rows_estimated is not None
    assert progress.rows_copied == progress.rows_estimated > 1000
    assert "nightferry.heartbeat" not in by_name


class Bad(NamedTuple):
    """A bad state after the copy, and how it is ended."""

    check: str
    verdict: str
    words: str
    make: str
    undo: str
    on: str = "new"


STATES = [
    Bad(
        "pg.new_tables",
        "stop",
        "public.later",
        "CREATE TABLE public.later (a int PRIMARY KEY)",
        "DROP TABLE public.later",
        on="old",
    ),
    Bad(
        "pg.schema_drift",
        "stop",
        "missing: column public.customers.nick",
        "ALTER TABLE public.customers ADD COLUMN nick text",
        "ALTER TABLE public.customers DROP COLUMN nick",
        on="old",
    ),
    Bad(
        "pg.schema_objects",
        "stop",
        "missing: index public.orders_open",
        "DROP INDEX public.orders_open",
        "CREATE INDEX orders_open ON public.orders (placed) WHERE state = 'new'",
    ),
    Bad(
        "pg.schema_objects",
        "stop",
        "different: column public.event_log.padding",
        "ALTER TABLE public.event_log ALTER padding SET DEFAULT ''",
        "ALTER TABLE public.event_log ALTER padding DROP DEFAULT",
    ),
    Bad(
        "pg.schema_objects",
        "stop",
        "trigger",
        'ALTER TABLE "Lager".stock DISABLE TRIGGER "note move"',
        'ALTER TABLE "Lager".stock ENABLE TRIGGER "note move"',
    ),
    Bad(
        "pg.schema_objects",
        "warn",
        "extra: table public.surplus",
        "CREATE TABLE public.surplus ()",
        "DROP TABLE public.surplus",
    ),
    Bad(
        "pg.privileges",
        "stop",
        "public.open_orders: SELECT to reporting, may grant it",
        "REVOKE SELECT ON public.open_orders FROM reporting",
        "GRANT SELECT ON public.open_orders TO reporting WITH GRANT OPTION",
    ),
    Bad(
        "pg.privileges",
        "warn",
        "to public",
        "GRANT DELETE ON public.orders TO public",
        "REVOKE DELETE ON public.orders FROM public",
    ),
    Bad(
        "pg.roles",
        "stop",
        "app (attributes)",
        "ALTER ROLE app CONNECTION LIMIT 3",
        "ALTER ROLE app CONNECTION LIMIT 60",
    ),
    Bad(
        "pg.roles",
        "stop",
        "app (password)",
        "ALTER ROLE app PASSWORD 'other'",
        "ALTER ROLE app PASSWORD NULL",
    ),
    Bad(
        "pg.roles",
        "stop",
        "settings of the database",
        "ALTER DATABASE app SET work_mem = '9MB'",
        "ALTER DATABASE app RESET work_mem",
        on="old",
    ),
    Bad(
        "pg.sequence_values",
        "stop",
        "public.never_used",
        "DROP SEQUENCE public.never_used",
        "CREATE SEQUENCE public.never_used; ALTER SEQUENCE public.never_used OWNER TO shop_owner",
    ),
    Bad(
        "pg.sequences_carried",
        "stop",
        "orders_id_seq",
        "SELECT setval('public.orders_id_seq', 5)",
        "SELECT setval('public.orders_id_seq', 1, false)",
    ),
    Bad(
        "pg.sequences_ahead",
        "stop",
        "public.orders_id_seq (6, taken up to",
        "SELECT setval('public.orders_id_seq', 5)",
        "SELECT setval('public.orders_id_seq', 1, false)",
    ),
    Bad(
        "pg.views_filled",
        "stop",
        '"Umsatz je Tag"',
        'REFRESH MATERIALIZED VIEW public."Umsatz je Tag" WITH NO DATA',
        'REFRESH MATERIALIZED VIEW public."Umsatz je Tag"; ANALYZE public."Umsatz je Tag"',
    ),
    Bad(
        "pg.statistics",
        "warn",
        "public.surplus",
        "CREATE TABLE public.surplus AS SELECT 1 AS a",
        "DROP TABLE public.surplus",
    ),
    Bad(
        "pg.tables_synced",
        "stop",
        "public.customers",
        "ALTER SUBSCRIPTION nightferry DISABLE; UPDATE pg_subscription_rel SET srsubstate = 's'"
        " WHERE srrelid = 'public.customers'::regclass",
        "UPDATE pg_subscription_rel SET srsubstate = 'r'"
        " WHERE srrelid = 'public.customers'::regclass; ALTER SUBSCRIPTION nightferry ENABLE",
    ),
    Bad("pg.leftovers", "note", "subscription", "SELECT", "SELECT"),
    Bad("pg.leftovers", "warn", "replication slot", "SELECT", "SELECT", on="old"),
    Bad("pg.new_clients", "warn", "nobody", "SELECT", "SELECT"),
]


@pytest.mark.parametrize("bad", STATES, ids=lambda bad: f"{bad.check}-{bad.verdict}-{bad.words}")
async def test_a_bad_state_is_seen(replicated: Pair, bad: Bad) -> None:
    async with a_session(replicated.old if bad.on == "old" else replicated.new) as operator:
        await operator.run(bad.make)
        try:
            async with looking(replicated) as (look, _, _):
                found = await finding(look, bad.check, _server_of(bad))
        finally:
            await operator.run(bad.undo)
    assert found.verdict == bad.verdict, found
    assert bad.words in found.figure


def _server_of(bad: Bad) -> str | None:
    return bad.on if bad.check == "pg.leftovers" else None


async def test_rows_that_are_missing_are_counted(
    replicated: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(counts, "WAITS_S", (0.0, 0.02))
    async with looking(replicated) as (look, _, new):
        await new.run("CREATE TEMP TABLE saved AS SELECT * FROM public.payments_2024 LIMIT 1")
        await new.run("DELETE FROM public.payments_2024 AS p USING saved AS s WHERE p.id = s.id")
        found = await finding(look, "pg.counts")
        await new.run(
            "INSERT INTO public.payments_2024 OVERRIDING SYSTEM VALUE SELECT * FROM saved"
        )
        assert (await finding(look, "pg.counts")).verdict == "pass"
    assert found.verdict == "stop"
    assert found.figure.startswith("1 differ: public.payments_2024: ")


async def test_counts_pass_while_writes_go_on(replicated: Pair) -> None:
    stop = asyncio.Event()

    async def write() -> int:
        written = 0
        async with a_session(replicated.old) as session:
            while not stop.is_set():
                await session.run("INSERT INTO public.event_log (kind) VALUES ('busy')")
                written += 1
                await asyncio.sleep(0.002)
        return written

    writing = asyncio.create_task(write())
    async with looking(replicated) as (look, _, _):
        found = await finding(look, "pg.counts")
    stop.set()
    assert await writing > 0
    assert found.verdict == "pass", found


async def test_who_is_still_on_the_old_server_is_named(replicated: Pair) -> None:
    async with looking(replicated) as (look, _, _):
        assert (await finding(look, "pg.old_clients")).verdict == "pass"
        async with (
            a_session(replicated.old, application="forgotten"),
            a_session(replicated.new, application="shop"),
        ):
            late = await finding(look, "pg.old_clients")
            came = await finding(look, "pg.new_clients")
    assert late.verdict == "warn"
    assert "postgres (1 from 127.0.0.1)" in late.figure
    assert came.verdict == "pass"


async def test_many_rollbacks_are_seen(replicated: Pair) -> None:
    async with looking(replicated) as (look, _, new):
        await new.run("SELECT pg_stat_reset(); SELECT pg_stat_force_next_flush()")
        async with a_session(replicated.new, application="shop") as client:
            for _ in range(20):
                await client.run("BEGIN; SELECT 1; ROLLBACK")
        await until(lambda: _is_warning(look))


async def _is_warning(look: Look) -> bool:
    return (await finding(look, "pg.new_errors")).verdict == "warn"


async def test_who_writes_on_the_destination_during_the_copy_is_named(replicated: Pair) -> None:
    async with (
        looking(replicated) as (look, _, _),
        a_session(replicated.new, application="impatient"),
    ):
        found = await finding(look, "pg.writers_on_destination")
    assert found.verdict == "warn"
    assert "impatient" in found.figure


async def test_no_aftercare_check_is_unknown(replicated: Pair) -> None:
    async with looking(replicated) as (look, _, _):
        found = [one async for one in run_checks(AFTERCARE, look)]
    assert "unknown" not in {one.verdict for one in found}
    assert len(found) == len(AFTERCARE) + 1


async def test_rollbacks_and_conflicts_are_seen(replicated: Pair) -> None:
    """Last, since it ends with a replication that has stopped for good."""
    async with looking(replicated) as (look, old, new):
        await new.run("INSERT INTO public.\"Warenkörbe\" VALUES ('twice', 'there first')")
        await old.run("INSERT INTO public.\"Warenkörbe\" VALUES ('twice', 'replicated')")
        await until(lambda: _is_disabled(new))
        await until(lambda: _counted(look))
        found = await finding(look, "pg.replication_problems")
        await until(lambda: _no_sender(old, new))
        await old.run("SELECT pg_drop_replication_slot('nightferry')")
        sample = await read(old, new)
    assert found.verdict == "stop"
    assert "1 conflicts" in found.figure
    assert sample.trouble.startswith("there is no replication slot nightferry on the source")


async def _counted(look: Look) -> bool:
    return (await finding(look, "pg.replication_problems")).verdict == "stop"


async def _is_disabled(new: Session) -> bool:
    return not await new.value("SELECT subenabled FROM pg_subscription")
