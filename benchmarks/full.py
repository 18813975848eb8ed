"""A source full of rows, and what writes to it: the same every time, on a copy of its own.

Nothing is known here of who copies it.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import tempfile
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import asyncpg  # type: ignore[import-untyped]

from rehearsal import binaries, server
from rehearsal.processes import give
from rehearsal.server import Server

OLD, NEW = "old", "new"
VERSIONS = {OLD: 16, NEW: 18}
DATABASE = "shop"
PASSWORD = "open sesame"
"""Of servers that nobody else reaches, for minutes."""

TABLE = """\
CREATE TABLE {table} (id bigint PRIMARY KEY, customer integer NOT NULL, kind text NOT NULL,
  amount numeric(12,2) NOT NULL, at timestamptz NOT NULL, note text NOT NULL);
INSERT INTO {table} SELECT i, i * 7919 % 50000, 'kind ' || i % 40, i % 100000 / 100.0,
    timestamptz '2026-01-01 00:00 UTC' + i * interval '1 second', md5(i::text) || md5('n' || i)
  FROM generate_series(1, {rows}::bigint) AS i;
CREATE INDEX ON {table} (customer, at);
CREATE INDEX ON {table} (kind, at);
CREATE INDEX ON {table} (note)"""
WRITE = """\
WITH changed AS (UPDATE {table} SET amount = amount + 1 WHERE id BETWEEN $1 AND $1 + 4)
INSERT INTO {table} SELECT $2::bigint, customer, kind, amount, now(), md5($2::bigint::text)
  FROM {table} WHERE id = $1"""


@dataclass(frozen=True)
class Load:
    """How much there is, and how much comes in meanwhile."""

    tables: int = 4
    rows: int = 600_000
    """In each of the tables, about 130 bytes each, and three indexes beside the key."""
    writers: int = 2
    rate: float = 150.0
    """Transactions a second, at most: five rows changed and one added in each."""

    @property
    def names(self) -> list[str]:
        """The tables."""
        return [f"events_{number}" for number in range(self.tables)]


@dataclass
class Writes:
    """How many transactions have been committed so far."""

    made: int = 0
    over: asyncio.Event = field(default_factory=asyncio.Event)


class Templates:
    """The two clusters that every run has copies of."""

    def __init__(self, folder: Path, load: Load) -> None:
        self.folder = folder
        self.load = load
        self._programs: Mapping[int, Path] = {}

    async def make(self) -> None:
        """A source that is full, a destination as initdb leaves it; both stopped."""
        self._programs = binaries.runnable(binaries.find(), self.folder)
        for name, version in VERSIONS.items():
            await server.make(self._programs[version], self.folder / name, PASSWORD)
        server.configure(self.folder / OLD, server.SETTINGS)
        full = Server(OLD, self._programs[VERSIONS[OLD]], self.folder / OLD, PASSWORD)
        await full.start()
        try:
            await self._fill(full)
        finally:
            await full.stop()

    async def _fill(self, full: Server) -> None:
        connection = await full.connect()
        await connection.execute(f"CREATE DATABASE {DATABASE}")
        await connection.close()
        connection = await full.connect(DATABASE)
        for table in self.load.names:
            await connection.execute(TABLE.format(table=table, rows=self.load.rows))
        await connection.execute("VACUUM ANALYZE")
        await connection.close()

    @asynccontextmanager
    async def pair(self) -> AsyncIterator[tuple[Server, Server]]:
        """Both, running, on copies that are gone afterwards; what was copied is on the disk."""
        with own_folder(self.folder) as folder:
            both = [self._copy(name, folder) for name in VERSIONS]
            os.sync()
            try:
                for each in both:
                    await each.start()
                yield both[0], both[1]
            finally:
                for each in reversed(both):
                    await each.stop()

    def _copy(self, name: str, folder: Path) -> Server:
        home = folder / name
        home.mkdir(mode=0o700)
        give(home)
        subprocess.run(["cp", "-a", self.folder / name / "data", home / "data"], check=True)
        return Server(name, self._programs[VERSIONS[name]], home, PASSWORD)


@contextmanager
def own_folder(under: Path) -> Iterator[Path]:
    """A folder that the servers' user may enter too, gone with all that is in it."""
    folder = Path(tempfile.mkdtemp(prefix="nightferry-bench-", dir=under))
    folder.chmod(0o711)
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


@asynccontextmanager
async def writing(to: Server, load: Load) -> AsyncIterator[Writes]:
    """Transactions on all tables until the end of the block, never more than the load's rate."""
    sessions = [await to.connect(DATABASE) for _ in range(load.writers)]
    writes = Writes()
    tasks = [
        asyncio.create_task(_write(session, number, load, writes))
        for number, session in enumerate(sessions)
    ]
    try:
        yield writes
    finally:
        writes.over.set()
        await _ended(tasks, sessions)


async def _ended(
    tasks: Sequence[asyncio.Task[None]], sessions: Sequence[asyncpg.Connection]
) -> None:
    ended = await asyncio.gather(*tasks, return_exceptions=True)
    for session in sessions:
        await session.close()
    for error in ended:
        if error is not None:
            raise error


async def _write(session: asyncpg.Connection, number: int, load: Load, writes: Writes) -> None:
    loop, every_s = asyncio.get_running_loop(), load.writers / load.rate
    statements = [await session.prepare(WRITE.format(table=table)) for table in load.names]
    at = number
    while not writes.over.is_set():
        began_s = loop.time()
        changed = at * 7919 % load.rows + 1
        await statements[at % len(statements)].fetch(changed, load.rows + 1 + at)
        writes.made += 1
        at += load.writers
        await asyncio.sleep(max(0.0, began_s + every_s - loop.time()))
