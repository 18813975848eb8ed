"""The connections with the host below a tunnel: one, and over a long road up to four.

TCP carries no more in a round trip than it may keep in its buffers, and all channels of an SSH
connection share that: four MiB of `net.ipv4.tcp_wmem` are 22 MB/s at 80 ms. Clients that would
share a connection are given further ones there. Must not know what goes through them.
"""

from __future__ import annotations

from collections import Counter

from connections.ssh import Ssh
from connections.ssh_link import Link
from profiles.errors import NightferryError

LONG_ROAD_MS = 20.0
"""The shortest round trip seen; below it one connection carries 100 MB/s and more."""

MOST_LINES = 4

OPEN_S = 3.0
"""A client waits no longer for a connection that it can do without."""


class Lines:
    """Each client keeps its connection; a host that refuses a further one is not asked again."""

    def __init__(self, link: Link) -> None:
        """``link`` is the tunnel's own, and stays when these are closed."""
        self._links = [link]
        self._most = MOST_LINES
        self._of: dict[object, Link] = {}

    async def take(self, client: object, first: Ssh) -> Ssh:
        """The connection for a client until it leaves; ``first`` is that of the tunnel's link."""
        if client not in self._of:
            self._of[client] = self._freest()
        link = self._of[client]
        if link is self._links[0]:
            return first
        try:
            return await link.open(OPEN_S)
        except NightferryError:
            self._do_without(link)
            return first

    def leave(self, client: object) -> None:
        """The client is gone."""
        self._of.pop(client, None)

    async def close(self) -> None:
        """Ends the further ones; never raises."""
        further, self._links[1:] = self._links[1:], []
        self._most = MOST_LINES
        for link in further:
            await link.close()

    def _freest(self) -> Link:
        """The one with the fewest clients: a new one rather than one that would be shared."""
        clients = Counter(self._of.values())
        freest = min(self._links, key=lambda link: clients[link])
        if clients[freest] and len(self._links) < self._most and self._is_long():
            own = self._links[0]
            freest = Link(own.name, own.host, own.passwords)
            self._links.append(freest)
        return freest

    def _is_long(self) -> bool:
        road = self._links[0].road()
        return road is not None and road.min_rtt_ms >= LONG_ROAD_MS

    def _do_without(self, refused: Link) -> None:
        if refused in self._links:
            self._links.remove(refused)
            self._most = len(self._links)
        self._of.update(
            {client: self._links[0] for client, link in self._of.items() if link is refused}
        )
