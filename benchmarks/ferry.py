"""The tunnel of the wizard's own sessions in a process of its own, as `ssh -N -L` is one.

    python -m benchmarks.ferry SSH_CONFIG SSH_HOST HOST PORT

Prints the local port that leads to HOST:PORT over a host of that ssh_config; ends with
its input.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence

from connections.ssh_link import Link
from connections.tunnel import Tunnel
from profiles.profile import SshHost


async def _no_secret(name: str) -> str | None:
    return None


async def main(words: Sequence[str]) -> None:
    """A tunnel until standard input ends. Raises what keeps it from opening."""
    config, through, host, port = words
    link = Link(through, SshHost(ssh=through, config=config), _no_secret)
    tunnel = Tunnel(link, (host, int(port)))
    await tunnel.open()
    try:
        print(tunnel.port, flush=True)
        await asyncio.to_thread(sys.stdin.read)
    finally:
        await tunnel.close()
        await link.close()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1:]))
