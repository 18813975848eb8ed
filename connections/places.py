"""Where a server is reached, in libpq's words: from here, and from the destination's host.

Knows the profile alone; must not open anything.
"""

from __future__ import annotations

from typing import NamedTuple

from profiles.profile import Server

NEAR_END = "127.0.0.1"
"""Where the replication tunnel listens on the destination's host."""


class Place(NamedTuple):
    """What a connection string says of it."""

    host: str
    """The name the certificate is for, and by which a password file is searched."""
    port: int
    hostaddr: str | None = None
    """What is dialled instead: then the name is only compared (PostgreSQL manual, 32.1.2)."""

    @property
    def parts(self) -> dict[str, str]:
        """As keywords of a connection string."""
        parts = {"host": self.host, "port": str(self.port)}
        return parts if self.hostaddr is None else {**parts, "hostaddr": self.hostaddr}


def as_we_see(server: Server) -> Place:
    """Its own address."""
    return Place(server.address, server.port)


def seen_from_destination(server: Server) -> Place:
    """Where the destination and its host reach a server: through the replication tunnel, if any."""
    tunnel, seen = server.replication_tunnel, server.seen_from_destination
    if tunnel is not None and server.address.startswith("/"):
        return Place(NEAR_END, tunnel.local_port)
    if tunnel is not None:
        return Place(server.address, tunnel.local_port, NEAR_END)
    return Place(seen.address, seen.port) if seen is not None else as_we_see(server)
