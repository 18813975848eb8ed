"""What every script here begins with: saying lines, and asking what a name stands for.

A line goes out at least once a second while anything is waited for: who is gone is noticed by that.
"""

import json
import os
import socket
import sys
import threading
import time
from typing import Any, Dict, List, NamedTuple

RESOLVE_S = 15.0


class Address(NamedTuple):
    """One of the addresses of a name."""

    family: int
    number: str


class Resolved(NamedTuple):
    """What a name stands for, in the resolver's order; with why not, where it is nothing."""

    addresses: List[Address]
    took_ms: float
    error: str = ""


def say(event: str, **fields: Any) -> None:
    """Print one event, or end quietly where nobody reads it any more."""
    line: Dict[str, Any] = {"event": event}
    line.update(fields)
    try:
        sys.stdout.write(json.dumps(line) + "\n")
        sys.stdout.flush()
    except OSError:
        os._exit(0)


def resolved(host: str, port: int, family: int = 0) -> Resolved:
    """Ask the resolver, and say every second that it has not answered yet."""
    answers: List[Resolved] = []
    began_s = time.monotonic()
    asking = threading.Thread(target=lambda: answers.append(looked_up(host, port, family)))
    asking.daemon = True
    asking.start()
    while not answers and time.monotonic() < began_s + RESOLVE_S:
        asking.join(1.0)
        if asking.is_alive():
            say("waiting", what="the address of %s" % host)
    if answers:
        return answers[0]
    return Resolved([], RESOLVE_S * 1e3, "no answer within %.0f s" % RESOLVE_S)


def looked_up(host: str, port: int, family: int) -> Resolved:
    """Ask the resolver, however long that takes."""
    began_s = time.monotonic()
    try:
        found = socket.getaddrinfo(host, port, family, socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        return Resolved([], (time.monotonic() - began_s) * 1e3, str(error))
    addresses: List[Address] = []
    for its_family, _, _, _, where in found:
        address = Address(its_family, str(where[0]))
        if address not in addresses:
            addresses.append(address)
    return Resolved(addresses, (time.monotonic() - began_s) * 1e3)
