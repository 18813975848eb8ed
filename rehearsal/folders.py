"""A rehearsal's folder: its layout, its state file, its lock, and clearing up after a crash.

Every rehearsal has one folder with a fixed prefix under one root that ``nobody`` can enter too, so
that the next start finds what a killed one left. Liveness is the lock, never a pid.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import msgspec

from profiles.files import write_whole
from rehearsal.processes import Running, end_recorded, unprivileged
from rehearsal.wire import Conditions

PREFIX = "nightferry-rehearsal-"
BOX = "rehearsal.box"
"""In a night's folder: the folder of the rehearsal that it moves."""
YOUNG_S = 60.0
"""A folder without a lock file is left alone this long: it may be in the making."""

State = Literal["starting", "ready", "failed"]
Traffic = Literal["pgbouncer", "connection-file"]
Hosts = Literal["road", "ssh", "local"]
"""Three hosts on a road, this machine by SSH, or this machine as it is."""
DEFAULT_ROAD = Conditions(delay_ms=2.0, jitter_ms=0.2)
"""A town away."""


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """What is asked of a rehearsal when it is started."""

    pooler: bool | None = None
    """True: PgBouncer or fail. False: the connection file. None: PgBouncer where it can be had."""
    hosts: Hosts | None = None
    """None: a road where one can be made, else this machine by SSH."""
    replication: Literal["direct", "tunnel"] = "direct"
    """Whether the profile has the new server reach the old one through SSH."""
    rows: int = 20_000
    """Old events in the event log, about 1.6 kB each."""
    writers: int = 8
    rate: float = 300.0
    """Writes a second, of all writers together."""
    idle_s: float = 1800.0
    """It ends by itself when nobody has touched its keepalive file for so long."""


class BoxState(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a rehearsal from outside: the content of ``box.json``."""

    state: State
    error: str = ""
    traffic: Traffic = "connection-file"
    traffic_why: str = ""
    """Why there is no PgBouncer; empty when there is one, or none was wanted."""
    hosts: Hosts = "local"
    road_why: str = ""
    """Why there is no road; empty when there is one, or none was wanted."""
    road: Conditions | None = None
    """What the road is like; None where there is none."""
    old_port: int = 0
    new_port: int = 0
    pool_port: int = 0
    processes: tuple[Running, ...] = ()
    faults: tuple[str, ...] = ()
    """Those that are at work, by their names."""


def stands_on(state: BoxState) -> str:
    """In a line: what the hosts of a rehearsal are, and why they are no more than that."""
    match state.hosts:
        case "road":
            return "Its three hosts stand on a road, reached by SSH through a jump host alone."
        case "ssh":
            why = f" No road: {state.road_why}." if state.road_why else ""
            return f"It is all on this machine, reached by SSH.{why}"
        case "local":
            return "It is all on this machine."


@dataclass(frozen=True)
class Layout:
    """Where everything of a rehearsal is."""

    folder: Path

    @property
    def lock(self) -> Path:
        """Held by the supervisor as long as it lives."""
        return self.folder / "lock"

    @property
    def state(self) -> Path:
        """The `BoxState`."""
        return self.folder / "box.json"

    @property
    def settings(self) -> Path:
        """The `Settings`."""
        return self.folder / "settings.json"

    @property
    def profile(self) -> Path:
        """The profile for the wizard."""
        return self.folder / "profile.toml"

    @property
    def control(self) -> Path:
        """The UNIX socket that takes commands."""
        return self.folder / "control.sock"

    @property
    def keepalive(self) -> Path:
        """Touched by whoever uses the rehearsal."""
        return self.folder / "keepalive"

    @property
    def log(self) -> Path:
        """What the supervisor had to say."""
        return self.folder / "box.log"

    @property
    def ledger(self) -> Path:
        """The application's ledger."""
        return self.folder / "ledger.jsonl"

    @property
    def stats(self) -> Path:
        """The application's figures, written once a second."""
        return self.folder / "stats.json"

    @property
    def application(self) -> Path:
        """The application's configuration."""
        return self.folder / "application.json"

    @property
    def application_pid(self) -> Path:
        """The application's pid, for the reload command."""
        return self.folder / "application.pid"

    @property
    def connection_file(self) -> Path:
        """Where the application reads its database's address."""
        return self.folder / "app.env"

    @property
    def ssh(self) -> Path:
        """What an SSH client needs to reach the hosts."""
        return self.folder / "ssh"

    @property
    def ssh_config(self) -> Path:
        """The ssh_config of the hosts."""
        return self.ssh / "config"

    def host(self, name: str) -> Path:
        """The folder of one host: its SSH server's files, and a home."""
        return self.folder / "hosts" / name

    def secret(self, name: str) -> Path:
        """The file that holds one password."""
        return self.folder / "secret" / name

    def read_state(self) -> BoxState:
        """The state as it was last written; FileNotFoundError before that."""
        return msgspec.json.decode(self.state.read_bytes(), type=BoxState)

    def write_state(self, state: BoxState) -> None:
        """Put the state on disk, whole."""
        write_whole(self.state, msgspec.json.encode(state))


def root() -> Path:
    """Where rehearsals are kept: ``/var/tmp``, which is on disk, else the temporary folder."""
    lasting = Path("/var/tmp")
    return lasting if os.access(lasting, os.W_OK | os.X_OK) else Path(tempfile.gettempdir())


def make(under: Path) -> tuple[Layout, int]:
    """A new folder with its lock held; returns its layout and the lock's file descriptor.

    Only its owner can list it; under root, ``nobody`` can pass through it.
    """
    folder = Path(tempfile.mkdtemp(prefix=PREFIX, dir=under))
    layout = Layout(folder)
    lock = os.open(layout.lock, os.O_RDWR | os.O_CREAT, 0o600)
    fcntl.flock(lock, fcntl.LOCK_EX)
    layout.secret("").mkdir(mode=0o700)
    layout.keepalive.touch(mode=0o600)
    if unprivileged() is not None:
        folder.chmod(0o711)
    return layout, lock


def ours(under: Path) -> Iterator[Layout]:
    """The rehearsals of this user, dead or alive."""
    for folder in sorted(under.glob(f"{PREFIX}*")):
        try:
            status = folder.lstat()
        except FileNotFoundError:
            continue
        if folder.is_dir() and not folder.is_symlink() and status.st_uid == os.geteuid():
            yield Layout(folder)


def take_if_dead(layout: Layout) -> int | None:
    """The lock of a rehearsal whose supervisor is gone, now held by us; None when it lives."""
    try:
        lock = os.open(layout.lock, os.O_RDWR)
    except FileNotFoundError:
        return None
    if is_free(lock):
        return lock
    os.close(lock)
    return None


def is_free(lock: int) -> bool:
    """Whether nobody else holds the lock, by its file descriptor; it is ours then."""
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def is_alive(layout: Layout) -> bool:
    """Whether its supervisor lives."""
    lock = take_if_dead(layout)
    if lock is not None:
        os.close(lock)
    return lock is None and layout.lock.exists()


async def clean_up(under: Path) -> list[Path]:
    """End what dead rehearsals of this user left running, remove their folders, return those."""
    removed = []
    for layout in ours(under):
        lock = take_if_dead(layout)
        if lock is None and not _abandoned_early(layout):
            continue
        if layout.state.exists():
            await end_recorded(layout.read_state().processes)
        shutil.rmtree(layout.folder, ignore_errors=True)
        removed.append(layout.folder)
        if lock is not None:
            os.close(lock)
    return removed


def _abandoned_early(layout: Layout) -> bool:
    """Whether it was killed before it had a lock: no lock file, and not made just now."""
    try:
        age_s = time.time() - layout.folder.stat().st_mtime
        return age_s > YOUNG_S and not layout.lock.exists()
    except FileNotFoundError:
        return False
