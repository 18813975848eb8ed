"""The roads of a night: from where to where they lead, and why one is not there.

Knows the profile, and where ~/.ssh/config leads to first; measures nothing.
"""

from __future__ import annotations

from typing import NamedTuple

from checks.check import HERE
from connections.tls import is_loopback
from profiles.errors import HostError
from profiles.events import THIS_MACHINE
from profiles.profile import LocalHost, Profile, Server, SshHost


class Road(NamedTuple):
    """From a host to a port."""

    origin: str
    """The server on whose host it begins, or `THIS_MACHINE`."""
    machine: str
    """That host's key among the machines of a look."""
    host: str
    port: int
    leads_to: str
    """What the port is, in words: ``database port of db-old``."""
    ends_at_sshd: bool = False
    """Who watches its log may take many connections without a login for an attack."""

    @property
    def target(self) -> str:
        """The host and the port, an IPv6 address in brackets."""
        return f"{bracketed(self.host)}:{self.port}"

    @property
    def from_here(self) -> bool:
        """Whether it begins at this machine, and not at a server's host."""
        return self.machine == HERE


def bracketed(host: str) -> str:
    """The host as it stands before a port."""
    return f"[{host}]" if ":" in host else host


def of_replication(profile: Profile) -> Road:
    """From the destination's host to where it reaches the source, through SSH or directly.

    Raises HostError where there is no road.
    """
    source, origin = profile.source, profile.destination.name
    if tunnel := source.replication_tunnel:
        host = tunnel.login.rpartition("@")[2].strip("[]")
        leads_to = f"SSH port of {source.name}'s host, for replication"
        return Road(origin, origin, host, tunnel.login_port, leads_to, ends_at_sshd=True)
    seen = source.seen_from_destination or source
    if seen.address.startswith("/"):
        answered = "it is reached by a socket, which no road leads to"
        remedy = "Name its address in `seen_from_destination`."
        raise HostError(source.name, "measure the road to it", answered, remedy)
    return Road(origin, origin, seen.address, seen.port, f"database port of {source.name}")


async def from_here(profile: Profile) -> list[Road]:
    """From this machine to each server that is not on it; what was probed already is left out.

    Raises ConnectError where ~/.ssh/config does not say where the way begins.
    """
    servers = [one for one in (profile.source, profile.destination) if not stands_here(one)]
    ends: dict[_End, list[str]] = {}
    for server in servers:
        ends.setdefault(await _end(server), []).append(f"{server.name}'s")
    found = [
        Road(THIS_MACHINE, HERE, end.host, end.port, end.what.format(" and ".join(whose)), end.sshd)
        for end, whose in ends.items()
    ]
    if not found or not isinstance(profile.destination.host, LocalHost):
        return found
    first = of_replication(profile)
    return [road for road in found if road.target != first.target]


def stands_here(server: Server) -> bool:
    """Whether no road leads from here to it: it is on this machine, or a port of this machine."""
    if isinstance(server.host, LocalHost):
        return True
    local = server.address.startswith("/") or is_loopback(server.address)
    return local and not server.by_tunnel


class _End(NamedTuple):
    """Where a road from here ends; those of both servers may end at the same jump host."""

    host: str
    port: int
    what: str
    """In words, with braces for whose it is."""
    sshd: bool


async def _end(server: Server) -> _End:
    """The database port, or, where our sessions go by SSH, where that goes first."""
    if not (server.by_tunnel and isinstance(server.host, SshHost)):
        return _End(server.address, server.port, f"database port of {server.name}", sshd=False)
    # asyncssh takes 0.15 s to load, and many a night has no host that needs it.
    from connections.ssh import first_hop

    hop = await first_hop(server.name, server.host)
    what = "SSH port of {} host" if hop.jump is None else f"SSH port of {{}} jump host {hop.jump}"
    return _End(hop.address, hop.port, what, sshd=True)


def on_one_machine(profile: Profile) -> bool:
    """Whether both servers stand on this machine, with no network between them."""
    return all(isinstance(one.host, LocalHost) for one in (profile.source, profile.destination))
