"""Makes the faults of `rehearsal.faults` happen to a running rehearsal, and takes them back.

What holds something, holds it in a session of ours: it ends when it is taken back, when somebody
ends it on the server (as on a real night), when its time is up, and with the rehearsal.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from functools import partial

import asyncpg  # type: ignore[import-untyped]

from profiles.errors import HostError
from profiles.names import SLOT, SUBSCRIPTION
from rehearsal import application
from rehearsal.faults import BY_NAME
from rehearsal.folders import DEFAULT_ROAD
from rehearsal.processes import THIS_MACHINE
from rehearsal.world import DATABASE, World

HOLD_S = 600.0
"""How long a session of ours holds what it holds, where nobody ends it before."""
MAKE_DEADLINE_S = 60.0
LOCK_TRIES = 8
"""Each waits up to a second, and lets everybody else by in between."""
BETWEEN_S = 0.2
LOSE_TRIES = 10
SWITCHES = 3
KEEP = "max_slot_wal_keep_size"
TINY = "1MB"
BAD = replace(DEFAULT_ROAD, delay_ms=40.0, loss=0.15)
COLUMN = "gift"
ADD = "ADD COLUMN IF NOT EXISTS {} text DEFAULT ''"
DROP = "DROP COLUMN IF EXISTS {}"
TABLE = "orders"
BUSY_TABLE = "event_log"
"""Every write of the application leaves a row there."""

COLUMNS = f"""SELECT attname FROM pg_attribute WHERE attrelid = to_regclass('public.{TABLE}')
AND attname LIKE '{COLUMN}%' AND NOT attisdropped ORDER BY attname"""
LOST = f"""SELECT wal_status = 'lost' FROM pg_replication_slots WHERE slot_name = '{SLOT}'"""
OVERRIDDEN = f"""SELECT setting FROM pg_file_settings
WHERE name = '{KEEP}' AND sourcefile LIKE '%/postgresql.auto.conf'"""

Way = Callable[[], Awaitable[str]]
"""Does something to the servers, and says what."""


class Breaking:
    """The faults of one rehearsal: those at work, and the sessions that hold them."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._held: dict[str, asyncio.Task[None]] = {}
        self._one_at_a_time = asyncio.Lock()
        self._kept: str | None = None
        """What `KEEP` was set to by ALTER SYSTEM before we set it."""
        self._ways: Mapping[str, tuple[Way, Way]] = {
            "long-transaction": (self._leave_open, partial(self._let_go, "long-transaction")),
            "stalled-subscription": (self._lock, partial(self._let_go, "stalled-subscription")),
            "lost-slot": (self._lose_slot, self._keep_log),
            "ddl-in-mid-copy": (self._add_column, self._follow_columns),
            "bad-road": (self._spoil_road, self._mend_road),
        }

    async def make(self, name: str) -> str:
        """Make it, and say what was done. Raises HostError, asyncpg's errors, OSError."""
        make, _ = self._way(name)
        async with self._one_at_a_time, asyncio.timeout(MAKE_DEADLINE_S):
            if name in self._world.state.faults:
                return f"{BY_NAME[name].title}: it is at work already."
            try:
                said = await make()
            except asyncpg.InvalidCatalogNameError as error:
                raise _too_early(name, f"there is no database {DATABASE} there yet") from error
            self._tell(name, at_work=True)
            return said

    async def undo(self, name: str) -> str:
        """Take it back, and say what was done. Raises HostError, asyncpg's errors, OSError."""
        _, take_back = self._way(name)
        async with self._one_at_a_time, asyncio.timeout(MAKE_DEADLINE_S):
            if name not in self._world.state.faults:
                return f"{BY_NAME[name].title}: it is not at work any more."
            said = await take_back()
            self._tell(name, at_work=False)
            return said

    async def end(self) -> None:
        """Let go of everything."""
        for task in self._held.values():
            task.cancel()
        if self._held:
            await asyncio.wait(self._held.values())

    def _way(self, name: str) -> tuple[Way, Way]:
        if name not in self._ways:
            raise HostError(THIS_MACHINE, f"make the fault {name}", "there is none of that name")
        return self._ways[name]

    def _tell(self, name: str, *, at_work: bool) -> None:
        others = tuple(each for each in self._world.state.faults if each != name)
        self._world.tell(faults=(*others, name) if at_work else others)

    # A session that holds on

    def _hold(self, name: str, session: asyncpg.Connection) -> None:
        self._held[name] = asyncio.create_task(self._until_over(name, session))

    async def _until_over(self, name: str, session: asyncpg.Connection) -> None:
        over = asyncio.Event()
        session.add_termination_listener(lambda ended: over.set())
        try:
            with suppress(TimeoutError):
                async with asyncio.timeout(HOLD_S):
                    await over.wait()
        finally:
            session.terminate()
            del self._held[name]
            self._tell(name, at_work=False)

    async def _let_go(self, name: str) -> str:
        task = self._held[name]
        task.cancel()
        await asyncio.wait({task})
        return "The session that held it was ended; what waited for it goes on."

    async def _leave_open(self) -> str:
        session = await self._as_application()
        try:
            await session.execute("SET application_name = 'month-end report'; BEGIN")
            await session.execute(
                f"INSERT INTO {BUSY_TABLE} (kind, detail) VALUES ('report', '{{}}')"
            )
            pid = await session.fetchval("SELECT pg_backend_pid()")
        except BaseException:
            session.terminate()
            raise
        self._hold("long-transaction", session)
        return f"A transaction of “app” is open and has written: pid {pid} on the server."

    async def _as_application(self) -> asyncpg.Connection:
        """By the sockets, which are here wherever the hosts are; through the pooler, if any."""
        pooler, password = self._world.pooler, self._world.passwords["app"]
        old = self._world.servers["old"]
        settings = application.read_settings(self._world.layout.connection_file)
        if pooler is None:
            return await old.connect(settings["DATABASE_NAME"], "app", password)
        folder = str(self._world.layout.folder / "pooler")
        by_socket = {"DATABASE_HOST": folder, "DATABASE_PORT": str(pooler.port)}
        return await application.connect({**settings, **by_socket})

    async def _lock(self) -> str:
        session = await self._locking("stalled-subscription")
        pid = session.get_server_pid()
        self._hold("stalled-subscription", session)
        return f"{BUSY_TABLE} is locked on the new server by pid {pid}; nothing is applied there."

    async def _locking(self, name: str) -> asyncpg.Connection:
        """A session on the new server with a lock that replication waits for."""
        session = await self._world.servers["new"].connect(DATABASE)
        try:
            there = "SELECT count(*) = 1 FROM pg_subscription WHERE subname = $1 AND subenabled"
            if not await session.fetchval(there, SUBSCRIPTION):
                raise _too_early(name, "there is no subscription that works on the new server yet")
            await session.execute("SET application_name = 'psql'")
            await _patiently(session, f"BEGIN; LOCK TABLE public.{BUSY_TABLE} IN SHARE MODE")
        except BaseException:
            session.terminate()
            raise
        return session

    # A slot that is lost

    async def _lose_slot(self) -> str:
        async with self._on("old") as old:
            if await old.fetchval(LOST) is None:
                raise _too_early("lost-slot", f"there is no slot {SLOT} on the old server yet")
            self._kept = await old.fetchval(OVERRIDDEN)
            # The slot of a subscription that keeps up is never behind by as much as it may be.
            blocker = await self._locking("lost-slot")
            try:
                await _set(old, TINY)
                await _write_until_lost(old)
            except BaseException:
                await _set(old, self._kept)
                raise
            finally:
                blocker.terminate()
        return f"Slot {SLOT} is lost: {KEEP} is {TINY}, and more log than that was written."

    async def _keep_log(self) -> str:
        """Only what is still ours: the wizard may have raised it meanwhile."""
        async with self._on("old") as old:
            if await old.fetchval(OVERRIDDEN) == TINY:
                await _set(old, self._kept)
        return f"{KEEP} is as it was. The slot stays lost: the copy has to begin again."

    # DDL

    async def _add_column(self) -> str:
        async with self._on("old") as old:
            column = f"{COLUMN}_{len(await old.fetch(COLUMNS)) + 1}"
            return await _alter(old, "old", [column], ADD)

    async def _follow_columns(self) -> str:
        """Do on the new server what was forgotten; where it has no such table yet, undo it."""
        async with self._on("old") as old:
            columns = [row["attname"] for row in await old.fetch(COLUMNS)]
            try:
                async with self._on("new") as new:
                    if await new.fetchval(f"SELECT to_regclass('public.{TABLE}') IS NOT NULL"):
                        return await _catch_up(new, columns)
            except asyncpg.InvalidCatalogNameError:
                pass  # its database is not made yet
            return await _alter(old, "old", columns, DROP)

    # The road

    async def _spoil_road(self) -> str:
        self._world.be(BAD)
        return f"{BAD.loss:.0%} of the packets are lost now, and each takes {BAD.delay_ms:g} ms."

    async def _mend_road(self) -> str:
        self._world.be(DEFAULT_ROAD)
        return "The road is as it was in the beginning."

    @asynccontextmanager
    async def _on(self, server: str) -> AsyncIterator[asyncpg.Connection]:
        """A session in the shop's database there, for a moment."""
        session = await self._world.servers[server].connect(DATABASE)
        try:
            yield session
        finally:
            session.terminate()


def _too_early(name: str, why: str) -> HostError:
    remedy = "Go through Replication setup first, then make it."
    return HostError(THIS_MACHINE, f"make the fault “{BY_NAME[name].title}”", why, remedy)


async def _set(old: asyncpg.Connection, value: str | None) -> None:
    """Set the limit on the old server; None: as its configuration has it."""
    to = f"SET {KEEP} = '{value}'" if value else f"RESET {KEEP}"
    await old.execute(f"ALTER SYSTEM {to}")
    await old.execute("SELECT pg_reload_conf()")


async def _write_until_lost(old: asyncpg.Connection) -> None:
    for _ in range(LOSE_TRIES):
        for _ in range(SWITCHES):
            await old.execute("SELECT pg_logical_emit_message(false, 'rehearsal', 'a line')")
            await old.execute("SELECT pg_switch_wal()")
        await old.execute("CHECKPOINT")
        if await old.fetchval(LOST):
            return
    raise HostError("old", "lose the slot", "it kept up with all that was written")


async def _patiently(session: asyncpg.Connection, sql: str) -> None:
    """A statement that takes a lock: nobody queues behind it for more than a second."""
    await session.execute("SET lock_timeout = '1s'")
    for left in reversed(range(LOCK_TRIES)):
        try:
            await session.execute(sql)
        except asyncpg.LockNotAvailableError:
            if session.is_in_transaction():
                await session.execute("ROLLBACK")
            if not left:
                raise
            await asyncio.sleep(BETWEEN_S)
        else:
            return


async def _alter(session: asyncpg.Connection, server: str, columns: list[str], how: str) -> str:
    sql = f"ALTER TABLE public.{TABLE} {', '.join(how.format(column) for column in columns)}"
    await _patiently(session, sql)
    return f"Done on the {server} server: {sql}."


async def _catch_up(new: asyncpg.Connection, columns: list[str]) -> str:
    """The same columns on the new server, and the subscription goes on."""
    said = await _alter(new, "new", columns, ADD)
    stopped = "SELECT count(*) FROM pg_subscription WHERE subname = $1 AND NOT subenabled"
    if await new.fetchval(stopped, SUBSCRIPTION):
        await new.execute(f"ALTER SUBSCRIPTION {SUBSCRIPTION} ENABLE")
        said += " The subscription is enabled again."
    return said
