"""The hosts of a night: this machine, and others over SSH, one connection and tunnel for each."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from connections.host import Host, ThisMachine
from connections.passwords import AskPassword
from connections.ways import tunnel_to, way_to
from profiles.errors import HostError, UnknownHostKeyError, UnreachableError
from profiles.profile import Profile, SshHost

if TYPE_CHECKING:
    from connections.ssh_host import RemoteMachine
    from connections.ssh_link import Link
    from connections.tunnel import Tunnel


class Hosts:
    """Connections are opened when they are first needed, and anew when they have died."""

    def __init__(self, profile: Profile, passwords: AskPassword) -> None:
        self._profile = profile
        self._passwords = passwords
        self._links: dict[str, Link] = {}
        self._machines: dict[str, RemoteMachine] = {}
        self._tunnels: dict[str, Tunnel] = {}

    def of(self, name: str | None) -> Host:
        """The machine a server or endpoint stands on; None is this one.

        Raises HostError where the profile says no way to it.
        """
        if name is None:
            return ThisMachine()
        if not isinstance(way_to(self._profile, name), SshHost):
            return ThisMachine(f"host of {name}")
        if name not in self._machines:
            # asyncssh takes 0.15 s to load, and many a night has no host that needs it.
            from connections.ssh_host import RemoteMachine

            self._machines[name] = RemoteMachine(self.link(name))
        return self._machines[name]

    def link(self, name: str) -> Link:
        """The connection with the host, for a tunnel. Raises HostError where there is none."""
        host = way_to(self._profile, name)
        if not isinstance(host, SshHost):
            remedy = "What listens there is reached without a tunnel."
            said = "it is this machine"
            raise HostError(f"host of {name}", "open a connection with it", said, remedy)
        if name not in self._links:
            from connections.ssh_link import Link

            self._links[name] = Link(name, host, self._passwords)
        return self._links[name]

    async def tunnel(self, name: str, deadline_s: float = 10.0) -> Tunnel | None:
        """The way for sessions with a server or endpoint, open; None: straight to its address.

        All of them share it, and its port stays as it is. Raises ConnectError, SecretError.
        """
        to = tunnel_to(self._profile, name)
        if to is None:
            return None
        if name not in self._tunnels:
            from connections.tunnel import Tunnel

            self._tunnels[name] = Tunnel(self.link(name), to)
        try:
            async with asyncio.timeout(deadline_s):
                await self._tunnels[name].open()
        except TimeoutError:
            where, tried = f"host of {name}", f"open a tunnel to {to[0]}:{to[1]} from there"
            said = f"no connection within {deadline_s:g} s"
            raise UnreachableError(where, tried, said, "See whether the host is up.") from None
        return self._tunnels[name]

    def is_far(self, name: str) -> bool:
        """Whether a connection leads to it; False for this machine, and where none is named."""
        try:
            return isinstance(way_to(self._profile, name), SshHost)
        except HostError:
            return False

    async def close(self) -> None:
        """Ends every tunnel and connection; never raises. What is wanted later is opened anew."""
        await asyncio.gather(*(tunnel.close() for tunnel in self._tunnels.values()))
        await asyncio.gather(*(link.close() for link in self._links.values()))


def accept_host_key(unknown: UnknownHostKeyError) -> None:
    """Adds the key to known_hosts: the operator compared it. Raises HostKeyError."""
    from connections.ssh_known import accept

    accept(unknown)
