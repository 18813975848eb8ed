"""Real OpenSSH servers on the places of a road, and the gate before them.

Each runs as its place's ordinary user, who stands in a passwd file that only that place sees, and
admits the rehearsal's key. Knows OpenSSH's programs and files; nothing of what runs on the hosts.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from shlex import quote

from profiles.errors import HostError
from rehearsal.processes import THIS_MACHINE, Noted, spawn, tail, until
from rehearsal.road import USER, Place
from rehearsal.sshconfig import LOGIN

PORT = 2222
SBIN = "/usr/local/sbin:/usr/sbin:/sbin"
KEY_DEADLINE_S = 10.0
START_DEADLINE_S = 10.0
LISTENS = "Server listening"
BACKLOG = 100
REMEDY = "Install it (Debian: openssh-server), or do without the road."


def program(name: str) -> str:
    """Where a program of OpenSSH is; only root has the folder of sshd in the PATH.

    Raises HostError where there is none.
    """
    found = shutil.which(name, path=f"{os.environ.get('PATH', os.defpath)}:{SBIN}")
    if found is None:
        raise HostError(THIS_MACHINE, f"find {name}", "there is none", REMEDY)
    return found


async def make_key(file: Path) -> str:
    """A key without a passphrase, for a host or a client; its public half. Raises HostError."""
    argv = [program("ssh-keygen"), "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", str(file)]
    try:
        ran = await asyncio.to_thread(
            subprocess.run, argv, capture_output=True, text=True, timeout=KEY_DEADLINE_S
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise HostError(THIS_MACHINE, "make a key for SSH", str(error)) from error
    if ran.returncode:
        raise HostError(THIS_MACHINE, "make a key for SSH", ran.stderr.strip())
    return file.with_suffix(".pub").read_text().strip()


class Sshd:
    """The SSH server of one place; its folder holds the home of whoever logs in there."""

    def __init__(self, place: Place, folder: Path, address: str = "") -> None:
        """Without an address it listens nowhere: each connection is handed to one of its own."""
        self.place = place
        self.folder = folder
        self.address = address
        self.key = ""
        """The public half of the host's key, once it is prepared."""

    @property
    def log(self) -> Path:
        """What it says."""
        return self.folder / "sshd.log"

    def argv(self, *options: str) -> list[str]:
        """Its command line, on its place."""
        return [program("sshd"), *options, "-e", "-f", str(self.folder / "sshd_config")]

    async def prepare(self, client_key: str, names: Mapping[str, str]) -> None:
        """Make its files, and have the place see its user and the names of the hosts.

        Raises HostError.
        """
        home = self.folder / "home"
        (home / ".ssh").mkdir(mode=0o700, parents=True)
        home.chmod(0o700)
        admitted = home / ".ssh" / "authorized_keys"
        admitted.write_text(f"{client_key}\n")
        admitted.chmod(0o600)
        (self.folder / "sshd_config").write_text(config(self.folder, self.address))
        (self.folder / "passwd").write_text(passwd(home))
        (self.folder / "group").write_text(f"{LOGIN}:x:{USER}:\n")
        (self.folder / "hosts").write_text(hosts(names))
        furnishing = asyncio.to_thread(self.place.furnish, furniture(self.folder))
        self.key, _ = await asyncio.gather(make_key(self.folder / "host_key"), furnishing)

    async def start(self, note: Noted) -> None:
        """Start it and wait until it listens; HostError when it does not."""
        process = spawn(self.argv("-D"), folder=self.folder, log=self.log, ground=self.place.ground)
        note(process)
        await until(lambda: self._listens() or process.poll() is not None, START_DEADLINE_S)
        if not self._listens():
            raise HostError(self.place.name, "start sshd", tail(self.log))

    def _listens(self) -> bool:
        return LISTENS in self.log.read_text(errors="replace")


class Gate:
    """A port of this machine's loopback address, behind which the sshd of a place answers.

    A socket stays in the network where it was made: each connection is accepted here, and handed
    to a process over there.
    """

    def __init__(self, sshd: Sshd) -> None:
        self._sshd = sshd
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=BACKLOG)
        self._listener.setblocking(False)
        self._answering: set[asyncio.Task[int]] = set()
        self._accepting = asyncio.create_task(self._accept())

    @property
    def port(self) -> int:
        """Where it listens."""
        port: int = self._listener.getsockname()[1]
        return port

    async def close(self) -> None:
        """Let nobody in any more, and wait for those who are: their place must have ended."""
        self._accepting.cancel()
        self._listener.close()
        await asyncio.gather(self._accepting, *self._answering, return_exceptions=True)

    async def _accept(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            connection, _ = await loop.sock_accept(self._listener)
            answering = asyncio.create_task(self._answer(connection))
            self._answering.add(answering)
            answering.add_done_callback(self._answering.discard)

    async def _answer(self, connection: socket.socket) -> int:
        connection.setblocking(True)
        with connection, self._sshd.log.open("ab") as log:
            process = await asyncio.create_subprocess_exec(
                *self._sshd.place.ground.entering,
                *self._sshd.argv("-i"),
                stdin=connection.fileno(),
                stdout=connection.fileno(),
                stderr=log,
                start_new_session=True,
            )
        return await process.wait()


def config(folder: Path, address: str) -> str:
    """An sshd_config(5): keys alone, and the PATH of whoever started the rehearsal."""
    path = f"{Path(sys.executable).parent}:{os.environ.get('PATH', os.defpath)}"
    listen = f"ListenAddress {address}\nPort {PORT}\n" if address else ""
    return f"""\
{listen}HostKey {folder}/host_key
AuthorizedKeysFile .ssh/authorized_keys
PasswordAuthentication no
KbdInteractiveAuthentication no
UsePAM no
PidFile none
PrintMotd no
MaxStartups 100
SetEnv "PATH={path}"
"""


def passwd(home: Path) -> str:
    """A passwd(5) with nobody else in it."""
    return f"{LOGIN}:x:{USER}:{USER}::{home}:/bin/sh\n"


def hosts(names: Mapping[str, str]) -> str:
    """A hosts(5) of these names, each with its address."""
    lines = [f"{address} {name}\n" for name, address in names.items()]
    return "".join(["127.0.0.1 localhost\n", "::1 localhost\n", *lines])


def furniture(folder: Path) -> str:
    """What a place sees otherwise: its user, the hosts, no resolver; terminals and shared memory
    of its own, which go with it."""
    names = ("passwd", "group", "hosts")
    return "\n".join(
        [
            *[f"mount --bind {quote(str(folder / name))} /etc/{name}" for name in names],
            "[ ! -e /etc/resolv.conf ] || mount --bind /dev/null /etc/resolv.conf",
            "mount -t tmpfs none /dev/shm",
            "mount -t devpts -o ptmxmode=666 none /dev/pts",
            "[ -L /dev/ptmx ] || mount --bind /dev/pts/ptmx /dev/ptmx",
        ]
    )
