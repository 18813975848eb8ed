"""The hosts of a night: this machine, and others over SSH, with one connection for each."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from connections.host import Host, ThisMachine
from connections.reach import AskPassword, way_to
from profiles.errors import HostError, UnknownHostKeyError
from profiles.profile import Profile, SshHost

if TYPE_CHECKING:
    from connections.ssh_host import RemoteMachine
    from connections.ssh_link import Link


class Hosts:
    """Connections are opened when they are first needed, and anew when they have died."""

    def __init__(self, profile: Profile, passwords: AskPassword) -> None:
        self._profile = profile
        self._passwords = passwords
        self._links: dict[str, Link] = {}
        self._machines: dict[str, RemoteMachine] = {}

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

    def is_far(self, name: str) -> bool:
        """Whether a connection leads to it; False for this machine, and where none is named."""
        try:
            return isinstance(way_to(self._profile, name), SshHost)
        except HostError:
            return False

    async def close(self) -> None:
        """Ends every connection; never raises."""
        await asyncio.gather(*(link.close() for link in self._links.values()))


def accept_host_key(unknown: UnknownHostKeyError) -> None:
    """Adds the key to known_hosts: the operator compared it. Raises HostKeyError."""
    from connections.ssh_known import accept

    accept(unknown)
