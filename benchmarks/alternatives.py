"""How a cutover is done otherwise, on the same rehearsal: for comparison, and for nothing else.

Both begin where the real route has brought the destination to follow. What would spoil the
comparison in our favour is taken from them: the new server is open and both have checkpointed
before the pause, and nothing of an arbiter, a timer or a proof is written inside it.
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from actions.cutover import SET_SEQUENCES, sequence_values
from connections.passwords import Passwords
from connections.pgbouncer import Console, open_console
from connections.postgres import Session, connect
from profiles.errors import DeadlineError, EvidenceError, HostError
from profiles.names import SCHEMA, SLOT
from profiles.profile import PgBouncer, Profile
from rehearsal.box import Box
from rehearsal.processes import THIS_MACHINE, is_running, spawn, stop, tail, until
from rehearsal.world import LOGINS

FLUSH_POLL_S = 0.002
LAG_POLL_S = 1.0
DRAIN_DEADLINE_S = 60.0
FENCE_DEADLINE_S = 10.0
STOP_S = 5.0
"""How long PgBouncer may take to let its clients' transactions end."""
LISTEN_S = 10.0


class Pause(NamedTuple):
    """When writes were stopped, and when they were let through again; UTC."""

    began: datetime
    ended: datetime


@dataclass(frozen=True)
class Hand:
    """What an operator has open: a session on each server and the pooler's console."""

    box: Box
    profile: Profile
    endpoint: PgBouncer
    old: Session
    new: Session
    console: Console
    open: AsyncExitStack


CutOver = Callable[[Hand], Awaitable[Pause]]


@asynccontextmanager
async def at_hand(box: Box, profile: Profile) -> AsyncIterator[Hand]:
    """Everything open, the new server open to the application too, both checkpointed."""
    endpoint = profile.endpoints[0]
    assert isinstance(endpoint, PgBouncer)
    passwords = Passwords(profile)
    async with AsyncExitStack() as stack:
        sessions = []
        for server in (profile.source, profile.destination):
            session = await connect(server, profile.database, await passwords(server.name))
            stack.push_async_callback(session.close)
            sessions.append(session)
        console = await open_console(endpoint, await passwords(endpoint.name))
        stack.push_async_callback(console.close)
        old, new = sessions
        await new.run(_alter("LOGIN"))
        await asyncio.gather(old.run("CHECKPOINT"), new.run("CHECKPOINT"))
        yield Hand(box, profile, endpoint, old, new, console, stack)


async def naive(hand: Hand) -> Pause:
    """Our sequence, but it waits until the slot says that what was sent is flushed.

    The subscription keeps its default ``synchronous_commit = off``, with which the destination
    reports a flush when its WAL writer has run: every ``wal_writer_delay``.
    """
    await hand.console.run(f'PAUSE "{hand.endpoint.database}"')
    began = datetime.now(UTC)
    await _fence(hand.old)
    await _flushed(hand.old)
    await _carry_sequences(hand)
    _point(hand)
    await hand.console.run("RELOAD")
    await _points_at(hand)
    await hand.console.run(f'RESUME "{hand.endpoint.database}"')
    return Pause(began, datetime.now(UTC))


async def common(hand: Hand) -> Pause:
    """The common recipe: read-only, look once a second until nothing is left, restart PgBouncer."""
    database = hand.profile.database
    began = datetime.now(UTC)
    await hand.old.run(f'ALTER DATABASE "{database}" SET default_transaction_read_only = on')
    await _expel(hand.old)
    await _no_lag(hand.old)
    await _carry_sequences(hand)
    _point(hand)
    await _restart(hand)
    return Pause(began, datetime.now(UTC))


def _alter(login: str) -> str:
    return "; ".join(f"ALTER ROLE {role} {login}" for role in LOGINS)


async def _fence(old: Session) -> None:
    await old.run(_alter("NOLOGIN"))
    until_s = time.monotonic() + FENCE_DEADLINE_S
    while await _expel(old):
        if time.monotonic() > until_s:
            raise DeadlineError(old.server, "fence", "the application's sessions do not end")


async def _expel(old: Session) -> int:
    """End the application's sessions; how many there were."""
    listed = ", ".join(f"'{role}'" for role in LOGINS)
    return int(
        await old.value(
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
            f" WHERE usename IN ({listed})"
        )
    )


async def _flushed(old: Session) -> None:
    """The destination has confirmed everything up to now."""
    lsn = await old.value("SELECT pg_current_wal_lsn()::text")
    confirmed = (
        f"SELECT confirmed_flush_lsn >= '{lsn}'::pg_lsn FROM pg_replication_slots"
        f" WHERE slot_name = '{SLOT}'"
    )
    await _asked_until_true(old, confirmed, FLUSH_POLL_S)


async def _no_lag(old: Session) -> None:
    lag = (
        "SELECT pg_wal_lsn_diff(pg_current_wal_lsn(), confirmed_flush_lsn) <= 0"
        f" FROM pg_replication_slots WHERE slot_name = '{SLOT}'"
    )
    await _asked_until_true(old, lag, LAG_POLL_S)


async def _asked_until_true(session: Session, sql: str, every_s: float) -> None:
    until_s = time.monotonic() + DRAIN_DEADLINE_S
    while not await session.value(sql):
        if time.monotonic() > until_s:
            raise DeadlineError(session.server, sql, f"not true within {DRAIN_DEADLINE_S:g} s")
        await asyncio.sleep(every_s)


async def _carry_sequences(hand: Hand) -> None:
    rows = await hand.old.rows(
        "SELECT format('%I.%I', schemaname, sequencename) AS name, start_value, last_value"
        f" FROM pg_sequences WHERE schemaname <> '{SCHEMA}'"
    )
    values = {
        row["name"]: (row["last_value"] or row["start_value"], row["last_value"] is not None)
        for row in rows
    }
    await hand.new.rows(SET_SEQUENCES.format(values=sequence_values(values)))


def _point(hand: Hand) -> None:
    """The pooler's file names the new server; written aside and renamed, as scripts do."""
    config = Path(hand.endpoint.config)
    old, new = hand.profile.source, hand.profile.destination
    lines = [
        line.replace(f"port={old.port}", f"port={new.port}")
        if line.startswith(f"{hand.endpoint.database} =")
        else line
        for line in config.read_text().splitlines(keepends=True)
    ]
    aside = config.with_suffix(".new")
    aside.write_text("".join(lines))
    aside.chmod(0o644)
    aside.replace(config)


async def _points_at(hand: Hand) -> None:
    rows = await hand.console.show("SHOW DATABASES")
    ports = [row["port"] for row in rows if row["name"] == hand.endpoint.database]
    if ports != [str(hand.profile.destination.port)]:
        said = f"{hand.endpoint.database} leads to port {', '.join(ports)}"
        raise EvidenceError(hand.endpoint.name, "RELOAD", said)


async def _restart(hand: Hand) -> None:
    """End PgBouncer as its service file does (SIGINT) and start it again with the same words."""
    running = next(each for each in hand.box.state().processes if each.name == "pooler")
    argv, libraries = _command_of(running.pid)
    for sign in (signal.SIGINT, signal.SIGQUIT):
        if is_running(running):
            os.kill(running.pid, sign)
            await until(lambda: not is_running(running), STOP_S)
    folder = Path(hand.endpoint.config).parent
    process = spawn(argv, folder=folder, log=folder / "restart.log", env=libraries)
    hand.open.push_async_callback(_stop, process)
    if not await until(lambda: _listens(hand.endpoint.port), LISTEN_S):
        raise HostError(THIS_MACHINE, "start PgBouncer again", tail(folder / "restart.log"))


def _command_of(pid: int) -> tuple[list[str], dict[str, str]]:
    """The words a process was started with, and where it finds its libraries."""
    words = Path(f"/proc/{pid}/cmdline").read_text().split("\0")[:-1]
    environment = Path(f"/proc/{pid}/environ").read_text().split("\0")
    named = [entry for entry in environment if entry.startswith("LD_LIBRARY_PATH=")]
    return words, dict(entry.split("=", 1) for entry in named)


async def _stop(process: subprocess.Popen[bytes]) -> None:
    await stop(process, signal.SIGQUIT, signal.SIGKILL, STOP_S)


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
