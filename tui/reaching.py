"""The machine that a command without a night looks at: this one, or one reached over SSH.

Knows the operator's own ~/.ssh/config and agent; there is nobody to ask for a secret.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from connections.host import Host


@asynccontextmanager
async def reached(ssh_host: str | None) -> AsyncIterator[Host]:
    """This machine, or the one that ~/.ssh/config and an agent lead to."""
    if ssh_host is None:
        from connections.host import ThisMachine

        yield ThisMachine()
        return
    from connections.ssh_host import RemoteMachine
    from connections.ssh_link import Link
    from profiles.profile import SshHost

    link = Link(ssh_host, SshHost(ssh=ssh_host), _no_secret)
    try:
        yield RemoteMachine(link)
    finally:
        await link.close()


async def _no_secret(name: str) -> str | None:
    """There is nobody to ask: what has a passphrase is in the agent, or is not used."""
    return None
