"""The sessions and consoles of one scope, such as a step: shared in it, closed at its end.

Knows when one is opened anew; must not know what it is opened for.
"""

from __future__ import annotations

import asyncio

from connections.hosts import Hosts
from connections.passwords import AskPassword
from connections.pgbouncer import Console
from connections.postgres import Session
from connections.sessions import Sessions
from connections.ways import endpoint_of
from profiles.errors import PoolerError
from profiles.profile import PgBouncer, Profile, Server


class Reach:
    """The sessions and consoles of one scope, opened when first needed, closed at its end."""

    def __init__(self, profile: Profile, passwords: AskPassword, hosts: Hosts) -> None:
        self.profile = profile
        self._passwords = passwords
        self._opens = Sessions(profile, passwords, hosts)
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
                session = await self._opens.server(server, database, deadline_s=deadline_s)
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
                console = await self._opens.console(pooler)
                self._consoles[endpoint, number] = console
            return console

    async def client(self, endpoint: str, deadline_s: float) -> Session:
        """A new session as a client has it, which the caller closes.

        Behind a connection file that is the server it is to name. Raises ConnectError.
        """
        there = self.profile.destination
        return await self._opens.client(endpoint, there, deadline_s=deadline_s)

    async def logins(self, servers: tuple[str, ...]) -> list[tuple[Server, str]]:
        """These servers with their passwords, as far as there are any. Raises SecretError."""
        found = [(self.profile.server(name), await self._passwords(name)) for name in servers]
        return [(server, password) for server, password in found if password is not None]

    async def close(self) -> None:
        """Ends every session and console of the scope; never raises."""
        sessions = [session.close() for session in self._sessions.values()]
        consoles = [console.close() for console in self._consoles.values()]
        await asyncio.gather(*sessions, *consoles)
