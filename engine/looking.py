"""Opens what checks look with: a session a side, the poolers' consoles, the machines.

What cannot be opened stands there as the error that prevented it; the check's runner makes it
``unknown``.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TypeVar

from actions.source import MAINTENANCE
from checks.check import HERE, Asks, Look, Machine, ShowsPools
from connections.host import ThisMachine
from connections.hosts import Hosts
from connections.passwords import Passwords, client_of
from connections.pgbouncer import Console, open_console
from connections.postgres import ClientLogin, Session, connect, connect_as
from profiles.errors import LoginRefusedError, NightferryError
from profiles.profile import ByHand, PgBouncer, Profile, Server

T = TypeVar("T")

OPEN_S = 10.0


class Opener:
    """Opens sessions and consoles for one profile."""

    def __init__(self, profile: Profile, passwords: Passwords) -> None:
        self._profile = profile
        self._passwords = passwords

    async def server(self, side: str, database: str | None = None) -> Session:
        """A session with the source or the destination. Raises ConnectError, SecretError."""
        server = self._side(side)
        password = await self._passwords(server.name)
        return await connect(
            server, database or self._profile.database, password, deadline_s=OPEN_S
        )

    async def usual(self, side: str) -> Session:
        """The database that moves; the maintenance database while it is not there yet."""
        try:
            return await self.server(side)
        except LoginRefusedError as refused:
            try:
                return await self.server(side, MAINTENANCE)
            except NightferryError:
                raise refused from None

    async def client(self, name: str) -> Session:
        """A client's own login through an endpoint, as it leads now."""
        endpoint = self._profile.endpoint(name)
        assert not isinstance(endpoint, ByHand)
        password = await self._passwords(client_of(name))
        source = self._profile.source
        if isinstance(endpoint, PgBouncer):
            place = (endpoint.address, endpoint.port, endpoint.client.user, endpoint.database)
            login = ClientLogin(name, *place, endpoint.tls)
        else:
            place = (source.address, source.port, endpoint.client.user, self._profile.database)
            login = ClientLogin(name, *place, source.tls, source.tls_root_cert)
        return await connect_as(login, password, deadline_s=OPEN_S)

    async def console(self, endpoint: PgBouncer) -> Console:
        """A pooler's console. Raises ConnectError, SecretError."""
        has_password = endpoint.admin_password is not None
        password = await self._passwords(endpoint.name) if has_password else None
        return await open_console(endpoint, password)

    @asynccontextmanager
    async def opened(self, name: str, database: str | None = None) -> AsyncIterator[Asks]:
        """A further session, for as long as a check needs it."""
        if name in ("source", "destination"):
            session = await self.server(name, database)
        else:
            session = await self.client(name)
        try:
            yield session
        finally:
            await session.close()

    def _side(self, side: str) -> Server:
        return self._profile.source if side == "source" else self._profile.destination


@asynccontextmanager
async def looking(profile: Profile, passwords: Passwords, hosts: Hosts) -> AsyncIterator[Look]:
    """Everything that can be opened, opened side by side, and closed at the end."""
    opener = Opener(profile, passwords)
    poolers = [one for one in profile.endpoints if isinstance(one, PgBouncer)]
    async with AsyncExitStack() as stack:
        (source, destination), consoles = await asyncio.gather(
            asyncio.gather(*(_or_error(opener.usual(s)) for s in ("source", "destination"))),
            asyncio.gather(*(_or_error(opener.console(pooler)) for pooler in poolers)),
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
