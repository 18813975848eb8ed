"""How long the way to each of several places takes: the time of a connection that opens.

    python3 - HOST PORT [HOST PORT ...]

The name is looked up before that, and not counted. A connection says nothing and is closed again;
there are so few of them that no server takes offence (MySQL blocks a host after 100 of them).
"""

import sys
import time
from typing import Any, Dict, List, Sequence

from checks.network.remote.lines import Address, resolved, say
from checks.network.remote.links import connected, since

TRIES = 3


def took(address: Address, port: int) -> float:
    """Milliseconds until a connection stands, the quickest of some; raises OSError."""
    tries: List[float] = []
    for _ in range(TRIES):
        began_s = time.monotonic()
        with connected(address, port):
            tries.append(since(began_s))
    return min(tries)


def trip(host: str, port: int) -> Dict[str, Any]:
    """How long the way takes to the first of its addresses that answers, or why to none."""
    found = resolved(host, port)
    why = found.error
    for address in found.addresses:
        try:
            return {"address": address.number, "took_ms": took(address, port)}
        except OSError as error:
            why = "%s: %s" % (address.number, error.strerror or error)
            say("waiting", what=why)
    return {"took_ms": None, "why": why}


def main(words: Sequence[str]) -> int:
    """Go to each place; what does not answer is said in its line."""
    for at in range(0, len(words), 2):
        host, port = words[at], int(words[at + 1])
        say("trip", host=host, port=port, **trip(host, port))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
