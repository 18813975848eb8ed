"""Real OpenSSH servers on both hosts of a road, and the ssh_config that knows them."""

from __future__ import annotations

import subprocess
from contextlib import ExitStack
from pathlib import Path

from rehearsal.road import Road
from rehearsal.sshconfig import Door, config, known_hosts
from rehearsal.sshd import PORT, Sshd, make_key

LOOPBACK = "127.0.0.1"


async def serve_ssh(laid: Road, folder: Path, stack: ExitStack) -> Path:
    """An SSH server on each until the end of the stack; the ssh_config in that folder.

    The near host has its at its loopback address. Raises HostError.
    """
    key = await make_key(folder / "key")
    doors = []
    for place, address in ((laid.near, LOOPBACK), (laid.far, laid.far_address)):
        home = folder / place.name
        home.mkdir()
        server = Sshd(place, home, address)
        await server.prepare(key, {})
        await server.start(lambda process: _until_the_end(stack, process))
        doors.append(Door(place.name, address, PORT, server.key))
    (folder / "known_hosts").write_text(known_hosts(doors))
    file = folder / "ssh_config"
    file.write_text(config(doors, folder))
    return file


def _until_the_end(stack: ExitStack, process: subprocess.Popen[bytes]) -> None:
    stack.callback(process.wait)
    stack.callback(process.kill)
