"""PgBouncer for the rehearsal: found or fetched, configured as people do, started and ended.

Knows PgBouncer's files and process; nothing of the move. Where it cannot be had it says why.
"""

from __future__ import annotations

import shutil
import signal
import socket
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from profiles.errors import HostError
from rehearsal import debian
from rehearsal.binaries import can_run
from rehearsal.processes import HERE, THIS_MACHINE, Ground, Noted, spawn, stop, tail, until
from rehearsal.server import free_port

LOOPBACK = "127.0.0.1"
POOL = "shop"
ADMIN = "pooladmin"
PROGRAM_FOLDERS = "/usr/local/sbin:/usr/sbin:/sbin"
"""Where Debian puts it, which is not in an ordinary user's PATH."""
START_DEADLINE_S = 10.0
STOP_WAIT_S = 3.0

CONFIG = """\
;; The shop's pooler. Ask operations before changing this file!
;
[databases]
; maintenance jobs only, port={server_port} as well
shop_admin = host={server} port={server_port} dbname=postgres pool_size=2
{pool} = host={server} port={server_port} dbname={pool}
;shop_test = host=127.0.0.1 port=5433 dbname=shop

[pgbouncer]
listen_addr = {listen}
listen_port = {port}
unix_socket_dir = {folder}
# who may use the console
admin_users = {admin}
stats_users = reporting
auth_type = scram-sha-256
auth_file = {folder}/userlist.txt

pool_mode = transaction
default_pool_size = 20
max_client_conn = 200
;server_login_retry = 15
ignore_startup_parameters = extra_float_digits
logfile = {folder}/pgbouncer.log
pidfile = {folder}/pgbouncer.pid
"""


@dataclass(frozen=True)
class Program:
    """A PgBouncer that can be run; ``libraries`` is a folder it needs in LD_LIBRARY_PATH."""

    path: Path
    libraries: Path | None = None


def installed(folders: str | None = None) -> Program | None:
    """The PgBouncer of this machine, on the PATH or where packages put it; None without one."""
    for path in [folders] if folders is not None else [None, PROGRAM_FOLDERS]:
        if found := shutil.which("pgbouncer", path=path):
            return Program(Path(found))
    return None


def obtain(folder: Path, ground: Ground = HERE) -> tuple[Program | None, str]:
    """A PgBouncer that the servers' user can run, or None and why there is none.

    It is copied to ``folder`` where that user cannot enter the cache. Raises HostError where it
    can be fetched and that went wrong.
    """
    if found := installed():
        return found, ""
    if why := debian.available():
        return None, f"no pgbouncer on the PATH, and {why}"
    ready = debian.fetch(debian.cache_folder())
    program = Program(ready / "pgbouncer", ready / "lib")
    if not can_run(program.path, program.libraries, ground=ground):
        copy = folder / "programs" / "pgbouncer"
        if not copy.exists():
            shutil.copytree(ready, copy)
        program = Program(copy / "pgbouncer", copy / "lib")
    return program, ""


@dataclass(frozen=True)
class Ways:
    """Where a pooler is reached, and where it finds its server."""

    server_port: int
    server: str = LOOPBACK
    port: int = field(default_factory=free_port)
    listen: Sequence[str] = (LOOPBACK,)


def configure(folder: Path, ways: Ways, users: Mapping[str, str], ground: Ground = HERE) -> Path:
    """Write pgbouncer.ini and userlist.txt into a new folder; returns the path of the former."""
    folder.mkdir(mode=0o711)
    ground.give(folder)
    config, logins = folder / "pgbouncer.ini", folder / "userlist.txt"
    config.write_text(ini(folder, ways))
    config.chmod(0o644)
    logins.touch(mode=0o600)
    logins.write_text("".join(f"{_quoted(u)} {_quoted(p)}\n" for u, p in users.items()))
    ground.give(config)
    ground.give(logins)
    return config


def ini(folder: Path, ways: Ways) -> str:
    """The pgbouncer.ini, as somebody has kept it for years."""
    values = {**asdict(ways), "listen": ", ".join(ways.listen), "folder": folder}
    return CONFIG.format(pool=POOL, admin=ADMIN, **values)


def _quoted(text: str) -> str:
    """A word of the auth_file (PgBouncer's manual, "Authentication file format")."""
    return '"' + text.replace('"', '""') + '"'


class Pooler:
    """A PgBouncer that listens on the loopback address and on a socket in its folder."""

    def __init__(self, program: Program, folder: Path, ways: Ways, ground: Ground = HERE) -> None:
        self.program = program
        self.folder = folder
        self.ways = ways
        self.ground = ground
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def port(self) -> int:
        """Where its clients reach it."""
        return self.ways.port

    @property
    def config(self) -> Path:
        """Its pgbouncer.ini."""
        return self.folder / "pgbouncer.ini"

    async def start(self, users: Mapping[str, str], note: Noted | None = None) -> None:
        """Configure it, start it and wait until it listens; HostError when it does not.

        ``users`` are logins and their passwords; ``note`` is told of the process that is started.
        """
        configure(self.folder, self.ways, users, self.ground)
        libraries = self.program.libraries
        self.process = spawn(
            [self.program.path, self.config],
            folder=self.folder,
            log=self.folder / "start.log",
            env={"LD_LIBRARY_PATH": str(libraries)} if libraries else None,
            ground=self.ground,
        )
        if note is not None:
            note(self.process)
        await until(self._settled, START_DEADLINE_S)
        if not self._listens():
            await self.stop()
            raise HostError(THIS_MACHINE, "start PgBouncer", tail(self.folder / "start.log"))

    async def stop(self) -> None:
        """End it at once: SIGTERM would wait for its clients in newer versions."""
        if self.process is not None:
            await stop(self.process, signal.SIGQUIT, signal.SIGKILL, STOP_WAIT_S)
            self.process = None

    def _settled(self) -> bool:
        return self._listens() or self.process is None or self.process.poll() is not None

    def _listens(self) -> bool:
        with socket.socket(socket.AF_UNIX) as probe:
            return probe.connect_ex(str(self.folder / f".s.PGSQL.{self.port}")) == 0
