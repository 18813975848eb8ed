"""How long the things take that come before the first query: the connection, and TLS in it.

    python3 - HOST PORT [--no-tls]

The certificate is not looked at here: what is measured is the time. Without TLS nothing is said on
the connection: what listens there may not be PostgreSQL.
"""

import argparse
import socket
import ssl
import struct
import sys
import time
from typing import Any, Dict, Sequence

from checks.network.remote.lines import Address, resolved, say
from checks.network.remote.links import connected, since

SSL_REQUEST = struct.pack("!ii", 8, 80877103)
"""PostgreSQL manual, 55.2.10."""


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


def timed(address: Address, port: int, name: str, tls: bool) -> Dict[str, Any]:
    """How long the connection takes, and TLS in it."""
    found: Dict[str, Any] = {"address": address.number, "connect_ms": None, "tls_ms": None}
    began_s = time.monotonic()
    try:
        with connected(address, port) as link:
            found["connect_ms"] = since(began_s)
            if tls:
                found.update(under_tls(link, name))
    except OSError as error:
        found["why"] = error.strerror or str(error)
    return found


def main(words: Sequence[str]) -> int:
    """Measure; the exit code is 1 where the name is unknown."""
    reader = argparse.ArgumentParser(prog="timings")
    reader.add_argument("host")
    reader.add_argument("port", type=int)
    reader.add_argument("--no-tls", action="store_true")
    options = reader.parse_args(words)
    found = resolved(options.host, options.port)
    if not found.addresses:
        say("error", what="the name %s: %s" % (options.host, found.error))
        return 1
    for address in found.addresses:
        say("timed", **timed(address, options.port, options.host, not options.no_tls))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
