"""What the profile's names lead to: sessions, consoles, hosts and client logins.

Knows how each of them is opened; must not know what it is opened for.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from connections.passwords import client_of
from connections.pgbouncer import Console, open_console
from connections.postgres import ClientLogin, Session, connect, connect_as
from profiles.errors import HostError, PoolerError
from profiles.profile import ConnectionFile, Endpoint, PgBouncer, Profile, Server
from profiles.profile import Host as HostChoice

AskPassword = Callable[[str], Awaitable[str | None]]
"""Called with a name, as `connections.passwords.Passwords`."""


class Reach:
    """The sessions and consoles of one scope, opened when first needed, closed at its end."""

    def __init__(self, profile: Profile, passwords: AskPassword) -> None:
        self.profile = profile
        self._passwords = passwords
        self._sessions: dict[tuple[str, str], Session] = {}
        self._consoles: dict[tuple[str, int], Console] = {}
        self._opening = asyncio.Lock()

    async def session(self, server: str, database: str, deadline_s: float = 10.0) -> Session:
        """The session with a database; a new one, within the deadline, when it was lost.

        Raises ConnectError, SecretError.
        """
        async with self._opening:
            session = self._sessions.get((server, database))
            if session is None or session.lost:
                password = await self._passwords(server)
                choice = self.profile.server(server)
                session = await connect(choice, database, password, deadline_s=deadline_s)
                self._sessions[server, database] = session
            return session

    async def console(self, endpoint: str, number: int = 0) -> Console:
        """A console of a pooler, one for each number. Raises ConnectError, PoolerError."""
        pooler = endpoint_of(self.profile, endpoint)
        if not isinstance(pooler, PgBouncer):
            raise PoolerError(endpoint, "open its console", "it is no pooler")
        async with self._opening:
            console = self._consoles.get((endpoint, number))
            if console is None or console.lost:
                has_password = pooler.admin_password is not None
                password = await self._passwords(endpoint) if has_password else None
                console = await open_console(pooler, password)
                self._consoles[endpoint, number] = console
            return console

    async def client(self, endpoint: str, deadline_s: float) -> Session:
        """A new session as a client has it, which the caller closes. Raises ConnectError."""
        login = client_login(self.profile, endpoint_of(self.profile, endpoint))
        password = await self._passwords(client_of(endpoint))
        return await connect_as(login, password, deadline_s=deadline_s)

    async def logins(self, servers: tuple[str, ...]) -> list[tuple[Server, str]]:
        """These servers with their passwords, as far as there are any. Raises SecretError."""
        found = [(self.profile.server(name), await self._passwords(name)) for name in servers]
        return [(server, password) for server, password in found if password is not None]

    async def close(self) -> None:
        """Ends every session and console of the scope; never raises."""
        sessions = [session.close() for session in self._sessions.values()]
        consoles = [console.close() for console in self._consoles.values()]
        await asyncio.gather(*sessions, *consoles)


def way_to(profile: Profile, name: str) -> HostChoice:
    """How the host under a server or endpoint is reached.

    Raises HostError where the profile says no way to it.
    """
    host = _on_host(profile, name).host
    if host is None:
        raise _by_hand(f"host of {name}", "reach it", "the profile says no way to it")
    return host


def endpoint_of(profile: Profile, name: str) -> Endpoint:
    """The endpoint of that name. Raises HostError."""
    try:
        return profile.endpoint(name)
    except KeyError:
        said = "the profile has nothing of that name"
        raise HostError(name, "find it", said, "Correct the profile.") from None


def client_login(profile: Profile, endpoint: Endpoint) -> ClientLogin:
    """Where a client goes; behind a connection file that is the server it is to name.

    Raises HostError for an endpoint that only the operator knows.
    """
    match endpoint:
        case PgBouncer(name=name, address=address, port=port, client=client):
            database, tls = endpoint.database, endpoint.tls
            return ClientLogin(name, address, port, client.user, database, tls)
        case ConnectionFile(name=name, client=client):
            there, database = profile.destination, profile.database
            place = (name, there.address, there.port, client.user, database)
            return ClientLogin(*place, there.tls, there.tls_root_cert)
        case _:
            raise _by_hand(endpoint.name, "log in through it", "only the operator knows how")


def _on_host(profile: Profile, name: str) -> Server | PgBouncer | ConnectionFile:
    try:
        return profile.server(name)
    except KeyError:
        endpoint = endpoint_of(profile, name)
    if isinstance(endpoint, PgBouncer | ConnectionFile):
        return endpoint
    raise _by_hand(f"host of {name}", "reach it", "only the operator knows how")


def _by_hand(where: str, tried: str, said: str) -> HostError:
    remedy = "Do it by hand; the wizard then checks that it holds."
    return HostError(where, tried, said, remedy)
