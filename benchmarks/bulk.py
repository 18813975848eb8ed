"""Bytes through a port, as many as it takes: the two ends of a throughput measurement.

    python bulk.py serve
    python bulk.py carry HOST PORT down|up CHANNELS WARM_UP_S SECONDS

Run as a file of its own, standard library only. Whoever receives counts: the sender's figure would
contain what is still in its buffers. Must not know what the port leads through.
"""

from __future__ import annotations

import socket
import struct
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import NamedTuple

BLOCK = 1 << 18
DOWN, UP = b"d", b"u"
COUNT = struct.Struct("!Q")
EVERY_S = 0.05
PATIENCE_S = 20.0


class Count(NamedTuple):
    """So many bytes had been received then (monotonic)."""

    at_s: float
    bytes: int


def rate(counts: Sequence[Count], from_s: float) -> float:
    """Bytes a second from that moment on; 0 where there are no two counts after it."""
    counted = [count for count in counts if count.at_s >= from_s]
    if len(counted) < 2:
        return 0.0
    first, last = counted[0], counted[-1]
    return (last.bytes - first.bytes) / (last.at_s - first.at_s)


def serve() -> None:
    """Send to who wants that, count what others send and tell them; until killed."""
    door = socket.create_server(("0.0.0.0", 0))
    print(door.getsockname()[1], flush=True)
    while True:
        link, _ = door.accept()
        threading.Thread(target=_serve, args=(link,), daemon=True).start()


def _serve(link: socket.socket) -> None:
    with link, suppress(OSError):  # it has had enough
        if link.recv(1) == DOWN:
            _pour(link)
        for count in _taken(link):
            link.sendall(COUNT.pack(count.bytes))


def _pour(link: socket.socket) -> None:
    """Send until nobody takes it any more: ends with OSError."""
    block = bytes(BLOCK)
    while True:
        link.sendall(block)


def _taken(link: socket.socket) -> Iterator[Count]:
    """Take all that comes; how much it was, again and again, until its end."""
    room = bytearray(BLOCK)
    counted, told_s = 0, 0.0
    while size := link.recv_into(room):
        counted += size
        if (now_s := time.monotonic()) >= told_s + EVERY_S:
            told_s = now_s
            yield Count(now_s, counted)


def _told(link: socket.socket) -> Iterator[Count]:
    """What the other end says that it has received."""
    sending = threading.Thread(target=_send, args=(link,), daemon=True)
    sending.start()
    while len(count := link.recv(COUNT.size, socket.MSG_WAITALL)) == COUNT.size:
        yield Count(time.monotonic(), COUNT.unpack(count)[0])


def _send(link: socket.socket) -> None:
    with suppress(OSError):  # measured enough
        _pour(link)


def _carry(to: tuple[str, int], way: bytes, until_s: float, counts: list[Count]) -> None:
    """One channel's counts, until then."""
    with socket.create_connection(to, PATIENCE_S) as link:
        link.sendall(way)
        for count in _taken(link) if way == DOWN else _told(link):
            counts.append(count)
            if count.at_s >= until_s:
                link.shutdown(socket.SHUT_RDWR)
                return


def carry(to: tuple[str, int], way: bytes, channels: int, warm_up_s: float, seconds: float) -> None:
    """Print how many bytes a second all channels carry together, the warm-up left out."""
    from_s = time.monotonic() + warm_up_s
    counts: list[list[Count]] = [[] for _ in range(channels)]
    carrying = [
        threading.Thread(target=_carry, args=(to, way, from_s + seconds, each)) for each in counts
    ]
    for each in carrying:
        each.start()
    for each in carrying:
        each.join()
    print(sum(rate(each, from_s) for each in counts))


def main(words: Sequence[str]) -> None:
    """Be the end that the command line says."""
    if words[0] == "serve":
        serve()
    _, host, port, way, channels, warm_up_s, seconds = words
    asked = {"down": DOWN, "up": UP}[way]
    carry((host, int(port)), asked, int(channels), float(warm_up_s), float(seconds))


if __name__ == "__main__":
    main(sys.argv[1:])
