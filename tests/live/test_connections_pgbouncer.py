"""The console of a real PgBouncer: a PAUSE that never comes costs its deadline, and nobody else."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import msgspec
import pytest

from connections.pgbouncer import Console, open_console, pause
from connections.postgres import Session, connect_as
from profiles.errors import (
    ConnectError,
    DeadlineError,
    LoginRefusedError,
    PoolerError,
    ServerLostError,
    TlsRefusedError,
    UnreachableError,
)
from tests.fix_connections import ADMIN_PASSWORD, CLIENT_PASSWORD, PooledLab, with_tls

pytestmark = pytest.mark.live

POOL = "shop"


@asynccontextmanager
async def consoles(pooled: PooledLab) -> AsyncIterator[tuple[Console, Console]]:
    first = await open_console(pooled.endpoint, ADMIN_PASSWORD)
    second = await open_console(pooled.endpoint, ADMIN_PASSWORD)
    try:
        yield first, second
    finally:
        await first.close()
        await second.close()


@asynccontextmanager
async def client(pooled: PooledLab) -> AsyncIterator[Session]:
    session = await connect_as(pooled.login, CLIENT_PASSWORD)
    try:
        yield session
    finally:
        await session.close()


@asynccontextmanager
async def busy_pool(pooled: PooledLab) -> AsyncIterator[tuple[Session, Session]]:
    """A client in the middle of a transaction, and one that wants to work."""
    async with AsyncExitStack() as stack:
        busy = await stack.enter_async_context(client(pooled))
        other = await stack.enter_async_context(client(pooled))
        await busy.run("BEGIN; SELECT 1")
        yield busy, other


async def paused(console: Console) -> bool:
    rows = await console.show("SHOW DATABASES")
    return next(row["paused"] == "1" for row in rows if row["name"] == POOL)


async def held_up_by(console: Console, other: Session) -> asyncio.Task[int]:
    """What a client asks once a PAUSE is waiting, and is not answered yet.

    Asked a moment earlier it would be logging in to the server when the PAUSE comes, which fails
    that login, and the pooler would wait ``server_login_retry`` before the next one.
    """
    async with asyncio.timeout(5):
        while True:
            if await paused(console):
                break
            await asyncio.sleep(0.005)
    asking = asyncio.create_task(other.value("SELECT 7", deadline_s=20))
    await until_held_up(console)
    return asking


async def until_held_up(console: Console) -> None:
    async with asyncio.timeout(5):
        while True:
            pools = await console.show("SHOW POOLS")
            if any(row["cl_waiting"] != "0" for row in pools if row["database"] == POOL):
                return
            await asyncio.sleep(0.005)


async def test_show_gives_rows_by_column_as_text(pooled: PooledLab) -> None:
    async with consoles(pooled) as (console, _):
        rows = {row["name"]: row for row in await console.show("SHOW DATABASES")}
        assert rows[POOL]["host"] == "127.0.0.1"
        assert rows[POOL]["port"] == str(pooled.running.ways.server_port)
        assert rows[POOL]["force_user"] == ""


async def test_show_can_be_asked_any_number_of_times(pooled: PooledLab) -> None:
    async with consoles(pooled) as (console, _):
        for _ in range(8):  # the driver prepares what it has seen five times, unless it is told
            assert await console.show("SHOW VERSION")


async def test_pause_and_resume(pooled: PooledLab) -> None:
    async with consoles(pooled) as (first, second), client(pooled) as session:
        await pause(first, second, POOL, deadline_s=2)
        assert await paused(second)
        waiting = asyncio.create_task(session.value("SELECT 7"))
        await until_held_up(second)
        await first.run(f"RESUME {POOL}")
        assert await waiting == 7


async def test_a_pause_that_cannot_be_had_costs_its_deadline_and_frees_the_clients(
    pooled: PooledLab,
) -> None:
    loop = asyncio.get_running_loop()
    async with consoles(pooled) as (first, second), busy_pool(pooled) as (busy, other):
        began = loop.time()
        pausing = asyncio.create_task(pause(first, second, POOL, deadline_s=1.0))
        held_up = await held_up_by(second, other)
        with pytest.raises(DeadlineError, match="transaction open for 1 s; the pool was resumed"):
            await pausing
        assert 1.0 <= loop.time() - began < 1.5
        assert await held_up == 7
        assert await busy.value("SELECT 8") == 8
        assert first.lost
        assert not second.lost
        assert not await paused(second)


async def test_a_cancelled_pause_frees_the_clients(pooled: PooledLab) -> None:
    async with consoles(pooled) as (first, second), busy_pool(pooled) as (_, other):
        pausing = asyncio.create_task(pause(first, second, POOL, deadline_s=60))
        held_up = await held_up_by(second, other)
        pausing.cancel()
        async with asyncio.timeout(1):
            with pytest.raises(asyncio.CancelledError):
                await pausing
        assert await held_up == 7
        assert not await paused(second)


async def test_a_console_lost_while_it_pauses_frees_the_clients(pooled: PooledLab) -> None:
    async with consoles(pooled) as (first, second), busy_pool(pooled) as (_, other):
        pausing = asyncio.create_task(pause(first, second, POOL, deadline_s=60))
        held_up = await held_up_by(second, other)
        with socket.socket(fileno=os.dup(first._connection.fileno())) as wire:
            wire.shutdown(socket.SHUT_RDWR)
        with pytest.raises(ServerLostError, match="console ended"):
            await pausing
        assert await held_up == 7
        assert not await paused(second)


async def test_clients_that_cannot_be_freed_are_said_to_stay_paused(pooled: PooledLab) -> None:
    async with consoles(pooled) as (first, second), busy_pool(pooled):
        await second.close()
        with pytest.raises(PoolerError, match=r'stay paused.*Run RESUME "shop"'):
            await pause(first, second, POOL, deadline_s=0.1)


async def test_a_console_that_does_not_answer_is_given_up_at_the_deadline(
    pooled: PooledLab,
) -> None:
    loop = asyncio.get_running_loop()
    process = pooled.running.process
    assert process is not None
    async with consoles(pooled) as (console, _):
        process.send_signal(signal.SIGSTOP)
        try:
            began = loop.time()
            with pytest.raises(DeadlineError, match=r"within 0\.1 s"):
                await console.show("SHOW VERSION", deadline_s=0.1)
            with pytest.raises(UnreachableError, match=r"within 0\.1 s"):
                await open_console(pooled.endpoint, ADMIN_PASSWORD, deadline_s=0.1)
            assert loop.time() - began < 1
        finally:
            process.send_signal(signal.SIGCONT)
        assert console.lost


async def test_a_pooler_that_dies_is_lost(pooled: PooledLab) -> None:
    async with consoles(pooled) as (console, _):
        await pooled.running.stop()
        with pytest.raises(ServerLostError):
            await console.run("RELOAD")
        with pytest.raises(ServerLostError):
            await console.run("RELOAD")


@pytest.mark.parametrize(
    ("text", "says"), [('PAUSE "nope"', "no such database"), ("DANCE", "invalid command")]
)
async def test_the_console_says_no(pooled: PooledLab, text: str, says: str) -> None:
    async with consoles(pooled) as (console, _):
        with pytest.raises(PoolerError, match=says):
            await console.run(text)
        assert await console.show("SHOW VERSION")


@pytest.mark.parametrize(
    ("change", "password", "error"),
    [
        ({}, "wrong-one", LoginRefusedError),
        ({"admin_user": "app"}, CLIENT_PASSWORD, LoginRefusedError),
        ({"port": 1}, ADMIN_PASSWORD, UnreachableError),
        ({"address": "nowhere.invalid", "tls": "disable"}, ADMIN_PASSWORD, UnreachableError),
        ({"tls": "require"}, ADMIN_PASSWORD, TlsRefusedError),
    ],
)
async def test_no_console(
    pooled: PooledLab, change: dict[str, object], password: str, error: type[ConnectError]
) -> None:
    endpoint = msgspec.structs.replace(pooled.endpoint, **change)
    with pytest.raises(error) as no:
        await open_console(endpoint, password)
    assert password not in str(no.value)
    assert no.value.where == "pool"
    assert no.value.remedy


async def test_the_admin_socket_admits_the_poolers_own_user_only(pooled: PooledLab) -> None:
    by_socket = msgspec.structs.replace(
        pooled.endpoint, admin_password=None, admin_user="pgbouncer"
    )
    if os.geteuid() == 0:
        with pytest.raises(LoginRefusedError):
            await open_console(by_socket, None)
    else:
        console = await open_console(by_socket, None)
        assert await console.show("SHOW VERSION")
        await console.close()


@pytest.mark.parametrize(
    ("user", "database", "password", "says"),
    [
        ("stranger", POOL, CLIENT_PASSWORD, "08P01|28P01"),
        ("app", POOL, "wrong-one", "08P01|28P01"),
        ("app", "nope", CLIENT_PASSWORD, "no such database"),
    ],
)
async def test_a_client_is_not_let_in(
    pooled: PooledLab, user: str, database: str, password: str, says: str
) -> None:
    with pytest.raises(LoginRefusedError, match=says) as no:
        await connect_as(pooled.login._replace(user=user, database=database), password)
    assert password not in str(no.value)


async def test_a_client_asks_in_a_transaction_of_its_own(pooled: PooledLab) -> None:
    async with client(pooled) as session:
        rows = await session.rows_at_once("SELECT current_user, current_setting('lock_timeout')")
        assert [*rows[0]] == ["app", "1s"]
        assert await session.value("SHOW lock_timeout") == "0"


async def test_tls_to_the_last_mode(pooled: PooledLab, tmp_path: Path) -> None:
    certificate = await with_tls(pooled)
    login = pooled.login._replace(tls="verify-full", tls_root_cert=str(certificate))
    session = await connect_as(login, CLIENT_PASSWORD)
    assert session.encrypted
    assert await session.value("SELECT 7") == 7
    with pytest.raises(DeadlineError):
        await session.rows("SELECT pg_sleep(60)", deadline_s=0.1)
    await session.close()
    console = await open_console(msgspec.structs.replace(pooled.endpoint, tls="require"), "hush")
    await console.close()
    with pytest.raises(TlsRefusedError, match="certificate does not hold"):
        other_name = login._replace(address="localhost")
        await connect_as(other_name, CLIENT_PASSWORD)
    with pytest.raises(LoginRefusedError, match="SSL required"):
        await connect_as(login._replace(tls="disable"), CLIENT_PASSWORD)
    (tmp_path / "ca.crt").write_text("no certificate")
    with pytest.raises(TlsRefusedError):
        await connect_as(login._replace(tls_root_cert=str(tmp_path / "ca.crt")), CLIENT_PASSWORD)
