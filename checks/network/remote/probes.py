"""The three kinds of probe: the beginning of a connection, a datagram, an echo request.

Each has `send`, which gives a key to know the probe by, `replies`, which says what came back for
which key, and `forget`; what it waits for is registered with itself beside it, so that several may
share a selector. Must not know when to probe, or what it is for.
"""

import errno
import os
import selectors
import socket
import struct
from typing import Any, List, Optional, Tuple, Union

from checks.network.remote.lines import Address
from checks.network.remote.replies import (
    HOP,
    LOST,
    TARGET,
    Reply,
    came_at,
    limit,
    opened,
    queued_error,
)

TCP_INFO = 11
UDP_PORTS = (33434, 16000)
SEND_TRIES = 4

Key = Any
Launched = Tuple[Key, Optional[Reply]]


class Tcp:
    """Probes that are the beginning of a connection; each has a socket of its own."""

    name = "tcp"

    def __init__(self, address: Address, port: int, ready: selectors.BaseSelector) -> None:
        self.family, self.address = address
        self.port = port
        self.ready = ready

    def send(self, ttl: int) -> Launched:
        """Send a SYN; with a reply where this machine itself already says no."""
        link = opened(self.family, socket.SOCK_STREAM)
        limit(link, ttl)
        number = link.connect_ex((self.address, self.port))
        if number not in (0, errno.EINPROGRESS):
            return link, Reply(os.strerror(number))
        self.ready.register(link, selectors.EVENT_WRITE, self)
        return link, None

    def replies(self, link: Any) -> List[Tuple[Key, Reply]]:
        """What became of a connection."""
        error = queued_error(link)
        if error is None:
            return [(link, self.connected(link))]
        reply = error[2]
        if reply.kind == TARGET and reply.address == self.address:
            reply = reply._replace(refused=True)
        elif reply.kind == TARGET:
            reply = reply._replace(kind="!X")  # a firewall on the way says it for the target
        return [(link, reply)]

    def connected(self, link: socket.socket) -> Reply:
        """What a connection without an ICMP error says."""
        number = link.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if number == errno.ECONNREFUSED:
            return Reply(TARGET, self.address, refused=True)
        if number in (errno.EHOSTUNREACH, errno.ENETUNREACH):
            return Reply(HOP)  # before Linux 5.9 the address of the hop is not told
        if number:
            return Reply(os.strerror(number))
        info = link.getsockopt(socket.IPPROTO_TCP, TCP_INFO, 104)
        round_trip_us, repeated = struct.unpack_from("I", info, 68)[0], info[100:104]
        if any(repeated):
            return LOST
        return Reply(TARGET, self.address, took_ms=round_trip_us / 1e3)

    def forget(self, link: Any) -> None:
        """Close what is left of a probe."""
        if link in self.ready.get_map():
            self.ready.unregister(link)
        link.close()

    def close(self) -> None:
        """Nothing is left beside the probes."""


class Datagrams:
    """Probes that are single datagrams of one socket; a number in each tells them apart."""

    protocols = (0, 0)

    def __init__(self, address: Address, ready: selectors.BaseSelector) -> None:
        self.family, self.address = address
        self.v6 = self.family == socket.AF_INET6
        self.number = 0
        self.ready = ready
        self.link = opened(self.family, socket.SOCK_DGRAM, self.protocols[self.v6])
        ready.register(self.link, selectors.EVENT_READ, self)

    def send(self, ttl: int) -> Launched:
        """Send one; with a reply where this machine itself already says no."""
        self.number = (self.number + 1) % UDP_PORTS[1]
        packet, port = self.packet(self.number)
        limit(self.link, ttl)
        number = 0
        for _ in range(SEND_TRIES):  # the error of an earlier probe is told to the next one sent
            try:
                self.link.sendto(packet, (self.address, port))
                return self.number, None
            except OSError as error:
                number = error.errno or 0
        return self.number, Reply(os.strerror(number))

    def replies(self, link: Any) -> List[Tuple[Key, Reply]]:
        """Everything that has come."""
        found = []
        error = queued_error(link)
        while error:
            found.append((self.number_of(error[0], error[1]), error[2]))
            error = queued_error(link)
        return found + self.answers()

    def packet(self, number: int) -> Tuple[bytes, int]:
        """What is sent, and to which port."""
        raise NotImplementedError

    def number_of(self, packet: bytes, to: Any) -> Optional[int]:
        """Which of the probes an error is about."""
        raise NotImplementedError

    def answers(self) -> List[Tuple[Key, Reply]]:
        """The answers that are no errors."""
        return []

    def forget(self, number: Key) -> None:
        """Nothing is left of a datagram."""

    def close(self) -> None:
        """Close the socket."""
        self.ready.unregister(self.link)
        self.link.close()


class Udp(Datagrams):
    """Probes to a port that nobody uses: the target says so; its number is the port."""

    name = "udp"

    def packet(self, number: int) -> Tuple[bytes, int]:
        """As `Datagrams.packet`."""
        return b"nightferry probe", UDP_PORTS[0] + number

    def number_of(self, packet: bytes, to: Any) -> Optional[int]:
        """As `Datagrams.number_of`."""
        return to[1] - UDP_PORTS[0] if to else None


class Icmp(Datagrams):
    """Echo requests on a datagram socket: the kernel sets the identifier, the number is ours."""

    name = "icmp"
    protocols = (socket.IPPROTO_ICMP, socket.IPPROTO_ICMPV6)

    def packet(self, number: int) -> Tuple[bytes, int]:
        """As `Datagrams.packet`."""
        return struct.pack("!BBHHH", 128 if self.v6 else 8, 0, 0, 0, number) + b"nightferry", 0

    def number_of(self, packet: bytes, to: Any) -> Optional[int]:
        """As `Datagrams.number_of`."""
        return struct.unpack("!H", packet[6:8])[0] if len(packet) >= 8 else None

    def answers(self) -> List[Tuple[Key, Reply]]:
        """The echo replies."""
        found: List[Tuple[Key, Reply]] = []
        while True:
            try:
                packet, beside, _, sender = self.link.recvmsg(2048, 512)
            except OSError:
                return found
            if packet[:1] in (b"\0", b"\x81"):
                reply = Reply(TARGET, sender[0], came_at(beside))
                found.append((self.number_of(packet, None), reply))


Probes = Union[Tcp, Udp, Icmp]
