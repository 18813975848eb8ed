"""How large a packet may be on a road, which hop says so, and where larger ones vanish unsaid.

    python3 - HOST [--wait 1.1]

Datagrams that must not be cut go a hop further each time, as large as the road was found to be up
to there: each hop that answers has let one through. So it needs no answer from the target itself.
Where a large one vanishes and a small one does not there is a black hole (RFC 2923, 2.1).
"""

import argparse
import contextlib
import select
import socket
import sys
import time
from typing import Any, Dict, List, NamedTuple, Optional, Sequence

from checks.network.remote.lines import Address, resolved, say
from checks.network.remote.replies import (
    HOP,
    LOST,
    TARGET,
    TOO_BIG,
    Reply,
    limit,
    opened,
    queued_error,
)

# linux/in.h and linux/in6.h: send it whole or not at all, whatever was learnt of the road before.
IP_MTU_DISCOVER, IPV6_MTU_DISCOVER, PMTUDISC_PROBE = 10, 23, 3
HEADERS: Dict[int, int] = {socket.AF_INET: 28, socket.AF_INET6: 48}
SMALLEST: Dict[int, int] = {socket.AF_INET: 576, socket.AF_INET6: 1280}
"""What every road has to carry (RFC 791, 3.2; RFC 8200, 5)."""
LARGEST = 65535
MAX_HOPS, MAX_SILENT, TRIES = 30, 4, 2


class Shrunk(NamedTuple):
    """A hop beyond which packets have to be smaller; the address is None for this host itself."""

    ttl: int
    mtu: int
    by: Optional[str]
    silently: bool


class Road:
    """What is known of the road so far."""

    def __init__(self, address: Address, port: int, wait_s: float) -> None:
        self.address = address
        self.port = port
        self.wait_s = wait_s
        self.link = opened(address.family, socket.SOCK_DGRAM)
        if address.family == socket.AF_INET6:
            self.link.setsockopt(socket.IPPROTO_IPV6, IPV6_MTU_DISCOVER, PMTUDISC_PROBE)
        else:
            self.link.setsockopt(socket.IPPROTO_IP, IP_MTU_DISCOVER, PMTUDISC_PROBE)
        self.mtu = LARGEST
        self.shrunk: List[Shrunk] = []
        self.carried_to: Optional[str] = None
        self.carried_ttl = 0

    def ask(self, size: int, ttl: int) -> Reply:
        """Send one packet of that size so far; again when nothing comes back."""
        for _ in range(TRIES):
            self.port += 1  # an answer that comes too late is known by its port
            limit(self.link, ttl)
            content = bytes(size - HEADERS[self.address.family])
            with contextlib.suppress(OSError):  # the error is queued as well, and says more
                self.link.sendto(content, (self.address.number, self.port))
            reply = self.answer()
            say("sized", ttl=ttl, size=size, answer=reply.kind, address=reply.address)
            if reply.kind:
                return reply
        return LOST

    def answer(self) -> Reply:
        """What comes back for the packet sent last; routers answer only once in a second."""
        until_s = time.monotonic() + self.wait_s
        while True:
            left_s = until_s - time.monotonic()
            if left_s <= 0:
                return LOST
            select.select([self.link], [], [self.link], left_s)
            error = queued_error(self.link)
            if error and (error[1] is None or error[1][1] in (0, self.port)):
                return error[2]

    def go(self, ttl: int) -> Reply:
        """Go as far as that hop, with as large a packet as comes through."""
        reply = self.ask(self.mtu, ttl)
        while reply.kind == TOO_BIG and reply.mtu < self.mtu:
            self.smaller(reply.mtu, reply.address)
            reply = self.ask(self.mtu, ttl)
        if reply.kind is None:
            small = SMALLEST[self.address.family]
            reply = self.ask(small, ttl) if small < self.mtu else LOST
            if reply.kind in (HOP, TARGET):
                self.smaller(self.largest(small, ttl), self.carried_to, silently=True)
        return reply

    def largest(self, known: int, ttl: int) -> int:
        """The largest packet that comes as far as that hop, where nobody says what it is."""
        too_large = self.mtu
        while too_large - known > 1:
            middle = (known + too_large) // 2
            if self.ask(middle, ttl).kind in (HOP, TARGET):
                known = middle
            else:
                too_large = middle
        return known

    def smaller(self, mtu: int, by: Optional[str], silently: bool = False) -> None:
        """Packets have to be smaller behind the hop that was come to last."""
        self.mtu = mtu
        if by or silently:  # not for this host's own interface
            self.shrunk.append(Shrunk(self.carried_ttl, mtu, by, silently))

    def walk(self) -> Reply:
        """Go on until the target answers, a router says no, or nobody answers any more."""
        silent, reply = 0, LOST
        for ttl in range(1, MAX_HOPS + 1):
            reply = self.go(ttl)
            silent = 0 if reply.kind else silent + 1
            if reply.kind in (HOP, TARGET):
                self.carried_to, self.carried_ttl = reply.address, ttl
            if silent == MAX_SILENT or reply.kind not in (HOP, None):
                break
        return reply

    def shown(self, last: Reply) -> Dict[str, Any]:
        """What was found."""
        return {
            "mtu": self.mtu if self.carried_to else None,
            "target": last.kind == TARGET,
            "carried_to": self.carried_to,
            "shrunk": [shrunk._asdict() for shrunk in self.shrunk],
        }


def main(words: Sequence[str]) -> int:
    """Measure; the exit code is 1 where the name is unknown."""
    reader = argparse.ArgumentParser(prog="mtu")
    reader.add_argument("host")
    reader.add_argument("--port", type=int, default=33434)
    reader.add_argument("--wait", type=float, default=1.1, help="seconds for each answer")
    options = reader.parse_args(words)
    found = resolved(options.host, options.port)
    if not found.addresses:
        say("error", what="the name %s: %s" % (options.host, found.error))
        return 1
    road = Road(found.addresses[0], options.port, options.wait)
    say("mtu", **road.shown(road.walk()))
    road.link.close()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
