"""A night on a rehearsal of its own, walked to where it can be armed, for whoever tests faults.

What such a test needs besides: who answers the application's writes, and the engine's processes.
"""

from __future__ import annotations

import asyncio
import os
import signal
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncpg  # type: ignore[import-untyped]
import msgspec

from engine.launch import begin, ensure_engine, is_kept
from profiles import load
from profiles.fold import Night, Stretch, fold
from profiles.journal import is_live, read_events
from profiles.profile import PgBouncer, Profile, Thresholds
from rehearsal import box as boxes
from rehearsal import folders
from rehearsal.box import Box
from rehearsal.folders import Settings
from rehearsal.ledger import Ended, Sent
from rehearsal.processes import until
from rehearsal.server import Server
from tests.fix_processes import end_all, parent_of
from tui.unattended import Walk

PATIENCE_S = 60.0
"""How long anything is waited for that takes seconds on a quiet machine."""


@dataclass(frozen=True)
class Rehearsed:
    """One night and the rehearsal it moves."""

    box: Box
    folder: Path
    profile: Profile

    @asynccontextmanager
    async def walk(self) -> AsyncIterator[Walk]:
        """A window on it, with an engine behind; the engine goes on when it is closed."""
        ensure_engine(self.folder)
        walk = Walk(self.folder, self.profile, lambda text: None)
        await walk.open()
        try:
            yield walk
        finally:
            await walk.leave()

    def night(self) -> Night:
        """What the journal says, whether an engine runs or not."""
        return fold(read_events(self.folder).events)

    def stretch(self) -> Stretch:
        """The newest attempt, by the journal."""
        stretch = self.night().stretch
        assert stretch is not None
        return stretch

    def kill_engine(self, sent: signal.Signals = signal.SIGKILL) -> int:
        """End the engine that runs now; its pid."""
        pid = self.night().engine_pid
        assert pid is not None
        os.kill(pid, sent)
        return pid

    def kill_engine_and_keeper(self) -> None:
        """End both at once: nobody starts it again."""
        pid = self.night().engine_pid
        assert pid is not None
        os.kill(parent_of(pid), signal.SIGKILL)
        os.kill(pid, signal.SIGKILL)

    async def gone(self) -> None:
        """Wait until neither engine nor keeper runs."""
        assert await until(lambda: not is_live(self.folder) and not is_kept(self.folder), 10.0)

    async def over(self) -> Stretch:
        """Wait, by the journal, until nothing of the attempt is under way any more."""
        assert await until(lambda: self.stretch().over, PATIENCE_S, every_s=0.05), self.stretch()
        return self.stretch()

    async def flows(self, server: str, within_s: float = PATIENCE_S) -> float:
        """Wait until that server acknowledges a write sent from now on; how long that took."""
        state = self.box.state()
        port = {"old": state.old_port, "new": state.new_port}[server]
        began, tail = time.time(), LedgerTail(self.box.layout.ledger)
        answered = await until(lambda: tail.acknowledged(port, began), within_s, every_s=0.02)
        assert answered, f"{server} acknowledges nothing; {self.box.stats()}"
        return time.time() - began

    def server(self, name: str) -> Server:
        """One of its servers, to be asked as the operator of the test; it is not ours to stop."""
        state, layout = self.box.state(), self.box.layout
        programs = Path(self.profile.server(name).client_tools or "")
        found = Server(name, programs, layout.folder / name, layout.secret(name).read_text()[:-1])
        found.port = {"old": state.old_port, "new": state.new_port}[name]
        return found

    def pooler(self) -> PgBouncer:
        """The endpoint its clients use."""
        (endpoint,) = self.profile.endpoints
        assert isinstance(endpoint, PgBouncer)
        return endpoint

    def pooler_ini(self) -> Path:
        """The pooler's configuration."""
        return Path(self.pooler().config)

    async def client(self) -> asyncpg.Connection:
        """A session as the application has it, through the pool."""
        pool, password = self.pooler(), self.box.layout.secret("app").read_text()[:-1]
        return await asyncpg.connect(
            host=pool.address,
            port=pool.port,
            user="app",
            password=password,
            database=pool.database,
            statement_cache_size=0,
            ssl=False,
            timeout=10,
        )

    async def value(self, server: str, sql: str) -> Any:
        """What one of the servers answers to a question in the shop's database."""
        connection = await self.server(server).connect(self.profile.database)
        try:
            return await connection.fetchval(sql)
        finally:
            await connection.close()

    async def run(self, server: str, sql: str) -> None:
        """Change something there, as somebody who is not us."""
        connection = await self.server(server).connect(self.profile.database)
        try:
            await connection.execute(sql)
        finally:
            await connection.close()


class LedgerTail:
    """The end of the application's ledger, from now on."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._offset = path.stat().st_size
        self._sent: dict[str, float] = {}
        self._decoder = msgspec.json.Decoder(Sent | Ended)

    def acknowledged(self, port: int, since: float) -> bool:
        """Whether a write that was sent since then has been acknowledged by that server."""
        with self._path.open("rb") as file:
            file.seek(self._offset)
            whole, newline, _ = file.read().rpartition(b"\n")
        self._offset += len(whole) + len(newline)
        seen = [self._is(self._decoder.decode(line), port, since) for line in lines(whole)]
        return any(seen)

    def _is(self, line: Sent | Ended, port: int, since: float) -> bool:
        if isinstance(line, Sent):
            self._sent[line.id] = line.sent
            return False
        done = line.ending == "acknowledged" and line.server == port
        return done and self._sent.get(line.id, 0.0) > since


def lines(whole: bytes) -> list[bytes]:
    """The lines of a piece of a ledger, of which the first may have lost its beginning."""
    found = whole.splitlines()
    return found if not found or found[0].startswith(b'{"line"') else found[1:]


@contextmanager
def a_state_folder() -> Iterator[Path]:
    """Nights and rehearsals of one's own for a while, outside any test's folder."""
    with tempfile.TemporaryDirectory(prefix="nf-", dir=folders.root()) as name:
        folder, before = Path(name), os.environ.get("XDG_STATE_HOME")
        folder.chmod(0o711)
        os.environ["XDG_STATE_HOME"] = str(folder)
        try:
            yield folder
        finally:
            if before is None:
                del os.environ["XDG_STATE_HOME"]
            else:
                os.environ["XDG_STATE_HOME"] = before


@asynccontextmanager
async def a_night(
    under: Path, settings: Settings | None = None, **thresholds: float
) -> AsyncIterator[Rehearsed]:
    """A night that has just begun; everything of it is gone afterwards.

    On this machine without SSH, unless the settings say otherwise.
    """
    settings = settings or Settings()
    here = msgspec.structs.replace(settings, hosts=settings.hosts or "local")
    started = await boxes.start(here, under)
    rehearsed: Rehearsed | None = None
    try:
        profile = load.read(started.profile_path)
        changed = msgspec.structs.replace(profile.thresholds, **thresholds)
        assert isinstance(changed, Thresholds)
        profile = msgspec.structs.replace(profile, thresholds=changed)
        rehearsed = Rehearsed(started, begin(profile), profile)
        yield rehearsed
    finally:
        if rehearsed is not None:
            end_all(rehearsed.folder)
            await rehearsed.gone()
        await started.end()


@contextmanager
def a_copied_night(**thresholds: float) -> Iterator[Rehearsed]:
    """A night whose destination follows, for all the tests of a module, which have loops of their
    own; a small one."""
    with a_state_folder() as folder, asyncio.Runner() as runner:
        night = a_night(folder, Settings(rows=3000), **thresholds)
        rehearsed = runner.run(night.__aenter__())
        try:
            runner.run(_copied(rehearsed))
            yield rehearsed
        finally:
            runner.run(night.__aexit__(None, None, None))


async def _copied(night: Rehearsed) -> None:
    async with night.walk() as walk:
        await walk.copy()


def reaches(state: str) -> Callable[[Night], bool]:
    """The armed stretch is in that state."""
    return lambda night: night.stretch is not None and night.stretch.state == state
