"""What comes back for a packet with a small TTL: ICMP errors as Linux queues them on the socket.

Knows the kernel's structures; must not know what is probed, or why.
"""

import errno
import os
import socket
import struct
from typing import Any, List, NamedTuple, Optional, Tuple

# linux/in.h, linux/in6.h, linux/errqueue.h, linux/socket.h: what the socket module does not name.
IP_RECVERR = 11
IPV6_RECVERR = 25
SO_TIMESTAMPNS = 35
MSG_ERRQUEUE = 0x2000
LOCAL, ICMP, ICMP6 = 1, 2, 3

HOP, TARGET, TOO_BIG = "hop", "target", "!F"
V4_ANSWERS = {(3, 0): "!N", (3, 1): "!H", (3, 2): "!P", (3, 3): TARGET, (3, 4): TOO_BIG}
V6_ANSWERS = {(1, 0): "!N", (1, 1): "!X", (1, 3): "!H", (1, 4): TARGET, (2, 0): TOO_BIG}
FORBIDDEN = (9, 10, 13)


class Reply(NamedTuple):
    """What came back: HOP, TARGET, or why not in traceroute's letters; None for nothing in time."""

    kind: Optional[str]
    address: Optional[str] = None
    at_s: Optional[float] = None
    """The kernel's clock when it came."""
    took_ms: Optional[float] = None
    """The kernel's own measurement, where it made one."""
    refused: bool = False
    mtu: int = 0
    """The largest packet that would have been taken, where this one was too large."""


LOST = Reply(None)


def meaning(origin: int, kind: int, code: int, number: int) -> str:
    """What an error on a socket says (RFC 792, RFC 1122 3.2.2.1, RFC 4443)."""
    if origin == LOCAL:
        return TOO_BIG if number == errno.EMSGSIZE else os.strerror(number)
    if (origin, kind) in ((ICMP, 11), (ICMP6, 3)):
        return HOP
    if origin == ICMP and kind == 3 and code in FORBIDDEN:
        return "!X"
    known = V4_ANSWERS if origin == ICMP else V6_ANSWERS
    return known.get((kind, code), "!%d.%d" % (kind, code))


def came_at(ancillary: List[Tuple[int, int, bytes]]) -> Optional[float]:
    """The kernel's time stamp among what came beside a datagram."""
    for level, kind, content in ancillary:
        if level == socket.SOL_SOCKET and kind == SO_TIMESTAMPNS and len(content) >= 16:
            seconds, nanoseconds = struct.unpack("qq", content[:16])
            return float(seconds + nanoseconds / 1e9)
    return None


def offender(content: bytes) -> Optional[str]:
    """Who sent the ICMP message: the sockaddr after sock_extended_err (ip(7), IP_RECVERR)."""
    family = struct.unpack("H", content[16:18])[0] if len(content) >= 24 else socket.AF_UNSPEC
    if family == socket.AF_INET:
        return socket.inet_ntop(family, content[20:24])
    if family == socket.AF_INET6 and len(content) >= 40:
        return socket.inet_ntop(family, content[24:40])
    return None


def queued_error(link: socket.socket) -> Optional[Tuple[bytes, Any, Reply]]:
    """The next error on a socket: the packet it is about, where that was going, what came back."""
    try:
        packet, beside, _, to = link.recvmsg(2048, 1024, MSG_ERRQUEUE)
    except OSError:
        return None
    for level, kind, content in beside:
        if (level, kind) in ((socket.IPPROTO_IP, IP_RECVERR), (socket.IPPROTO_IPV6, IPV6_RECVERR)):
            number, origin, its_kind, code, _, info = struct.unpack("=IBBBBI", content[:12])
            said = meaning(origin, its_kind, code, number)
            mtu = info if said == TOO_BIG else 0
            return packet, to, Reply(said, offender(content), came_at(beside), mtu=mtu)
    return packet, to, LOST


def opened(family: int, kind: int, protocol: int = 0) -> socket.socket:
    """A socket that keeps the ICMP errors about it, each with the time it came."""
    link = socket.socket(family, kind, protocol)
    link.setblocking(False)
    if family == socket.AF_INET6:
        link.setsockopt(socket.IPPROTO_IPV6, IPV6_RECVERR, 1)
    else:
        link.setsockopt(socket.IPPROTO_IP, IP_RECVERR, 1)
    link.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
    return link


def limit(link: socket.socket, ttl: int) -> None:
    """How many hops the next packet of this socket may go."""
    if link.family == socket.AF_INET6:
        link.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_UNICAST_HOPS, ttl)
    else:
        link.setsockopt(socket.IPPROTO_IP, socket.IP_TTL, ttl)
