"""What the wire did to each probe and to the answer to it: the truth that a prober is held against.

Knows IPv4 and what probes look like in it (RFC 791, 792, 9293); must not know who sent them.
"""

from __future__ import annotations

import socket
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import sqrt
from statistics import fmean, stdev
from typing import NamedTuple

from rehearsal.wire import Passage

V4 = 4
ICMP, TCP, UDP = 1, 6, 17
ECHO_REPLY, UNREACHABLE, ECHO, EXCEEDED = 0, 3, 8, 11
SYN, RST, ACK = 2, 4, 16
WIRE_BEHIND = 1
"""The wire lies behind the first router: that one has taken one from the TTL."""
SIGMAS = 1.96
"""Of the 95 % within which chance stays."""

Key = tuple[int, bytes]
"""The protocol, and what of the probe comes back in any answer to it."""


@dataclass
class Fate:
    """One probe: what its way there and its answer's way back took; None: it did not arrive."""

    hop: int
    sent_s: float
    forth_ms: float | None
    answered: bool = False
    """The answer came to the wire: a router that limits itself may have given none."""
    back_ms: float | None = None


class Truth(NamedTuple):
    """What the wire did to all probes of one hop; times in milliseconds, None without any."""

    sent: int
    loss: float
    """The share that the wire lost, of the way there and back."""
    avg_ms: float | None = 0.0
    stdev_ms: float | None = 0.0
    jitter_ms: float | None = 0.0


def truth(fates: Iterable[Fate], hop: int, sent: int) -> Truth:
    """Of the last so many probes of that hop: those before only looked for the road."""
    if hop <= WIRE_BEHIND:
        return Truth(sent, 0.0)
    its = sorted((fate for fate in fates if fate.hop == hop), key=lambda fate: fate.sent_s)[-sent:]
    arrived = [fate for fate in its if fate.forth_ms is not None]
    answered = [fate for fate in arrived if fate.answered]
    trips_ms = [
        fate.forth_ms + fate.back_ms
        for fate in answered
        if fate.forth_ms is not None and fate.back_ms is not None
    ]
    kept = _share(len(arrived), len(its)) * _share(len(trips_ms), len(answered))
    return Truth(len(its), 1 - kept, *_figures(trips_ms))


def _share(part: int, whole: int) -> float:
    return part / whole if whole else 1.0


def _figures(trips_ms: Sequence[float]) -> tuple[float | None, float | None, float | None]:
    """Mean, standard deviation, mean change from one to the next."""
    if len(trips_ms) < 2:
        return (trips_ms[0] if trips_ms else None), None, None
    return fmean(trips_ms), stdev(trips_ms), fmean(abs(b - a) for a, b in pairwise(trips_ms))


def chance(share: float, count: int) -> tuple[float, float]:
    """Between what a share of so many stays by chance (E. B. Wilson, JASA 22, 1927)."""
    wide = SIGMAS**2 / count
    middle = (share + wide / 2) / (1 + wide)
    half = SIGMAS * sqrt(share * (1 - share) / count + wide / (4 * count)) / (1 + wide)
    return (middle - half if share else 0.0), (middle + half if share < 1 else 1.0)


def fates(passages: Iterable[Passage], near: str) -> list[Fate]:
    """The probes that were sent from that address; one that is sent again is the same probe."""
    found: dict[Key, Fate] = {}
    home = socket.inet_aton(near)
    for passage in sorted(passages, key=lambda passage: passage.came_s):
        packet = bytes.fromhex(passage.begins)
        if packet[0] >> 4 != V4:
            continue
        if packet[12:16] == home:
            key = _probe(packet)
            if key is not None and key not in found:
                hop = packet[8] + WIRE_BEHIND
                found[key] = Fate(hop, passage.came_s, passage.held_ms)
        elif (answered := _answered(packet)) in found and not found[answered].answered:
            found[answered].answered, found[answered].back_ms = True, passage.held_ms
    return list(found.values())


def _within(packet: bytes) -> bytes:
    return packet[(packet[0] & 15) * 4 :]


def _probe(packet: bytes) -> Key | None:
    """Of what is sent: a SYN by its ports and number, a datagram by its ports, an echo by its."""
    protocol, content = packet[9], _within(packet)
    if protocol == TCP and content[13] & (SYN | ACK) == SYN:
        return TCP, content[:8]
    if protocol == ICMP and content[0] == ECHO:
        return ICMP, content[4:8]
    return (UDP, content[:4]) if protocol == UDP else None


def _answered(packet: bytes) -> Key:
    """Which probe a packet answers; none has the key of a packet that answers none."""
    protocol, content = packet[9], _within(packet)
    if protocol == TCP and content[13] & (SYN | RST):
        number = (int.from_bytes(content[8:12]) - 1) % 2**32
        return TCP, content[2:4] + content[:2] + number.to_bytes(4)
    if protocol == ICMP and content[0] == ECHO_REPLY:
        return ICMP, content[4:8]
    if protocol == ICMP and content[0] in (UNREACHABLE, EXCEEDED):
        return _quoted(content[8:])
    return protocol, b""


def _quoted(packet: bytes) -> Key:
    protocol, content = packet[9], _within(packet)
    parts = {TCP: content[:8], UDP: content[:4]}
    return protocol, parts.get(protocol, content[4:8])
