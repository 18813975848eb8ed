"""How long the things take that come before the first query: the name, the connection, TLS.

    python3 - HOST PORT

The resolvers of resolv.conf are asked one by one as well: where the first is dead, each look-up
waits for it. The certificate is not looked at here: what is measured is the time.
"""

import contextlib
import socket
import ssl
import struct
import sys
import time
from typing import Any, Dict, Iterator, List, Optional, Sequence

from checks.network.remote.lines import Address, resolved, say

PATIENCE_S = 2.0
DNS_PORT = 53
MOST_RESOLVERS = 3
"""The C library looks at no more of them (resolv.conf(5), MAXNS)."""
SSL_REQUEST = struct.pack("!ii", 8, 80877103)
"""PostgreSQL manual, 55.2.10."""


def resolvers(path: str = "/etc/resolv.conf") -> List[str]:
    """The name servers of this host, in order."""
    try:
        with open(path) as file:
            lines = [line.split() for line in file]
    except OSError:
        return []
    servers = [words[1] for words in lines if len(words) > 1 and words[0] == "nameserver"]
    return servers[:MOST_RESOLVERS]


def question(name: str) -> bytes:
    """A query for the IPv4 address of a name (RFC 1035, 4.1)."""
    labels = [label.encode("idna") for label in name.strip(".").split(".")]
    asked = b"".join(bytes([len(label)]) + label for label in labels)
    return struct.pack("!6H", 0x6E66, 0x0100, 1, 0, 0, 0) + asked + struct.pack("!BHH", 0, 1, 1)


def asked(server: str, name: str) -> Optional[float]:
    """How many milliseconds one name server takes for any answer; None when it gives none."""
    family = socket.AF_INET6 if ":" in server else socket.AF_INET
    began_s = time.monotonic()
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as link:
            link.settimeout(PATIENCE_S / 2)
            link.connect((server, DNS_PORT))
            link.send(question(name))
            link.recv(4096)
    except (OSError, UnicodeError):
        return None
    return since(began_s)


def since(began_s: float) -> float:
    """Milliseconds since then."""
    return round((time.monotonic() - began_s) * 1e3, 3)


@contextlib.contextmanager
def connected(address: Address, port: int) -> Iterator[socket.socket]:
    """A connection; raises OSError."""
    with socket.socket(address.family, socket.SOCK_STREAM) as link:
        link.settimeout(PATIENCE_S)
        link.connect((address.number, port))
        yield link


def under_tls(link: socket.socket, name: str) -> Dict[str, Any]:
    """How long the handshake takes, with the question before it that PostgreSQL wants."""
    began_s = time.monotonic()
    link.sendall(SSL_REQUEST)
    if link.recv(1) != b"S":
        return {"tls_ms": None, "tls": "not offered"}
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    with context.wrap_socket(link, server_hostname=name) as wrapped:
        return {"tls_ms": since(began_s), "tls": wrapped.version()}


def timed(address: Address, port: int, name: str) -> Dict[str, Any]:
    """How long the connection takes, and TLS in it."""
    found: Dict[str, Any] = {"address": address.number, "connect_ms": None, "tls_ms": None}
    began_s = time.monotonic()
    try:
        with connected(address, port) as link:
            found["connect_ms"] = since(began_s)
            found.update(under_tls(link, name))
    except OSError as error:
        found["why"] = error.strerror or str(error)
    return found


def main(words: Sequence[str]) -> int:
    """Measure; the exit code is 1 where the name is unknown."""
    name, port = words[0], int(words[1])
    for server in resolvers():
        say("resolver", address=server, took_ms=asked(server, name))
    found = resolved(name, port)
    if not found.addresses:
        say("error", what="the name %s: %s" % (name, found.error))
        return 1
    say("resolved", took_ms=round(found.took_ms, 3), addresses=[a.number for a in found.addresses])
    for address in found.addresses:
        say("timed", **timed(address, port, name))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
