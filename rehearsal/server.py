"""One throwaway PostgreSQL: made, started, stopped, and gone with its folder.

Knows PostgreSQL's programs and files; nothing of what is kept in it. Every login needs a password.
"""

from __future__ import annotations

import signal
import socket
import subprocess
from collections.abc import Mapping
from pathlib import Path

import asyncpg  # type: ignore[import-untyped]

from profiles.errors import HostError
from rehearsal.processes import HERE, THIS_MACHINE, Ground, Noted, run, spawn, stop, tail, until

SUPERUSER = "postgres"
SETTINGS: Mapping[str, str] = {
    "listen_addresses": "127.0.0.1",
    "wal_level": "logical",
    "max_connections": "80",
    "max_wal_senders": "10",
    "max_replication_slots": "10",
    "max_logical_replication_workers": "8",
    "max_worker_processes": "16",
    "shared_buffers": "64MB",
    "max_wal_size": "2GB",
    "wal_init_zero": "off",
    "checkpoint_timeout": "15min",
    "timezone": "UTC",
    "log_line_prefix": "%m [%p] %q%u@%d ",
    "logging_collector": "on",
    "log_directory": "..",
    "log_filename": "server.log",
    "log_rotation_age": "0",
    "log_rotation_size": "0",
}
"""Durability is PostgreSQL's own: ``fsync`` and ``synchronous_commit`` stay on."""

INIT_DEADLINE_S = 60.0
START_DEADLINE_S = 60.0
STOP_WAIT_S = 10.0
PORT_TRIES = 5


def free_port() -> int:
    """A TCP port of the loopback address that nobody listened on a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


async def make(programs: Path, folder: Path, password: str, ground: Ground = HERE) -> None:
    """Make a cluster in ``folder``/data, for UTF-8, SCRAM everywhere; HostError when it fails."""
    secret = _password_file(folder, password, ground)
    options: list[str | Path] = [
        "-D",
        folder / "data",
        "-U",
        SUPERUSER,
        "-E",
        "UTF8",
        "--no-locale",
        "--no-sync",
    ]
    logins = ["--auth-local=scram-sha-256", "--auth-host=scram-sha-256", f"--pwfile={secret}"]
    log = folder / "initdb.log"
    argv = [programs / "initdb", *options, *logins]
    await run(argv, folder=folder, log=log, deadline_s=INIT_DEADLINE_S, ground=ground)
    secret.unlink()


def _password_file(folder: Path, password: str, ground: Ground) -> Path:
    folder.mkdir(mode=0o700)
    ground.give(folder)
    secret = folder / "password"
    secret.touch(mode=0o600)
    secret.write_text(password + "\n")
    ground.give(secret)
    return secret


def configure(folder: Path, settings: Mapping[str, str], hba: str | None = None) -> None:
    """Append settings to postgresql.conf (ALTER SYSTEM stays the wizard's), replace pg_hba.conf."""
    quoted = {name: value.replace("'", "''") for name, value in settings.items()}
    with (folder / "data" / "postgresql.conf").open("a") as conf:
        conf.writelines(f"{name} = '{value}'\n" for name, value in quoted.items())
    if hba is not None:
        (folder / "data" / "pg_hba.conf").write_text(hba)


class Server:
    """A PostgreSQL server that runs or can be started, on a cluster that `make` made."""

    def __init__(
        self, name: str, programs: Path, folder: Path, password: str, ground: Ground = HERE
    ) -> None:
        self.name = name
        self.programs = programs
        self.folder = folder
        self.password = password
        self.ground = ground
        self.port = 0
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def data(self) -> Path:
        """The data directory."""
        return self.folder / "data"

    @property
    def log(self) -> Path:
        """Where the server's messages go, as soon as it collects them."""
        return self.folder / "server.log"

    @property
    def first_words(self) -> Path:
        """What it says before that."""
        return self.folder / "start.log"

    async def start(self, note: Noted | None = None) -> None:
        """Start it on the port it had, or on a free one, and wait until it admits sessions.

        ``note`` is told of each process that is started. Raises HostError, with the end of its log,
        when it does not come up.
        """
        wanted = self.port
        for _ in range(PORT_TRIES):
            self.port = wanted or free_port()
            self.process = self._spawn()
            if note is not None:
                note(self.process)
            await until(self._settled, START_DEADLINE_S)
            if self._ready():
                return
            await self.stop()
            if "Address already in use" not in tail(self.log, 20):
                break
        said = f"{tail(self.first_words)}\n{tail(self.log)}".strip()
        raise HostError(THIS_MACHINE, f"start PostgreSQL {self.name}", said)

    async def stop(self) -> None:
        """Fast shutdown, after 10 s an immediate one; nothing to do when it does not run."""
        if self.process is not None:
            await stop(self.process, signal.SIGINT, signal.SIGQUIT, STOP_WAIT_S)
            self.process = None

    async def restart(self) -> None:
        """Stop it and start it again on the same port."""
        await self.stop()
        await self.start()

    async def connect(
        self, database: str = SUPERUSER, user: str = SUPERUSER, password: str | None = None
    ) -> asyncpg.Connection:
        """A session by the socket in its folder, wherever it runs; asyncpg's own errors."""
        return await asyncpg.connect(
            host=str(self.folder),
            port=self.port,
            user=user,
            password=password or self.password,
            database=database,
            ssl=False,
            timeout=10,
        )

    def _spawn(self) -> subprocess.Popen[bytes]:
        address = ["-p", str(self.port), "-k", str(self.folder)]
        return spawn(
            [self.programs / "postgres", "-D", self.data, *address],
            folder=self.folder,
            log=self.first_words,
            ground=self.ground,
        )

    def _settled(self) -> bool:
        return self._ready() or self.process is None or self.process.poll() is not None

    def _ready(self) -> bool:
        """Line 1 of postmaster.pid is the pid (a kill leaves the file there), line 8 the state."""
        if self.process is None or not (self.data / "postmaster.pid").exists():
            return False
        lines = (self.data / "postmaster.pid").read_text().splitlines()
        ours = lines[:1] == [str(self.process.pid)]
        return ours and len(lines) >= 8 and lines[7].strip() in ("ready", "standby")
