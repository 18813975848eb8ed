"""What a road carries in a few seconds, over one connection and over several; and two clocks.

    NIGHTFERRY_TOKEN=… python3 - serve [--port 0]        on the host that the data comes from
    NIGHTFERRY_TOKEN=… python3 - pull HOST PORT          on the host that it goes to

The receiver counts: a sender would count what waits in its own buffers. Data is random, so that
nothing on the way makes it smaller. Whoever does not know the token is not served. All of it ends
by itself: a connection after MOST_S, the server when it is told to, or after its own time.
"""

import argparse
import errno
import os
import socket
import struct
import sys
import threading
import time
from typing import List, NamedTuple, Sequence

from checks.network.remote.lines import say

TOKEN_SIZE = 64
CLOCK, DATA, END = b"c", b"d", b"e"
EXCHANGES = 12
BLOCK = 262144
WARM_UP_S = 1.0
"""The window grows at first: that says nothing of hours of copying."""
MOST_S = 30.0
PATIENCE_S = 5.0
NO_IPV6 = (errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL)


class Share(NamedTuple):
    """What one connection got after the warm-up."""

    bytes: int
    seconds: float


def token() -> bytes:
    """The token both sides were given, not on the command line, where others would see it."""
    return os.environ["NIGHTFERRY_TOKEN"].encode().ljust(TOKEN_SIZE, b"\0")[:TOKEN_SIZE]


def exactly(link: socket.socket, size: int) -> bytes:
    """That many bytes; raises OSError when the connection ends before."""
    got = b""
    while len(got) < size:
        more = link.recv(size - len(got))
        if not more:
            raise OSError("the connection ended")
        got += more
    return got


def opened_door(address: str, port: int) -> socket.socket:
    """A socket bound there; `::` is IPv4 as well, and IPv4 alone where there is no IPv6."""
    try:
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        door = socket.socket(family, socket.SOCK_STREAM)
        if address == "::":
            door.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        door.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        door.bind((address, port))
    except OSError as error:
        if address != "::" or error.errno not in NO_IPV6:
            raise
        return opened_door("0.0.0.0", port)
    return door


class Server:
    """Serves whoever knows the token, until it is told to end."""

    def __init__(self, address: str, port: int) -> None:
        self.door = opened_door(address, port)
        self.door.listen(16)
        self.door.settimeout(1.0)
        self.block = os.urandom(BLOCK)
        self.over = threading.Event()

    def run(self, seconds: float) -> None:
        """Serve; a line a second says that it still does."""
        say("serving", port=self.door.getsockname()[1])
        until_s = time.monotonic() + seconds
        said_s = time.monotonic()
        while not self.over.is_set() and time.monotonic() < until_s:
            try:
                link, _ = self.door.accept()
                threading.Thread(target=self.serve, args=(link,), daemon=True).start()
            except socket.timeout:
                pass
            if time.monotonic() - said_s >= 1.0:
                said_s = time.monotonic()
                say("waiting", what="the other host")
        self.door.close()

    def serve(self, link: socket.socket) -> None:
        """Do what one connection wants."""
        with link:
            link.settimeout(PATIENCE_S)
            try:
                if exactly(link, TOKEN_SIZE) != token():
                    return
                wish = exactly(link, 1)
                if wish == CLOCK:
                    for _ in range(EXCHANGES):
                        exactly(link, 1)
                        link.sendall(struct.pack("!d", time.time()))
                elif wish == DATA:
                    self.pour(link)
                elif wish == END:
                    self.over.set()
            except OSError:
                return  # it has had enough

    def pour(self, link: socket.socket) -> None:
        """Send for as long as it is taken."""
        until_s = time.monotonic() + MOST_S
        while time.monotonic() < until_s:
            link.sendall(self.block)


def wished(host: str, port: int, wish: bytes) -> socket.socket:
    """A connection to the server that wants something of it; raises OSError."""
    link = socket.create_connection((host, port), PATIENCE_S)
    link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    link.sendall(token() + wish)
    return link


def compare_clocks(host: str, port: int) -> None:
    """Ask for the other clock a dozen times; the quickest answer is off by half its time at most.

    The offset is what the other clock is ahead of ours (RFC 5905, 8).
    """
    best_s, offset_s = float("inf"), 0.0
    with wished(host, port, CLOCK) as link:
        for _ in range(EXCHANGES):
            asked, began_s = time.time(), time.monotonic()
            link.sendall(b"?")
            theirs = struct.unpack("!d", exactly(link, 8))[0]
            took_s = time.monotonic() - began_s
            if took_s < best_s:
                best_s, offset_s = took_s, theirs - (asked + took_s / 2)
    say("clock", ahead_s=round(offset_s, 6), within_s=round(best_s / 2, 6))


def take(host: str, port: int, seconds: float, shares: List[Share]) -> None:
    """Take what one connection brings."""
    room = bytearray(BLOCK)
    counted, began_s = 0, time.monotonic()
    counts_s = began_s + min(WARM_UP_S, seconds / 2)
    last_s = counts_s
    try:
        with wished(host, port, DATA) as link:
            while last_s < began_s + seconds:
                size = link.recv_into(room)
                last_s = time.monotonic()
                if not size:
                    break
                counted += size if last_s > counts_s else 0
    except OSError as error:
        say("broken", why=str(error))
    shares.append(Share(counted, max(last_s - counts_s, seconds / 2)))


def measure(host: str, port: int, seconds: float, channels: int) -> None:
    """Take over so many connections at once, and print what they brought together."""
    shares: List[Share] = []
    takers = [
        threading.Thread(target=take, args=(host, port, seconds, shares), daemon=True)
        for _ in range(channels)
    ]
    for taker in takers:
        taker.start()
    for taker in takers:
        while taker.is_alive():
            taker.join(1.0)
            say("waiting", what="%d connections" % channels)
    rate = sum(share.bytes / share.seconds for share in shares)
    say("carried", channels=channels, bytes_a_second=round(rate))


def pull(options: argparse.Namespace) -> int:
    """Compare the clocks, measure, and tell the server that this was all."""
    try:
        compare_clocks(options.host, options.port)
        for channels in (1, options.channels):
            measure(options.host, options.port, options.seconds, channels)
        wished(options.host, options.port, END).close()
    except OSError as error:
        say("error", what="%s:%d: %s" % (options.host, options.port, error))
        return 1
    return 0


def main(words: Sequence[str]) -> int:
    """Do what the command line says; the exit code is 1 where there is no connection."""
    reader = argparse.ArgumentParser(prog="throughput")
    ways = reader.add_subparsers(dest="way")
    serve = ways.add_parser("serve")
    serve.add_argument("--address", default="::")
    serve.add_argument("--port", type=int, default=0)
    serve.add_argument("--seconds", type=float, default=60.0)
    its_pull = ways.add_parser("pull")
    its_pull.add_argument("host")
    its_pull.add_argument("port", type=int)
    its_pull.add_argument("--seconds", type=float, default=5.0)
    its_pull.add_argument("--channels", type=int, default=4)
    options = reader.parse_args(words)
    if options.way == "pull":
        return pull(options)
    Server(options.address, options.port).run(options.seconds)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
