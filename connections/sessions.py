"""Opens what the profile's names lead to: sessions, client logins and consoles, each by its way.

Knows whose password is whose, and which of them goes through a tunnel. Must not know what they are
opened for, nor keep them: who opens one closes it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from connections.hosts import Hosts
from connections.passwords import AskPassword, client_of
from connections.pgbouncer import Console, open_console
from connections.postgres import ClientLogin, Session, connect, connect_as
from connections.ways import by_hand, endpoint_of
from profiles.profile import ConnectionFile, Endpoint, PgBouncer, Profile, Server

if TYPE_CHECKING:
    from connections.tunnel import Tunnel


class Sessions:
    """Every deadline is for the login; opening its tunnel, the first time, may take as long."""

    def __init__(self, profile: Profile, passwords: AskPassword, hosts: Hosts) -> None:
        self.profile = profile
        self._passwords = passwords
        self._hosts = hosts

    async def server(
        self,
        name: str,
        database: str | None = None,
        *,
        application: str = "nightferry",
        deadline_s: float = 10.0,
        settings: Mapping[str, str] = {},
    ) -> Session:
        """A session of the wizard's own login, in the database that moves when none is named.

        Raises ConnectError, SecretError.
        """
        password = await self._passwords(name)
        async with self._tunnel(name, deadline_s) as tunnel:
            return await connect(
                self.profile.server(name),
                database or self.profile.database,
                password,
                application=application,
                deadline_s=deadline_s,
                settings=settings,
                tunnel=tunnel,
            )

    async def client(self, endpoint: str, behind: Server, *, deadline_s: float = 10.0) -> Session:
        """A session as a client has it; ``behind`` is the server that a connection file names.

        Raises ConnectError, SecretError, and HostError for what only the operator knows.
        """
        login, through = client_login(self.profile, endpoint_of(self.profile, endpoint), behind)
        password = await self._passwords(client_of(endpoint))
        async with self._tunnel(through, deadline_s) as tunnel:
            return await connect_as(login, password, deadline_s=deadline_s, tunnel=tunnel)

    async def console(self, pooler: PgBouncer, *, deadline_s: float = 5.0) -> Console:
        """A pooler's console. Raises ConnectError, SecretError."""
        has_password = pooler.admin_password is not None
        password = await self._passwords(pooler.name) if has_password else None
        async with self._tunnel(pooler.name, deadline_s) as tunnel:
            return await open_console(pooler, password, deadline_s=deadline_s, tunnel=tunnel)

    @asynccontextmanager
    async def _tunnel(self, name: str, deadline_s: float) -> AsyncIterator[Tunnel | None]:
        """The tunnel to it, if it is reached by one, which then says why nobody got through."""
        tunnel = await self._hosts.tunnel(name, deadline_s)
        if tunnel is None:
            yield None
            return
        with tunnel.explaining():
            yield tunnel


def client_login(profile: Profile, endpoint: Endpoint, behind: Server) -> tuple[ClientLogin, str]:
    """Where a client goes, and whose tunnel leads there: the endpoint's, or the server's.

    Raises HostError for an endpoint that only the operator knows.
    """
    match endpoint:
        case PgBouncer(name=name, address=address, port=port, client=client):
            database, tls = endpoint.database, endpoint.tls
            return ClientLogin(name, address, port, client.user, database, tls), name
        case ConnectionFile(name=name, client=client):
            place = (name, behind.address, behind.port, client.user, profile.database)
            return ClientLogin(*place, behind.tls, behind.tls_root_cert), behind.name
        case _:
            raise by_hand(endpoint.name, "log in through it", "only the operator knows how")
