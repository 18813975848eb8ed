"""The servers' logs beside what runs: which of them a step touches, and what they say meanwhile.

Nothing waits for a log: a step begins within a second, and is over when it is over. What cannot be
followed is said once a night.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager

from actions.source import MAINTENANCE
from connections.follow import where_it_ends
from connections.hosts import Hosts
from connections.logfile import LogFile, as_it_is_now, log_of_pooler, log_of_server
from connections.sessions import Sessions
from engine.followed import Followed, Listener
from engine.night import LiveNight
from profiles.errors import (
    DeadlineError,
    HostLostError,
    NightferryError,
    SecretError,
    ServerLostError,
    UnknownHostKeyError,
    UnreachableError,
)
from profiles.events import LogSaid, Said
from profiles.profile import PgBouncer, Profile
from profiles.steps import FileEdit, Pooler, Shell, Sql, Step, ThroughEndpoint, Words

log = logging.getLogger(__name__)

LOOK_S = 1.0
"""How long a step may wait until it is known where the logs end."""
LINGER_S = 0.3
"""How long after a step what is written late is still its own."""
STOP_S = 4.0
"""How long the engine waits, as it ends, until nothing of it runs on a host any more."""

PASSES = (
    UnreachableError,
    UnknownHostKeyError,
    HostLostError,
    ServerLostError,
    DeadlineError,
    SecretError,
)
"""What may be otherwise at the next step; with everything else the log is left alone."""


class Logs:
    """The logs of one night's servers and poolers, each followed while somebody listens."""

    def __init__(self, live: LiveNight, sessions: Sessions, hosts: Hosts) -> None:
        self._live = live
        self._sessions = sessions
        self._hosts = hosts
        self._known: dict[str, LogFile] = {}
        self._followed: set[Followed] = set()
        """Those that are being stopped, too."""
        self._left_alone: set[str] = set()
        self._slow: set[str] = set()
        self._ending: set[asyncio.Task[None]] = set()

    @asynccontextmanager
    async def beside(self, step: Step, secrets: Sequence[str]) -> AsyncIterator[None]:
        """What the logs say while a step runs is told as its own; it waits a second at most."""
        listener = Listener(self._tell, secrets, step=step.id)
        looks = self._looks(listener, [step])
        try:
            await self._in_time(looks)
            yield
        finally:
            self._end(listener, looks.values())

    @asynccontextmanager
    async def beside_stretch(self, attempt: int, steps: Sequence[Step]) -> AsyncIterator[Listener]:
        """The same for an armed stretch, from when the listener is no longer ``muted``.

        Whatever opens a session for it has ended when this returns.
        """
        listener = Listener(self._tell, attempt=attempt)
        listener.muted = True
        looks = self._looks(listener, steps)
        try:
            await self._in_time(looks)
            await _cancelled(looks.values())
            yield listener
        finally:
            self._end(listener, looks.values())

    async def close(self) -> None:
        """Tell what was read, and end everything; the engine ends."""
        for ending in self._ending:
            ending.cancel()
        followed = tuple(self._followed)
        for one in followed:
            one.stop()
        over = [*self._ending, *(asyncio.ensure_future(one.wait()) for one in followed)]
        if over:
            await asyncio.wait(over, timeout=STOP_S)

    def _looks(self, listener: Listener, steps: Iterable[Step]) -> dict[str, asyncio.Task[None]]:
        names = touched(steps, self._sessions.profile)
        return {
            name: asyncio.create_task(self._look(name, listener))
            for name in names
            if name not in self._left_alone
        }

    async def _in_time(self, looks: dict[str, asyncio.Task[None]]) -> None:
        """Waits for who answered quickly last time; who is late once is not waited for again."""
        quick = [task for name, task in looks.items() if name not in self._slow]
        if quick:
            await asyncio.wait(quick, timeout=LOOK_S)
        self._slow.update(name for name, task in looks.items() if not task.done())

    def _end(self, listener: Listener, looks: Iterable[asyncio.Task[None]]) -> None:
        ending = asyncio.create_task(self._linger(listener, tuple(looks)))
        self._ending.add(ending)
        ending.add_done_callback(self._ending.discard)

    async def _linger(self, listener: Listener, looks: Sequence[asyncio.Task[None]]) -> None:
        try:
            await asyncio.sleep(LINGER_S)
        finally:
            for look in looks:
                look.cancel()
            for followed in tuple(self._followed):
                followed.leave(listener)
            listener.close()

    async def _look(self, name: str, listener: Listener) -> None:
        known = name in self._known
        try:
            where = await self._where(name)
            since = await where_it_ends(where.host, where.path)
        except NightferryError as error:
            self._known.pop(name, None)
            if isinstance(error, PASSES):
                self._slow.add(name)
            elif not known:
                self._left_alone.add(name)
            self._not_followed(name, error)
            return
        self._slow.discard(name)
        (self._on(name, where) or self._follow(name, where)).mark(since, listener)

    async def _where(self, name: str) -> LogFile:
        """Where the log is now. Raises HostError, ConnectError, and what asking raises."""
        if name in self._known:
            found = await as_it_is_now(self._known[name])
        else:
            found = await self._found(name)
        self._known[name] = found
        return found

    async def _found(self, name: str) -> LogFile:
        host = self._hosts.of(name)
        pooler = _poolers(self._sessions.profile).get(name)
        if pooler is None:
            session = await self._sessions.server(name, MAINTENANCE)
            try:
                return await log_of_server(session, host)
            finally:
                await session.close()
        console = await self._sessions.console(pooler)
        try:
            rows = await console.show("SHOW CONFIG")
        finally:
            await console.close()
        settings = {row["key"]: row["value"] for row in rows}
        return log_of_pooler(name, settings.get("logfile", ""), host)

    def _on(self, name: str, where: LogFile) -> Followed | None:
        """The file, where it is followed already."""
        for one in self._followed:
            if (one.name, one.log.path) == (name, where.path) and not one.stopped:
                return one
        return None

    def _follow(self, name: str, where: LogFile) -> Followed:
        made = Followed(name, where, self._moved, self._ended)
        self._followed.add(made)
        return made

    def _moved(self, followed: Followed, where: LogFile) -> None:
        """Another file goes on: it is read from its beginning, unless a step does so already."""
        self._known[followed.name] = where
        listener = followed.newest
        if listener is not None and self._on(followed.name, where) is None:
            self._follow(followed.name, where).mark(0, listener)

    def _ended(self, followed: Followed, error: BaseException | None) -> None:
        self._followed.discard(followed)
        if isinstance(error, NightferryError):
            self._not_followed(followed.name, error)
        elif error is not None:
            log.error("the log of %s could not be followed", followed.name, exc_info=error)

    def _tell(self, said: LogSaid) -> None:
        self._live.publish(said, wait=False)

    def _not_followed(self, name: str, error: NightferryError) -> None:
        begins = f"The log of {name} is not followed"
        if not any(said.text.startswith(begins) for said in self._live.state.said):
            self._live.publish(Said(text=f"{begins}. {error}"), wait=False)


def touched(steps: Iterable[Step], profile: Profile) -> list[str]:
    """The servers and poolers that the commands and the evidence of the steps go to."""
    servers = [server.name for server in (profile.source, profile.destination, *profile.standbys)]
    logged = {*servers, *_poolers(profile)}
    found = [name for step in steps for name in _named(step) if name in logged]
    return list(dict.fromkeys(found))


def _named(step: Step) -> Iterator[str]:
    asked = [one.ask for one in step.holds] + [one.same_as for one in step.holds if one.same_as]
    for command in (*step.commands, *asked):
        match command:
            case Sql(server=server):
                yield server
            case Shell(host=host, passwords_for=names):
                yield from (name for name in (host, *names) if name)
            case FileEdit(host=host):
                yield host
            case Pooler(endpoint=endpoint) | ThroughEndpoint(endpoint=endpoint):
                yield endpoint
            case Words():
                pass


def _poolers(profile: Profile) -> dict[str, PgBouncer]:
    return {one.name: one for one in profile.endpoints if isinstance(one, PgBouncer)}


async def _cancelled(looks: Iterable[asyncio.Task[None]]) -> None:
    late = [look for look in looks if not look.done()]
    for look in late:
        look.cancel()
    if late:
        await asyncio.wait(late)
