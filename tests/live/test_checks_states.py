"""Every check of the phases before the copy, seen to pass and seen to fail, on real servers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from checks.catalogue import PREFLIGHT, ROUTE, SERVERS
from checks.check import HERE, Look
from checks.facts import gather
from checks.runner import run_checks
from connections.host import ThisMachine
from connections.postgres import Session, connect
from profiles.errors import ConnectError, NightferryError
from profiles.profile import ConnectionFile, Profile, Thresholds
from rehearsal.server import Server as Running
from tests.fix_looks import A_CLIENT, a_profile, a_server, finding, opener_to
from tests.fix_servers import PASSWORD, Pair, StartServer

pytestmark = pytest.mark.live

SCHEMA = Path(__file__).parents[2] / "rehearsal" / "schema.sql"
QUIET = Thresholds(write_rate_window_s=0.3, long_transaction_s=0.0)


@pytest.fixture(scope="module")
def shop(old_and_new: Pair) -> Iterator[Pair]:
    """The rehearsal's database on the old server, an empty one on the new."""
    asyncio.run(_fill(old_and_new))
    yield old_and_new


async def _fill(pair: Pair) -> None:
    for side in (pair.old, pair.new):
        async with a_session(side, "postgres") as maintenance:
            await maintenance.run("CREATE DATABASE app")
    async with a_session(pair.old) as session:
        await session.run("SET search_path = public; SET rehearsal.rows = 500")
        await session.run(SCHEMA.read_text("utf-8"))
        await session.run("ANALYZE")


@asynccontextmanager
async def a_session(running: Running, database: str = "app", **more: Any) -> AsyncIterator[Session]:
    server = a_server(running.name, running.port, user=more.pop("user", "postgres"))
    session = await connect(server, database, more.pop("password", PASSWORD), **more)
    try:
        yield session
    finally:
        await session.close()


def the_profile(pair: Pair, **more: Any) -> Profile:
    old = a_server("old", pair.old.port)
    new = a_server("new", pair.new.port, client_tools=str(pair.new.programs))
    file = ConnectionFile(name="env", path="/srv/env", replace={"a": "b"}, client=A_CLIENT)
    return a_profile(old, new, file, thresholds=QUIET, **more)


@asynccontextmanager
async def looking(pair: Pair, database: str = "app", **more: Any) -> AsyncIterator[Look]:
    async with a_session(pair.old, database) as old, a_session(pair.new, database) as new:
        yield Look(
            the_profile(pair, database=database, **more),
            {"source": old, "destination": new},
            machines={HERE: ThisMachine()},
            opener=opener_to(old),
        )


async def test_on_servers_where_everything_may_be_looked_at_nothing_is_unknown(shop: Pair) -> None:
    async with looking(shop) as look:
        checks = [one for one in (*SERVERS, *ROUTE, *PREFLIGHT) if "file" not in one.sides]
        found = [one async for one in run_checks(checks, look)]
    assert [one for one in found if one.verdict in ("unknown", "stop")] == []
    assert all(one.figure for one in found)
    assert len({one.key for one in found}) == len(found)
    assert PASSWORD not in repr(found)


class Bad(NamedTuple):
    """A bad state: what brings it about, what ends it, and what the check must say then."""

    check: str
    verdict: str
    words: str
    make: str
    undo: str
    on: str = "old"


WITH_ROLE = "CREATE ROLE nightferry_repl LOGIN REPLICATION"
STATES = [
    Bad(
        "pg.replica_identity",
        "stop",
        "public.nokey",
        "CREATE TABLE public.nokey (a int NOT NULL UNIQUE)",
        "DROP TABLE public.nokey",
    ),
    Bad(
        "pg.replica_identity",
        "stop",
        "customers",
        "ALTER TABLE public.customers REPLICA IDENTITY NOTHING",
        "ALTER TABLE public.customers REPLICA IDENTITY DEFAULT",
    ),
    Bad(
        "pg.replica_identity_full",
        "stop",
        "public.documents (body)",
        "CREATE TABLE public.documents (body json);"
        "ALTER TABLE public.documents REPLICA IDENTITY FULL",
        "DROP TABLE public.documents",
    ),
    Bad(
        "pg.unlogged_tables",
        "stop",
        "public.cache",
        "CREATE UNLOGGED TABLE public.cache AS SELECT 1 AS a",
        "DROP TABLE public.cache",
    ),
    Bad(
        "pg.unlogged_tables",
        "warn",
        "public.cache",
        "CREATE UNLOGGED TABLE public.cache (a int)",
        "DROP TABLE public.cache",
    ),
    Bad(
        "pg.large_objects",
        "stop",
        "1 large object",
        "SELECT lo_create(424242)",
        "SELECT lo_unlink(424242)",
    ),
    Bad(
        "pg.route_logical",
        "stop",
        "16.",
        "SELECT lo_create(424242)",
        "SELECT lo_unlink(424242)",
    ),
    Bad(
        "pg.foreign_tables",
        "note",
        "public.far",
        "CREATE FOREIGN DATA WRAPPER none; CREATE SERVER far FOREIGN DATA WRAPPER none;"
        "CREATE FOREIGN TABLE public.far (a int) SERVER far",
        "DROP FOREIGN DATA WRAPPER none CASCADE",
    ),
    Bad(
        "pg.row_security",
        "note",
        "public.customers",
        "ALTER TABLE public.customers ENABLE ROW LEVEL SECURITY",
        "ALTER TABLE public.customers DISABLE ROW LEVEL SECURITY",
    ),
    Bad(
        "pg.row_security",
        "stop",
        "public.customers",
        "ALTER TABLE public.customers ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY",
        "ALTER TABLE public.customers DISABLE ROW LEVEL SECURITY, NO FORCE ROW LEVEL SECURITY",
    ),
    Bad(
        "pg.row_security",
        "stop",
        "public.customers",
        f"ALTER TABLE public.customers ENABLE ROW LEVEL SECURITY; {WITH_ROLE}",
        "ALTER TABLE public.customers DISABLE ROW LEVEL SECURITY; DROP ROLE nightferry_repl",
    ),
    Bad(
        "pg.row_security",
        "note",
        "public.customers",
        f"ALTER TABLE public.customers ENABLE ROW LEVEL SECURITY; {WITH_ROLE} BYPASSRLS",
        "ALTER TABLE public.customers DISABLE ROW LEVEL SECURITY; DROP ROLE nightferry_repl",
    ),
    Bad(
        "pg.always_triggers",
        "stop",
        '"note move"',
        'ALTER TABLE "Lager".stock ENABLE ALWAYS TRIGGER "note move"',
        'ALTER TABLE "Lager".stock ENABLE TRIGGER "note move"',
    ),
    Bad(
        "pg.event_triggers",
        "warn",
        "watch",
        "CREATE FUNCTION public.watch() RETURNS event_trigger LANGUAGE plpgsql AS"
        " 'BEGIN END'; CREATE EVENT TRIGGER watch ON ddl_command_end"
        " EXECUTE FUNCTION public.watch(); ALTER EVENT TRIGGER watch ENABLE ALWAYS",
        "DROP EVENT TRIGGER watch; DROP FUNCTION public.watch()",
    ),
    Bad(
        "pg.extension_tables",
        "warn",
        "public.customers",
        "UPDATE pg_extension SET extconfig = ARRAY['public.customers'::regclass::oid]",
        "UPDATE pg_extension SET extconfig = NULL",
    ),
    Bad(
        "pg.extensions",
        "stop",
        "postgis",
        "UPDATE pg_extension SET extname = 'postgis'",
        "UPDATE pg_extension SET extname = 'plpgsql'",
    ),
    Bad(
        "pg.other_consumers",
        "warn",
        "slot warehouse",
        "SELECT pg_create_physical_replication_slot('warehouse')",
        "SELECT pg_drop_replication_slot('warehouse')",
    ),
    Bad(
        "pg.other_consumers",
        "note",
        "publication warehouse",
        "CREATE PUBLICATION warehouse",
        "DROP PUBLICATION warehouse",
    ),
    Bad(
        "pg.foreign_subscriptions",
        "stop",
        "other",
        "CREATE SUBSCRIPTION other CONNECTION 'dbname=x' PUBLICATION p WITH (connect = false)",
        "ALTER SUBSCRIPTION other SET (slot_name = NONE); DROP SUBSCRIPTION other",
        on="new",
    ),
    Bad(
        "pg.destination_empty",
        "stop",
        "relation public.left_over",
        "CREATE TABLE public.left_over (a int)",
        "DROP TABLE public.left_over",
        on="new",
    ),
    Bad(
        "pg.destination_empty",
        "stop",
        "function public.left_over",
        "CREATE FUNCTION public.left_over() RETURNS int LANGUAGE sql AS 'SELECT 1'",
        "DROP FUNCTION public.left_over()",
        on="new",
    ),
    Bad(
        "pg.destination_empty",
        "note",
        "public.copied",
        "CREATE SCHEMA nightferry; CREATE TABLE public.copied (a int)",
        "DROP SCHEMA nightferry; DROP TABLE public.copied",
        on="new",
    ),
    Bad(
        "pg.destination_empty",
        "pass",
        "empty",
        "CREATE SCHEMA nightferry; CREATE TABLE nightferry.heartbeat (a int)",
        "DROP SCHEMA nightferry CASCADE",
        on="new",
    ),
    Bad(
        "pg.role_conflicts",
        "warn",
        "reporting",
        "CREATE ROLE reporting LOGIN",
        "DROP ROLE reporting",
        on="new",
    ),
    Bad(
        "pg.role_conflicts",
        "note",
        "reporting",
        "CREATE ROLE reporting NOLOGIN",
        "DROP ROLE reporting",
        on="new",
    ),
    Bad("pg.superuser_roles", "warn", "boss", "CREATE ROLE boss LOGIN SUPERUSER", "DROP ROLE boss"),
    Bad(
        "pg.application_roles",
        "warn",
        "no application role",
        "ALTER ROLE app NOLOGIN; ALTER ROLE reporting NOLOGIN",
        "ALTER ROLE app LOGIN; ALTER ROLE reporting LOGIN",
    ),
    Bad(
        "pg.settings",
        "warn",
        "TimeZone: UTC to Europe/Oslo",
        "ALTER DATABASE app SET timezone = 'Europe/Oslo'",
        "ALTER DATABASE app RESET timezone",
        on="new",
    ),
]


@pytest.mark.parametrize("bad", STATES, ids=lambda bad: f"{bad.check}-{bad.verdict}-{bad.words}")
async def test_a_bad_state_is_seen(shop: Pair, bad: Bad) -> None:
    async with a_session(shop.old if bad.on == "old" else shop.new) as operator:
        await operator.run(bad.make)
        try:
            async with looking(shop) as look:
                found = await finding(look, bad.check)
        finally:
            await operator.run(bad.undo)
    assert found.verdict == bad.verdict, found
    assert bad.words in found.figure
    if bad.verdict == "stop":
        assert found.todo or found.check == "pg.route_logical"
    assert found.evidence


@pytest.mark.parametrize(
    ("id_", "verdict", "words"),
    [
        ("pg.materialized_views", "note", '"Umsatz je Tag"'),
        ("pg.partitions", "note", "public.payments"),
        ("pg.generated_columns", "note", "public.orders.total"),
        ("pg.replica_identity_full", "note", '"it\'s a ""note"""'),
        ("pg.sequences", "pass", "8 sequences"),
        ("pg.application_roles", "pass", "2 roles to be fenced: app, reporting"),
        ("pg.copy_amount", "pass", "in 11 tables"),
        ("pg.same_cluster", "pass", "two clusters"),
        ("pg.route_physical", "note", "16 and 18 differ"),
    ],
)
async def test_what_the_rehearsals_schema_holds(
    shop: Pair, id_: str, verdict: str, words: str
) -> None:
    async with looking(shop) as look:
        found = await finding(look, id_)
    assert found.verdict == verdict
    assert words in found.figure


async def test_the_write_rate_is_what_was_written_meanwhile(shop: Pair) -> None:
    async with looking(shop) as look, a_session(shop.old) as writer:
        watching = asyncio.create_task(finding(look, "pg.write_rate"))
        while not watching.done():
            await writer.run("UPDATE public.orders SET write_id = 'x' WHERE id < 100")
        found = await watching
        size = await finding(look, "pg.size")
    assert found.verdict == "pass"
    assert "B/s" in found.figure
    assert not found.figure.startswith("0 ")
    assert "MB in app" in size.figure


async def test_the_same_server_twice_and_the_wrong_way_round(shop: Pair) -> None:
    twice = Pair(shop.old, shop.old)
    async with looking(twice) as look:
        assert (await finding(look, "pg.same_cluster")).verdict == "stop"
    async with looking(Pair(shop.new, shop.old)) as look:
        assert (await finding(look, "pg.version_order")).verdict == "stop"
        assert (await finding(look, "pg.route_logical")).verdict == "stop"
        assert (await finding(look, "pg.checksums")).verdict == "note"


async def test_a_role_without_rights_is_a_stop_and_what_it_may_not_see_unknown(shop: Pair) -> None:
    async with a_session(shop.old) as operator:
        await operator.run("CREATE ROLE clerk LOGIN PASSWORD 'clerk'")
        await operator.run("REVOKE EXECUTE ON FUNCTION pg_control_system() FROM public")
        try:
            async with (
                a_session(shop.old, user="clerk", password="clerk") as clerk,
                looking(shop) as look,
            ):
                limited = replace(look, sessions={**look.sessions, "source": clerk})
                assert (await finding(limited, "pg.superuser", "old")).verdict == "stop"
                found = await finding(limited, "pg.same_cluster")
        finally:
            await operator.run("GRANT EXECUTE ON FUNCTION pg_control_system() TO public")
            await operator.run("DROP ROLE clerk")
    assert found.verdict == "unknown"
    assert "may not look" in found.figure


async def test_a_wrong_password_is_a_stop_that_names_the_server(shop: Pair) -> None:
    wrong = "not the password"
    with pytest.raises(ConnectError) as refused:
        async with a_session(shop.old, password=wrong):
            pass
    async with looking(shop) as look:
        look = replace(look, sessions={**look.sessions, "source": refused.value})
        found = await finding(look, "pg.reachable", "old")
    assert found.verdict == "stop"
    assert wrong not in repr(found)
    assert "old" in found.says


async def test_a_database_that_is_not_there(shop: Pair) -> None:
    gone = NightferryError("old", "connect", 'database "gone" does not exist')
    async with a_session(shop.old, "postgres") as old, a_session(shop.new, "postgres") as new:
        look = Look(
            the_profile(shop, database="gone"),
            {"source": gone, "destination": new},
            opener=opener_to(old),
        )
        source = await finding(look, "pg.database", "old")
        destination = await finding(look, "pg.database", "new")
        empty = await finding(look, "pg.destination_empty")
    assert (source.verdict, destination.verdict, empty.verdict) == ("stop", "note", "pass")
    assert destination.remedy == "database@new"


async def test_another_encoding_is_a_stop_and_another_locale_a_warning(shop: Pair) -> None:
    async with a_session(shop.old, "postgres") as old, a_session(shop.new, "postgres") as new:
        await old.run("CREATE DATABASE words")
        for options, verdict in (("ENCODING 'LATIN1'", "stop"), ("LC_CTYPE 'C.UTF-8'", "warn")):
            await new.run(f"CREATE DATABASE words TEMPLATE template0 {options}")
            async with looking(shop, "words") as look:
                assert (await finding(look, "pg.locale")).verdict == verdict
            await new.run("DROP DATABASE words")
        await old.run("DROP DATABASE words")


async def test_sessions_of_others(shop: Pair) -> None:
    async with looking(shop) as look, a_session(shop.old, application="cron job"):
        found = await finding(look, "pg.wizard_sessions")
        assert found.verdict == "stop"
        assert "cron job" in found.figure
    async with looking(shop) as look, a_session(shop.new, application="somebody"):
        found = await finding(look, "pg.foreign_writers")
        assert found.verdict == "warn"
        assert "somebody" in found.figure
    async with looking(shop) as look, a_session(shop.old, "postgres", application="monitor"):
        found = await finding(look, "pg.other_databases")
        assert (found.verdict, found.figure) == ("stop", "in use: postgres")


async def test_an_application_that_is_a_superuser_is_a_stop(shop: Pair) -> None:
    async with a_session(shop.old) as operator, looking(shop) as look:
        await operator.run("CREATE ROLE boss LOGIN SUPERUSER PASSWORD 'boss'")
        async with a_session(shop.old, user="boss", password="boss", application="shop"):
            found = await finding(look, "pg.superuser_sessions")
        await operator.run("DROP ROLE boss")
    assert found.verdict == "stop"
    assert "boss" in found.figure


async def test_an_open_transaction_is_named_with_its_age_and_owner(shop: Pair) -> None:
    async with looking(shop) as look, a_session(shop.old) as idle:
        await idle.run("BEGIN")
        found = await finding(look, "pg.long_transactions")
        assert "written nothing" in found.says
        await idle.run("UPDATE public.customers SET name = name WHERE id = 1")
        found = await finding(look, "pg.long_transactions")
        await idle.run("ROLLBACK")
    assert found.verdict == "warn"
    assert f"pid {idle.pid}" in found.figure
    assert "Making the slot waits" in found.says


async def test_an_unknown_exception_and_tools_that_are_not_there(
    shop: Pair, tmp_path: Path
) -> None:
    async with looking(shop) as look:
        named = a_server("old", shop.old.port, may_still_write=["nobody"])
        bare = a_server("new", shop.new.port, client_tools=str(tmp_path))
        look = replace(look, profile=a_profile(named, bare))
        assert (await finding(look, "pg.application_roles")).verdict == "stop"
        found = await finding(look, "pg.client_tools")
    assert found.verdict == "stop"
    assert "postgresql-client-18" in found.todo


AWKWARD_OLD = {
    "wal_level": "replica",
    "max_replication_slots": "1",
    "max_wal_senders": "2",
    "max_slot_wal_keep_size": "100MB",
    "max_prepared_transactions": "5",
    "synchronous_standby_names": "standby1",
    "synchronous_commit": "off",
}
AWKWARD_NEW = {
    "max_logical_replication_workers": "1",
    "max_worker_processes": "2",
    "max_active_replication_origins": "1",
    "max_sync_workers_per_subscription": "2",
    "max_connections": "20",
    "idle_replication_slot_timeout": "1d",
}


async def test_servers_that_are_not_set_up_for_it(start_server: StartServer) -> None:
    pair = Pair(
        await start_server("old", 16, AWKWARD_OLD), await start_server("new", 18, AWKWARD_NEW)
    )
    async with a_session(pair.old, "postgres") as operator:
        await operator.run("CREATE TABLE public.t (a int); BEGIN; INSERT INTO public.t VALUES (1)")
        await operator.run("PREPARE TRANSACTION 'half'")
    async with looking(pair, "postgres") as look:
        expected = {
            ("pg.wal_level", "old"): ("stop", "wal_level@old"),
            ("pg.replication_slots", "old"): ("stop", "max_replication_slots@old"),
            ("pg.wal_senders", "old"): ("warn", "max_wal_senders@old"),
            ("pg.slot_retention", "old"): ("warn", "max_slot_wal_keep_size@old"),
            ("pg.synchronous_standbys", "old"): ("stop", None),
            ("pg.synchronous_standbys", "new"): ("pass", None),
            ("pg.prepared_transactions", "old"): ("stop", None),
            ("pg.replication_workers", "new"): ("stop", "max_logical_replication_workers@new"),
            ("pg.worker_processes", "new"): ("stop", "max_worker_processes@new"),
            ("pg.replication_origins", "new"): ("stop", "max_active_replication_origins@new"),
            ("pg.settings", None): ("warn", None),
        }
        for (id_, server), (verdict, remedy) in expected.items():
            found = await finding(look, id_, server)
            assert (found.verdict, found.remedy) == (verdict, remedy), found
            assert bool(found.wants) is bool(remedy)
        swapped = replace(look, sessions={"source": look.sessions["destination"]})
        found = await finding(swapped, "pg.slot_retention")
        assert (found.verdict, found.wants) == ("warn", "0")
    async with a_session(pair.old, "postgres") as operator:
        await operator.run("ALTER SYSTEM SET max_slot_wal_keep_size = '2GB'")
        await operator.run("SELECT pg_reload_conf()")
    async with looking(pair, "postgres") as look:
        kept = await finding(look, "pg.slot_retention", "old")
        assert kept.verdict == "pass" and "lost before the disk is full" in kept.says
    async with a_session(pair.new, "postgres") as operator:
        await operator.run("ALTER SYSTEM SET max_sync_workers_per_subscription = 0")
        await operator.run("SELECT pg_reload_conf()")
    async with looking(pair, "postgres") as look:
        assert (await finding(look, "pg.sync_workers")).verdict == "stop"


async def test_facts_are_what_the_servers_hold(shop: Pair) -> None:
    async with looking(shop) as look, a_session(shop.old) as operator:
        await operator.run("CREATE ROLE boss LOGIN SUPERUSER")
        await operator.run(
            'CREATE MATERIALIZED VIEW public.a_summary AS SELECT * FROM public."Umsatz je Tag"'
        )
        async with a_session(shop.old) as old, a_session(shop.new) as new:
            facts = await gather(old, new, look.profile)
        await operator.run("DROP MATERIALIZED VIEW public.a_summary; DROP ROLE boss")
    assert (facts.source.major, facts.destination.major) == (16, 18)
    assert facts.source.hba_file.endswith("pg_hba.conf")
    assert facts.destination_database
    assert (facts.publication, facts.slot, facts.subscription) == (False, False, False)
    quoted = {table.quoted for table in facts.published}
    assert {'public."it\'s a ""note"""', '"Lager".stock', "public.payments_2024"} <= quoted
    assert "public.payments" not in quoted
    assert {role.name for role in facts.fenced} == {"app", "reporting", "boss"}
    assert [role.name for role in facts.open_superusers] == ["boss"]
    assert [view.name for view in facts.materialized_views] == ["Umsatz je Tag", "a_summary"]
    chosen = [index for index in facts.identity_indexes if index.chosen]
    assert [(one.schema, one.name, one.constraint) for one in chosen] == [
        ("Lager", "stock by sku", None)
    ]
    by_name = {sequence.name: sequence for sequence in facts.sequences}
    assert by_name["never_used"].owner_table is None
    assert by_name["orders_id_seq"].owner_table == "public.orders"
    assert by_name["customers_id_seq"].identity
    assert facts.locale.encoding == "UTF8"
