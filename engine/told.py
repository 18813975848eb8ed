"""The line between the engine and its keeper, for what the operator typed.

Held secrets go down once, as the engine starts; told ones go up as they are told. Standard library
only: the keeper is to stay tiny. Nothing here ever prints a value.
"""

from __future__ import annotations

import json
import socket

MAX_BYTES = 65536
GREETING_DEADLINE_S = 5.0
"""The keeper has sent what it holds before it starts the engine."""


def pair() -> tuple[socket.socket, socket.socket]:
    """The keeper's end and the engine's; one message stays one message."""
    return socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)


def hand_down(line: socket.socket, held: dict[str, str]) -> None:
    """The keeper's greeting: everything it holds, in one message."""
    line.sendall(json.dumps(held).encode())


def held(line: socket.socket) -> dict[str, str]:
    """The engine's first read: what the keeper holds. Raises OSError when there is none."""
    line.settimeout(GREETING_DEADLINE_S)
    message = line.recv(MAX_BYTES)
    line.settimeout(None)
    return dict(json.loads(message)) if message else {}


def send_up(line: socket.socket, name: str, value: str) -> None:
    """The engine was told a secret: let the keeper hold it too. Raises OSError when it is gone."""
    line.sendall(json.dumps([name, value]).encode(), socket.MSG_DONTWAIT)


def receive(line: socket.socket) -> tuple[str, str] | None:
    """The next secret the engine was told, waited for; None when the engine has gone."""
    try:
        message = line.recv(MAX_BYTES)
    except ConnectionError:
        return None
    if not message:
        return None
    name, value = json.loads(message)
    return name, value
