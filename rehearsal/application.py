"""The application that keeps writing: ``python -m rehearsal.application CONFIG``.

A process of its own that plays the outside world: it knows one address, read from a connection file
(again on SIGHUP), and the ledger. It knows nothing of the move. A write that falls due while an
earlier one waits is sent at once afterwards, and its latency counts from when it was due.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import signal
import sys
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import asyncpg  # type: ignore[import-untyped]
import msgspec
from asyncpg.exceptions import InternalClientError  # type: ignore[import-untyped]

from rehearsal.ledger import Ended, Ending, Sent
from rehearsal.writes import Write, compose, owned

WRITE_DEADLINE_S = 60.0
"""How long a write may wait for its answer, connecting included."""
CONNECT_DEADLINE_S = 5.0
CONNECT_AGAIN_S = 0.05
CONFIG_DEADLINE_S = 300.0
"""A first start may have to fetch PgBouncer."""
CONFIG_LOOK_S = 0.01
STATS_EVERY_S = 1.0
TROUBLE = (
    OSError,
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    InternalClientError,
)
"""The last is what asyncpg raises when the session's end arrives just as a statement is sent."""


class Config(msgspec.Struct, frozen=True, kw_only=True):
    """What the application is told when it is started."""

    connection_file: str
    ledger: str
    stats: str
    writers: int = 8
    rate: float = 300.0
    """Writes a second, of all writers together."""
    seed: int = 0


class Stats(msgspec.Struct, frozen=True, kw_only=True):
    """How the application fares, written once a second."""

    at: float
    """Seconds since 1970, UTC."""
    acknowledged: int = 0
    failed: int = 0
    in_doubt: int = 0
    server: int | None = None
    """The TCP port of the server that answered last."""
    worst_ms: float = 0.0
    """The longest wait of the last second: acknowledged minus due."""
    says: str = ""
    """The last error a write ended with."""


class Clock:
    """Wall-clock seconds that a step of the system's clock does not disturb."""

    def __init__(self) -> None:
        self._offset = time.time() - time.monotonic()

    def now(self) -> float:
        """Seconds since 1970, UTC."""
        return self._offset + time.monotonic()


@dataclass
class World:
    """What the writers share; the ledger has no buffer, so that a kill loses nothing."""

    config: Config
    ledger: int
    clock: Clock = field(default_factory=Clock)
    stopping: asyncio.Event = field(default_factory=asyncio.Event)
    reload: int = 0
    """Counts the reloads: a writer connects anew when it has changed."""
    endings: Counter[Ending] = field(default_factory=Counter)
    server: int | None = None
    worst_ms: float = 0.0
    says: str = ""

    def wrote(self, line: Sent | Ended) -> None:
        """Put one line into the ledger."""
        os.write(self.ledger, msgspec.json.encode(line) + b"\n")

    def ended(self, sent: Sent, ending: Ending, server: int | None, says: str) -> None:
        """Note what became of a write."""
        at = self.clock.now()
        self.wrote(Ended(id=sent.id, ending=ending, at=at, server=server, says=says))
        self.endings[ending] += 1
        self.server = server or self.server
        self.says = says or self.says
        if ending == "acknowledged":
            self.worst_ms = max(self.worst_ms, (at - sent.due) * 1000.0)


class NotDone(Exception):
    """The write certainly did not happen."""


class InDoubt(Exception):
    """The connection was lost, or nothing answered, when the write may have happened."""


class Writer:
    """One writer: its schedule, its rows and its connection."""

    def __init__(self, number: int, world: World, first_due: float) -> None:
        self.world = world
        self.number = number
        self.file = Path(world.config.connection_file)
        self.due = first_due
        self.interval_s = world.config.writers / world.config.rate
        self.own = owned(number, world.config.writers)
        self.chance = random.Random(world.config.seed * 1000 + number)
        self.connection: asyncpg.Connection | None = None
        self.reload = 0
        self.count = 0

    async def run(self) -> None:
        """Write, each time it is due, until the application is to stop."""
        while not await self._stopped_before_due():
            self.count += 1
            write = compose(self.own, f"w{self.number}-{self.count}", self.chance)
            await self._send(write, self.due)
            self.due += self.interval_s
        self._disconnect()

    async def _stopped_before_due(self) -> bool:
        wait_s = self.due - self.world.clock.now()
        if wait_s > 0:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self.world.stopping.wait(), wait_s)
        return self.world.stopping.is_set()

    async def _send(self, write: Write, due: float) -> None:
        now = self.world.clock.now()
        sent = Sent(id=write.id, kind=write.kind, changes=write.changes, due=due, sent=now)
        self.world.wrote(sent)
        try:
            port = await self._transact(write)
        except NotDone as error:
            self.own.release(write)
            self.world.ended(sent, "failed", None, str(error))
            self._disconnect()
        except InDoubt as error:
            self.own.abandon(write)
            self.world.ended(sent, "in_doubt", None, str(error))
            self._disconnect()
        else:
            self.own.done(write)
            self.world.ended(sent, "acknowledged", port, "")

    async def _transact(self, write: Write) -> int:
        """Run a write; returns the port of the server that did it. Raises NotDone or InDoubt."""
        connection = await self._connected()
        several = len(write.statements) > 1
        last = False
        port: int | None = None
        try:
            async with asyncio.timeout(WRITE_DEADLINE_S):
                if several:
                    await connection.execute("BEGIN")
                for sql, arguments in write.statements:
                    last = not several
                    port = await connection.fetchval(sql, *arguments)
                if several:
                    last = True
                    await connection.execute("COMMIT")
        except TROUBLE as error:
            said = f"{type(error).__name__}: {error}"
            raise (InDoubt(said) if last and not refused(error) else NotDone(said)) from error
        if port is None:
            raise NotDone(f"the row of {write.changes[0]} is not there")
        return port

    async def _connected(self) -> asyncpg.Connection:
        """The writer's connection, made anew after a reload or a loss; raises NotDone."""
        ended = self.connection is not None and self.connection.is_closed()
        if ended or self.reload != self.world.reload:
            self._disconnect()
            self.reload = self.world.reload
        end = time.monotonic() + WRITE_DEADLINE_S
        while self.connection is None:
            try:
                self.connection = await connect(read_settings(self.file))
            except TROUBLE as error:
                if time.monotonic() > end:
                    raise NotDone(f"cannot connect: {error}") from error
                await asyncio.sleep(CONNECT_AGAIN_S)
        return self.connection

    def _disconnect(self) -> None:
        if self.connection is not None:
            self.connection.terminate()
            self.connection = None


def refused(error: Exception) -> bool:
    """Whether the server itself said no to a statement, so that it certainly did nothing.

    Not so for class 08, with which a pooler also reports a connection lost behind it, and 57P, a
    server that ends the session (PostgreSQL manual, appendix A).
    """
    if not isinstance(error, asyncpg.PostgresError) or error.sqlstate is None:
        return False
    return not error.sqlstate.startswith(("08", "57P"))


async def connect(settings: Mapping[str, str]) -> asyncpg.Connection:
    """A session at the address that a connection file gives; asyncpg's errors and OSError."""
    return await asyncpg.connect(
        host=settings["DATABASE_HOST"],
        port=int(settings["DATABASE_PORT"]),
        user=settings["DATABASE_USER"],
        password=settings["DATABASE_PASSWORD"],
        database=settings["DATABASE_NAME"],
        ssl=False,
        timeout=CONNECT_DEADLINE_S,
        statement_cache_size=0,
    )


def read_settings(path: Path) -> dict[str, str]:
    """The ``NAME=value`` lines of a connection file, its comments passed over."""
    lines = [line.strip() for line in path.read_text().splitlines()]
    pairs = [line.partition("=") for line in lines if line and not line.startswith("#")]
    return {name.strip(): value.strip() for name, _, value in pairs}


async def _tell(world: World) -> None:
    """Write the figures once a second, and a last time when all is over."""
    while not world.stopping.is_set():
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(world.stopping.wait(), STATS_EVERY_S)
        _write_stats(world)


def _write_stats(world: World) -> None:
    path = Path(world.config.stats)
    stats = Stats(
        at=world.clock.now(),
        acknowledged=world.endings["acknowledged"],
        failed=world.endings["failed"],
        in_doubt=world.endings["in_doubt"],
        server=world.server,
        worst_ms=round(world.worst_ms, 3),
        says=world.says,
    )
    world.worst_ms = 0.0
    new = path.with_suffix(".new")
    new.write_bytes(msgspec.json.encode(stats))
    new.replace(path)


async def run(config: Config) -> None:
    """Write until SIGTERM or SIGINT, then wait for what is on its way."""
    ledger = os.open(config.ledger, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    world = World(config, ledger)
    loop = asyncio.get_running_loop()
    for sign in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(sign, world.stopping.set)
    loop.add_signal_handler(signal.SIGHUP, _reload, world)
    begin = world.clock.now() + 0.05
    apart_s = 1.0 / config.rate
    writers = [Writer(n, world, begin + n * apart_s) for n in range(config.writers)]
    await asyncio.gather(_tell(world), *(writer.run() for writer in writers))
    _write_stats(world)
    os.fsync(ledger)
    os.close(ledger)


def _reload(world: World) -> None:
    world.reload += 1


def main(path: str) -> int:
    """Run by the configuration in a JSON file, as soon as there is one; the exit code."""
    config, end = Path(path), time.monotonic() + CONFIG_DEADLINE_S
    while not config.exists():
        if time.monotonic() > end:
            return 1
        time.sleep(CONFIG_LOOK_S)
    asyncio.run(run(msgspec.json.decode(config.read_bytes(), type=Config)))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
