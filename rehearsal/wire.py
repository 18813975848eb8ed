"""A wire between two network interfaces that delays, loses and cuts what it carries.

    python wire.py INTERFACE INTERFACE

Reads conditions from standard input, a JSON object a line, and answers each with what was carried
since the one before; ends with its input. Standard library only. It needs raw sockets, which root
of a user namespace has there. Like netem it lets frames overtake each other where there is jitter.
"""

from __future__ import annotations

import heapq
import json
import random
import selectors
import socket
import struct
import sys
import time
from dataclasses import asdict, dataclass, field
from itertools import count
from typing import NamedTuple

# linux/if_packet.h, linux/if_ether.h and linux/socket.h: what the socket module does not name.
SOL_PACKET = 263
PACKET_VNET_HDR = 15
PACKET_IGNORE_OUTGOING = 23
ETH_P_ALL = 3
SO_TIMESTAMPNS = 35
HEADER = 10
"""The virtio header in front of each frame; it carries checksums that are not yet made."""
ETHERNET = 14
QUEUE_S = 0.1
"""What would have to wait longer for its turn on a slow wire is dropped."""
BUFFER = 4 << 20
BURST = 64
REMEMBERED = 64
"""The bytes of a packet that are remembered: an ICMP error as far as what it quotes goes."""


@dataclass(frozen=True)
class Conditions:
    """What the wire does to each frame, in either direction."""

    delay_ms: float = 0.0
    jitter_ms: float = 0.0
    """The delay varies by so much up and down, evenly."""
    loss: float = 0.0
    """The share of frames that is lost."""
    rate_mbit: float = 0.0
    """Megabits a second; 0: as fast as it can."""
    largest: int = 0
    """Larger IP packets vanish without a word, as in a black hole; 0: none does."""
    remembers: bool = False
    """What became of each packet is told too: for measuring, not for carrying much."""


class Passage(NamedTuple):
    """What became of one IP packet."""

    came_s: float
    held_ms: float | None
    """None: it was lost."""
    begins: str
    """Its first bytes, in hexadecimal digits."""


@dataclass
class Carried:
    """What the wire did since it was last asked."""

    frames: int = 0
    lost: int = 0
    held_ms: float = 0.0
    """How long a frame took on average, from the kernel that sent it to the one that gets it."""
    passages: list[Passage] = field(default_factory=list)
    """Of every packet, in the order of their ends, where the wire remembers."""


class Frame(NamedTuple):
    """A frame on its way; the number keeps frames that are due at once in order."""

    due_s: float
    number: int
    came_s: float
    to: socket.socket
    content: bytes


class Wire:
    """The two ends, and the frames between them."""

    def __init__(self, first: str, second: str, seed: int = 1) -> None:
        ends = [_end(first), _end(second)]
        self.other = {ends[0]: ends[1], ends[1]: ends[0]}
        self.free_s = dict.fromkeys(ends, 0.0)
        self.conditions = Conditions()
        self.carried = Carried()
        self.random = random.Random(seed)
        self.numbers = count()
        self.frames: list[Frame] = []
        # epoll would wait in whole milliseconds.
        self.ready = selectors.SelectSelector()
        for end in ends:
            self.ready.register(end, selectors.EVENT_READ, end)
        self.ready.register(sys.stdin, selectors.EVENT_READ)

    def run(self) -> None:
        """Carry until the input ends."""
        while True:
            wait_s = max(0.0, self.frames[0].due_s - time.time()) if self.frames else None
            for found, _ in self.ready.select(wait_s):
                if found.data:
                    self.receive(found.data)
                elif not self.obey(sys.stdin.readline()):
                    return
            self.deliver()

    def obey(self, line: str) -> bool:
        """Take new conditions; False at the end of the input."""
        if line:
            self.conditions = Conditions(**json.loads(line))
            print(json.dumps(asdict(self.carried)), flush=True)
            self.carried = Carried()
        return bool(line)

    def receive(self, end: socket.socket) -> None:
        """Take what has come in at one end."""
        for _ in range(BURST):
            try:
                content, beside, _, _ = end.recvmsg(65536 + HEADER, 64)
            except BlockingIOError:
                return
            came_s = time.time()
            for _, kind, stamp in beside:
                if kind == SO_TIMESTAMPNS:
                    seconds, nanoseconds = struct.unpack("qq", stamp[:16])
                    came_s = seconds + nanoseconds / 1e9
            self.accept(end, content, came_s)

    def accept(self, end: socket.socket, content: bytes, came_s: float) -> None:
        """Lose the frame, or find out when it is due."""
        what, due_s = self.conditions, came_s
        if carries_traffic(content[HEADER:]):
            size = len(content) - HEADER
            if self.random.random() < what.loss or 0 < what.largest < size - ETHERNET:
                self.lose(content, came_s)
                return
            if what.rate_mbit:
                due_s = max(came_s, self.free_s[end])
                if due_s - came_s > QUEUE_S:
                    self.lose(content, came_s)
                    return
                due_s = self.free_s[end] = due_s + size * 8 / (what.rate_mbit * 1e6)
            varied_ms = self.random.uniform(-what.jitter_ms, what.jitter_ms)
            due_s += max(0.0, what.delay_ms + varied_ms) / 1e3
        heapq.heappush(
            self.frames, Frame(due_s, next(self.numbers), came_s, self.other[end], content)
        )

    def deliver(self) -> None:
        """Hand on what is due."""
        while self.frames and self.frames[0].due_s <= time.time():
            frame = heapq.heappop(self.frames)
            try:
                frame.to.send(frame.content)
            except OSError:  # that end is down, or full: lost, as on any wire
                self.lose(frame.content, frame.came_s)
                continue
            held_ms = (time.time() - frame.came_s) * 1e3
            self.carried.frames += 1
            self.carried.held_ms += (held_ms - self.carried.held_ms) / self.carried.frames
            self.remember(frame.content, frame.came_s, held_ms)

    def lose(self, content: bytes, came_s: float) -> None:
        """Count a frame that goes no further."""
        self.carried.lost += 1
        self.remember(content, came_s, None)

    def remember(self, content: bytes, came_s: float, held_ms: float | None) -> None:
        """What became of a packet, where that is wanted."""
        if self.conditions.remembers and carries_traffic(content[HEADER:]):
            begins = content[HEADER + ETHERNET :][:REMEMBERED]
            self.carried.passages.append(Passage(came_s, held_ms, begins.hex()))


def told(line: str) -> Carried:
    """What the wire answered to new conditions."""
    carried = Carried(**json.loads(line))
    carried.passages = [Passage(*each) for each in carried.passages]
    return carried


def carries_traffic(frame: bytes) -> bool:
    """IP, but not what finds the neighbours: without that there would be no road at all."""
    kind = frame[12:14]
    if kind == b"\x08\x00":
        return True
    neighbours = frame[20:21] == b"\x3a" and 133 <= frame[54] <= 137  # RFC 4861, 4
    return kind == b"\x86\xdd" and not neighbours


def _end(interface: str) -> socket.socket:
    end = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
    end.setsockopt(SOL_PACKET, PACKET_IGNORE_OUTGOING, 1)
    end.setsockopt(SOL_PACKET, PACKET_VNET_HDR, 1)
    end.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER)
    end.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
    end.bind((interface, 0))
    end.setblocking(False)
    return end


if __name__ == "__main__":
    Wire(sys.argv[1], sys.argv[2]).run()
