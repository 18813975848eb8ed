"""Opens what checks look with: a session a side, the poolers' consoles, the machines.

What cannot be opened stands there as the error that prevented it; the check's runner makes it
``unknown``.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import TypeVar

from actions.source import MAINTENANCE
from checks.check import HERE, Asks, Look, Machine, ShowsPools
from connections.host import ThisMachine
from connections.hosts import Hosts
from connections.passwords import Passwords
from connections.postgres import Session
from connections.sessions import Sessions
from profiles.errors import LoginRefusedError, NightferryError
from profiles.profile import ByHand, PgBouncer, Profile

T = TypeVar("T")


@dataclass(frozen=True)
class Opener:
    """Opens the sessions of one look: by side, and as a client through an endpoint."""

    sessions: Sessions

    async def usual(self, side: str) -> Session:
        """The database that moves; the maintenance database while it is not there yet.

        Raises ConnectError, SecretError.
        """
        name = self._sides[side]
        try:
            return await self.sessions.server(name)
        except LoginRefusedError as refused:
            if refused.where != name:  # its host: who knocks there too often is shut out
                raise
            try:
                return await self.sessions.server(name, MAINTENANCE)
            except NightferryError:
                raise refused from None

    @asynccontextmanager
    async def opened(self, name: str, database: str | None = None) -> AsyncIterator[Asks]:
        """A further session, for as long as a check needs it; a client's leads where it does now.

        Raises ConnectError, SecretError.
        """
        if name in self._sides:
            session = await self.sessions.server(self._sides[name], database)
        else:
            session = await self.sessions.client(name, self.sessions.profile.source)
        try:
            yield session
        finally:
            await session.close()

    @property
    def _sides(self) -> dict[str, str]:
        profile = self.sessions.profile
        return {"source": profile.source.name, "destination": profile.destination.name}


@asynccontextmanager
async def looking(profile: Profile, passwords: Passwords, hosts: Hosts) -> AsyncIterator[Look]:
    """Everything that can be opened, opened side by side, and closed at the end."""
    opener = Opener(Sessions(profile, passwords, hosts))
    poolers = [one for one in profile.endpoints if isinstance(one, PgBouncer)]
    async with AsyncExitStack() as stack:
        (source, destination), consoles = await asyncio.gather(
            asyncio.gather(*(_or_error(opener.usual(s)) for s in ("source", "destination"))),
            asyncio.gather(*(_or_error(opener.sessions.console(pooler)) for pooler in poolers)),
        )
        for one in (source, destination, *consoles):
            if not isinstance(one, NightferryError):
                stack.push_async_callback(one.close)
        sessions: dict[str, Asks | NightferryError] = {
            "source": source,
            "destination": destination,
        }
        shown: dict[str, ShowsPools | NightferryError] = {
            pooler.name: console for pooler, console in zip(poolers, consoles, strict=True)
        }
        yield Look(profile, sessions, shown, await machines(profile, hosts), opener.opened)


async def machines(profile: Profile, hosts: Hosts) -> dict[str, Machine | NightferryError]:
    """The machines that the profile names, by the name of what stands on them."""
    found: dict[str, Machine | NightferryError] = {HERE: ThisMachine()}
    hosted = [profile.source, profile.destination, *profile.endpoints]
    names = [one.name for one in hosted if not isinstance(one, ByHand) and one.host is not None]
    reached = await asyncio.gather(*(_or_error(_machine(name, hosts)) for name in names))
    return found | dict(zip(names, reached, strict=True))


async def _machine(name: str, hosts: Hosts) -> Machine:
    """The machine, once its connection stands. Raises ConnectError, SecretError."""
    if hosts.is_far(name):
        await hosts.link(name).open()
    return hosts.of(name)


async def _or_error(opening: Awaitable[T]) -> T | NightferryError:
    try:
        return await opening
    except NightferryError as error:
        return error
