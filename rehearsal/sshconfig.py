"""How a rehearsal's hosts are reached by SSH: the ssh_config and known_hosts of its own.

Texts only; nothing of the operator's ``~/.ssh`` is read or written.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

LOGIN = "ferry"
"""Whom everybody is on a host of a rehearsal."""
GATE = "gate"


def alias(name: str) -> str:
    """What the host under a server or pooler of that name is called in the ssh_config."""
    return f"{name}-host"


@dataclass(frozen=True)
class Door:
    """Where the SSH server of a host answers, as seen from the host before it on the way."""

    name: str
    """Its alias."""
    address: str
    port: int
    key: str
    """Its public key, in one line."""
    jump: str = ""
    """The alias of the host before it."""


def config(doors: Sequence[Door], folder: Path) -> str:
    """An ssh_config(5); the key and known_hosts are in ``folder``."""
    return "\n".join([*map(_host, doors), _every(folder)])


def known_hosts(doors: Sequence[Door]) -> str:
    """The key of every host."""
    lines = [f"[{door.address}]:{door.port} {door.key.strip()}\n" for door in doors]
    return "".join(dict.fromkeys(lines))


def _host(door: Door) -> str:
    jump = f"    ProxyJump {door.jump}\n" if door.jump else ""
    return f"Host {door.name}\n    HostName {door.address}\n    Port {door.port}\n{jump}"


def _every(folder: Path) -> str:
    return f"""\
Host *
    User {LOGIN}
    IdentityFile {folder}/key
    IdentitiesOnly yes
    IdentityAgent none
    UserKnownHostsFile {folder}/known_hosts
    GlobalKnownHostsFile /dev/null
    StrictHostKeyChecking yes
    UpdateHostKeys no
"""
