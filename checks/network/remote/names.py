"""How long a host takes to look a name up, and whether each of its name servers answers.

    python3 - HOST

The resolvers of resolv.conf are asked one by one as well: where the first is dead, each look-up
waits for it.
"""

import socket
import struct
import sys
import time
from typing import List, Optional, Sequence

from checks.network.remote.lines import resolved, say
from checks.network.remote.links import PATIENCE_S, since

DNS_PORT = 53
MOST_RESOLVERS = 3
"""The C library looks at no more of them (resolv.conf(5), MAXNS)."""


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


def main(words: Sequence[str]) -> int:
    """Look up; the exit code is 1 where the name is unknown."""
    name = words[0]
    for server in resolvers():
        say("resolver", address=server, took_ms=asked(server, name))
    found = resolved(name, 0)
    if not found.addresses:
        say("error", what="the name %s: %s" % (name, found.error))
        return 1
    say("resolved", took_ms=round(found.took_ms, 3), addresses=[a.number for a in found.addresses])
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
