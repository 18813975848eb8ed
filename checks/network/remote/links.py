"""A connection to one address, within a time, and how long what is done takes."""

import contextlib
import socket
import time
from typing import Iterator

from checks.network.remote.lines import Address

PATIENCE_S = 2.0


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
