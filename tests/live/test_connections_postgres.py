"""Sessions against a real server: who gets in, what a deadline does there, what a lock costs."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connections.postgres import Session, connect, patiently
from connections.quoting import quote_ident, quote_literal
from profiles.errors import (
    AnswerError,
    ConnectError,
    DeadlineError,
    LockTimeoutError,
    LoginRefusedError,
    ServerLostError,
    TlsRefusedError,
    UnreachableError,
)
from tests.fix_connections import DATABASE, PASSWORD, Lab

pytestmark = pytest.mark.live


@asynccontextmanager
async def opened(lab: Lab, **of: str) -> AsyncIterator[Session]:
    session = await connect(lab.choice, DATABASE, PASSWORD, settings=of)
    try:
        yield session
    finally:
        await session.close()


async def active(watcher: Session, pid: int) -> bool:
    sql = "SELECT state = 'active' FROM pg_stat_activity WHERE pid = $1"
    return bool(await watcher.value(sql, pid))


async def until_active(watcher: Session, pid: int, wanted: bool) -> None:
    async with asyncio.timeout(5):
        while True:
            if await active(watcher, pid) is wanted:
                return
            await asyncio.sleep(0.005)


async def test_a_session_says_what_it_is(lab: Lab) -> None:
    async with opened(lab) as session:
        assert (session.server, session.database) == ("old", DATABASE)
        assert session.version_num == int(await session.value("SHOW server_version_num"))
        assert session.pid == await session.value("SELECT pg_backend_pid()")
        assert not session.encrypted
        assert not session.lost


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("lock_timeout", "1s"),
        ("statement_timeout", "0"),
        ("idle_in_transaction_session_timeout", "1min"),
        ("idle_session_timeout", "0"),
        ("client_min_messages", "warning"),
        ("search_path", "pg_catalog"),
        ("jit", "off"),
        ("application_name", "nightferry"),
    ],
)
async def test_every_session_is_set_up_the_same(lab: Lab, setting: str, value: str) -> None:
    async with opened(lab) as session:
        assert await session.value(f"SHOW {setting}") == value


async def test_settings_of_the_caller_go_before_the_defaults(lab: Lab) -> None:
    wanted = {"lock_timeout": "70ms", "idle_in_transaction_session_timeout": "0"}
    async with opened(lab, **wanted) as session:
        assert {name: await session.value(f"SHOW {name}") for name in wanted} == wanted


async def test_nothing_in_public_stands_in_for_a_system_function(lab: Lab) -> None:
    async with opened(lab) as session:
        await session.run("CREATE FUNCTION public.now() RETURNS int RETURN 1")
        try:
            assert await session.value("SELECT now() > '2020-01-01'") is True
        finally:
            await session.run("DROP FUNCTION public.now()")


@pytest.mark.parametrize(("password", "says"), [("wrong-one", "28P01"), (None, "No password")])
async def test_a_wrong_password_is_refused_and_never_repeated(
    lab: Lab, password: str | None, says: str
) -> None:
    with pytest.raises(LoginRefusedError, match=says) as refused:
        await connect(lab.choice, DATABASE, password)
    assert "wrong-one" not in repr(refused.value)
    assert refused.value.where == "old"
    assert refused.value.remedy


async def test_a_database_that_is_not_there_is_refused(lab: Lab) -> None:
    with pytest.raises(LoginRefusedError, match='"nope" does not exist'):
        await connect(lab.choice, "nope", PASSWORD)


async def test_a_role_that_may_not_log_in_is_refused(lab: Lab) -> None:
    async with opened(lab) as session:
        await session.run("CREATE ROLE fenced PASSWORD 'x' NOLOGIN")
        try:
            fenced = msgspec.structs.replace(lab.choice, user="fenced")
            with pytest.raises(LoginRefusedError, match="not permitted to log in"):
                await connect(fenced, DATABASE, "x")
        finally:
            await session.run("DROP ROLE fenced")


async def test_a_full_server_refuses(lab: Lab) -> None:
    async with opened(lab) as session:
        await session.run("CREATE ROLE crowd PASSWORD 'x' LOGIN CONNECTION LIMIT 0")
        try:
            crowd = msgspec.structs.replace(lab.choice, user="crowd")
            with pytest.raises(LoginRefusedError, match="53300"):
                await connect(crowd, DATABASE, "x")
        finally:
            await session.run("DROP ROLE crowd")


async def test_nothing_listens_there(lab: Lab) -> None:
    with pytest.raises(UnreachableError, match="Connection refused"):
        await connect(msgspec.structs.replace(lab.choice, port=1), DATABASE, PASSWORD)


async def test_a_name_that_leads_nowhere(lab: Lab) -> None:
    nowhere = msgspec.structs.replace(lab.choice, address="nowhere.invalid", tls="disable")
    with pytest.raises(UnreachableError, match=r"nowhere\.invalid"):
        await connect(nowhere, DATABASE, PASSWORD, deadline_s=5)


async def test_a_server_that_says_nothing_is_given_up_at_the_deadline(lab: Lab) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        choice = msgspec.structs.replace(lab.choice, port=silent.getsockname()[1])
        with pytest.raises(UnreachableError, match=r"within 0\.1 s"):
            await connect(choice, DATABASE, PASSWORD, deadline_s=0.1)


async def test_something_else_listens_there(lab: Lab) -> None:
    def hang_up(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 mail\r\n")
        writer.close()

    other = await asyncio.start_server(hang_up, "127.0.0.1", 0)
    async with other:
        port = other.sockets[0].getsockname()[1]
        choice = msgspec.structs.replace(lab.choice, port=port, tls="disable")
        with pytest.raises(ConnectError):
            await connect(choice, DATABASE, PASSWORD, deadline_s=2)


async def test_a_server_without_tls_is_refused_where_it_is_required(lab: Lab) -> None:
    choice = msgspec.structs.replace(lab.choice, tls="require")
    with pytest.raises(TlsRefusedError, match="offers no TLS"):
        await connect(choice, DATABASE, PASSWORD)


async def test_verify_full_without_the_root_certificate_names_the_file(lab: Lab) -> None:
    choice = msgspec.structs.replace(lab.choice, tls="verify-full", tls_root_cert="/nope/ca.crt")
    with pytest.raises(TlsRefusedError, match=r"/nope/ca\.crt"):
        await connect(choice, DATABASE, PASSWORD)


async def test_a_unix_socket_is_an_address_too(lab: Lab) -> None:
    choice = msgspec.structs.replace(lab.choice, address=str(lab.running.folder), tls="verify-full")
    session = await connect(choice, DATABASE, PASSWORD)
    assert await session.value("SELECT inet_client_addr() IS NULL") is True
    await session.close()


async def test_a_deadline_cancels_the_statement_on_the_server(lab: Lab) -> None:
    async with opened(lab) as session, opened(lab) as watcher:
        with pytest.raises(DeadlineError, match=r"pg_sleep.*within 0\.1 s"):
            await session.rows("SELECT pg_sleep(60)", deadline_s=0.1)
        await until_active(watcher, session.pid, False)
        assert await session.value("SELECT 1") == 1


async def test_a_deadline_cancels_what_run_runs(lab: Lab) -> None:
    async with opened(lab) as session, opened(lab) as watcher:
        with pytest.raises(DeadlineError):
            await session.run("SELECT 1; SELECT pg_sleep(60)", deadline_s=0.1)
        await until_active(watcher, session.pid, False)


async def test_a_cancelled_caller_cancels_the_statement_on_the_server(lab: Lab) -> None:
    async with opened(lab) as session, opened(lab) as watcher:
        asking = asyncio.create_task(session.rows("SELECT pg_sleep(60)", deadline_s=60))
        await until_active(watcher, session.pid, True)
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
        await until_active(watcher, session.pid, False)
        assert await session.value("SELECT 2") == 2


async def test_closing_ends_a_statement_on_its_way(lab: Lab) -> None:
    async with opened(lab) as watcher:
        session = await lab.session()
        asking = asyncio.create_task(session.rows("SELECT pg_sleep(60)", deadline_s=60))
        await until_active(watcher, session.pid, True)
        async with asyncio.timeout(1.5):
            await session.close()
        assert session.lost
        with pytest.raises((ServerLostError, AnswerError)):
            await asking
        await until_active(watcher, session.pid, False)
        await session.close()


async def test_two_callers_of_one_session_take_turns(lab: Lab) -> None:
    async with opened(lab) as session:
        slow = session.value("SELECT 1 FROM pg_sleep(0.05)")
        first, second = await asyncio.gather(slow, session.value("SELECT 2"))
        assert (first, second) == (1, 2)


async def test_rows_values_and_several_statements(lab: Lab) -> None:
    async with opened(lab) as session:
        rows = await session.rows("SELECT n, n * $1::int AS more FROM generate_series(1, 2) n", 5)
        assert [(row["n"], row[1]) for row in rows] == [(1, 5), (2, 10)]
        assert await session.value("SELECT 1 WHERE false") is None
        await session.run("CREATE TEMP TABLE kept (n int); INSERT INTO pg_temp.kept VALUES (7)")
        assert await session.value("SELECT n FROM pg_temp.kept") == 7


async def test_an_lsn_is_the_text_that_postgresql_writes(lab: Lab) -> None:
    async with opened(lab) as session:
        lsn = await session.value("SELECT '16/B374D848'::pg_lsn")
        assert lsn == "16/B374D848"
        assert await session.value("SELECT $1::pg_lsn - '16/B374D840'", lsn) == 8


async def test_an_error_of_the_server_carries_its_code(lab: Lab) -> None:
    async with opened(lab) as session:
        with pytest.raises(AnswerError, match=r'"public\.nope" does not exist') as no:
            await session.rows("SELECT *\n  FROM public.nope")
        assert (no.value.code, no.value.tried) == ("42P01", "SELECT * FROM public.nope")
        assert await session.value("SELECT 1") == 1


async def test_a_password_in_a_failing_statement_is_not_repeated(lab: Lab) -> None:
    async with opened(lab) as session:
        with pytest.raises(AnswerError) as no:
            await session.rows("ALTER ROLE nobody_knows PASSWORD 'very-secret'")
    assert "very-secret" not in repr(no.value)
    assert "very-secret" not in str(no.value)
    assert no.value.__cause__ is None


async def test_a_row_of_the_operators_data_is_not_repeated(lab: Lab) -> None:
    async with opened(lab) as session:
        await session.run("CREATE TEMP TABLE people (name text, age int CHECK (age > 0))")
        with pytest.raises(AnswerError, match="23514") as no:
            await session.rows("INSERT INTO pg_temp.people SELECT upper('ada'), -1")
    assert "ADA" not in str(no.value)


async def test_a_session_ended_in_the_middle_is_lost(lab: Lab) -> None:
    async with opened(lab) as session, opened(lab) as watcher:
        asking = asyncio.create_task(session.rows("SELECT pg_sleep(60)"))
        await until_active(watcher, session.pid, True)
        await watcher.value("SELECT pg_terminate_backend($1)", session.pid)
        with pytest.raises(ServerLostError, match="administrator command"):
            await asking
        assert session.lost
        with pytest.raises(ServerLostError):
            await session.value("SELECT 1")


async def test_a_server_that_crashes_in_the_middle_is_lost(lab: Lab) -> None:
    async with opened(lab) as session:
        os.kill(session.pid, signal.SIGKILL)
        with pytest.raises(ServerLostError):
            await session.rows("SELECT pg_sleep(60)")
        assert session.lost
    async with asyncio.timeout(20):
        while True:
            try:
                again = await lab.session()
                break
            except UnreachableError:
                await asyncio.sleep(0.02)
    assert await again.value("SELECT 1") == 1
    await again.close()


@asynccontextmanager
async def held_table(lab: Lab) -> AsyncIterator[Session]:
    """A table ``public.held`` that an application's open transaction has read."""
    async with opened(lab, idle_in_transaction_session_timeout="0") as application:
        await application.run("DROP TABLE IF EXISTS public.held; CREATE TABLE public.held (n int)")
        await application.run("BEGIN; SELECT FROM public.held")
        yield application


async def test_a_lock_that_is_not_free_is_given_up(lab: Lab) -> None:
    async with held_table(lab), opened(lab, lock_timeout="50ms") as session:
        with pytest.raises(LockTimeoutError) as no:
            await session.rows("ALTER TABLE public.held ADD COLUMN m int")
        assert no.value.code == "55P03"


async def test_patience_gets_the_lock_once_it_is_free(lab: Lab) -> None:
    async with held_table(lab) as application, opened(lab, lock_timeout="50ms") as session:
        sql = "ALTER TABLE public.held ADD COLUMN m int"
        waiting = asyncio.create_task(patiently(session, sql, deadline_s=10))
        async with opened(lab) as watcher:
            await until_active(watcher, session.pid, True)
            await until_active(watcher, session.pid, False)
        assert not waiting.done()
        await application.run("COMMIT")
        assert await waiting == []


async def test_the_application_does_not_queue_behind_our_patience(lab: Lab) -> None:
    loop = asyncio.get_running_loop()
    async with (
        held_table(lab),
        opened(lab, lock_timeout="100ms") as session,
        opened(lab, lock_timeout="0") as application,
    ):
        sql = "ALTER TABLE public.held ADD COLUMN m int"
        waiting = asyncio.create_task(patiently(session, sql, deadline_s=1.2))
        longest_s, reads = 0.0, 0
        while not waiting.done():
            began = loop.time()
            await application.value("SELECT count(*) FROM public.held")
            longest_s, reads = max(longest_s, loop.time() - began), reads + 1
            await asyncio.sleep(0.005)
        with pytest.raises(DeadlineError, match="waited for a lock"):
            await waiting
        assert reads > 10
        assert longest_s < 0.5


async def test_patience_with_a_slow_statement_does_not_blame_a_lock(lab: Lab) -> None:
    async with opened(lab) as session:
        with pytest.raises(DeadlineError) as late:
            await patiently(session, "SELECT pg_sleep(60)", deadline_s=0.1)
        assert "lock" not in late.value.answered


TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=60)
NAMES = TEXTS.filter(lambda name: 0 < len(name.encode()) <= 63)


@settings(max_examples=12, deadline=None)
@given(names=st.lists(NAMES, min_size=8, max_size=24), texts=st.lists(TEXTS, min_size=8))
async def test_quoted_names_and_texts_reach_the_server_as_they_are(
    lab: Lab, names: list[str], texts: list[str]
) -> None:
    async with opened(lab) as session:
        row = (await session.rows("SELECT " + ",".join(f"1 {quote_ident(n)}" for n in names)))[0]
        assert list(row.keys()) == names
        asked = f"SELECT ARRAY[{','.join(map(quote_literal, texts))}]::text[]"
        assert await session.value(asked) == texts
        await session.run("SET standard_conforming_strings = off")
        assert await session.value(asked) == texts
