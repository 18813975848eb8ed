"""Starting, recognising and ending the processes of a rehearsal, as root or not.

Knows processes of this machine only, nothing of databases. PostgreSQL and PgBouncer refuse to run
as root, so under root they run as ``nobody``; in a user namespace nobody is root to them.
"""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from profiles.errors import HostError

THIS_MACHINE = "this machine"
Noted = Callable[[subprocess.Popen[bytes]], None]
"""Told of a process the moment it runs."""
Recorder = Callable[[str], Noted]
"""Gives who is told of a process of that name."""
NOBODY = 65534
"""The uid and gid of ``nobody`` on Linux (overflowuid)."""


class Running(msgspec.Struct, frozen=True, kw_only=True):
    """A process as it is recorded on disk; the start time tells it from a later one of that pid."""

    name: str
    pid: int
    started: int
    """Clock ticks since boot (proc(5), /proc/pid/stat, field 22)."""


def unprivileged() -> int | None:
    """The uid that servers run as: ``nobody`` under root, None for whoever we are already."""
    return NOBODY if os.geteuid() == 0 else None


@dataclass(frozen=True)
class Ground:
    """Where processes run, and as whom: this machine, or a place that is entered first."""

    entering: tuple[str, ...] = ()
    """What a command line begins with there; whoever entered has no right beyond our own."""

    @property
    def user(self) -> int | None:
        """The uid that servers change to: on a place root is not seen, and nobody changes."""
        return None if self.entering else unprivileged()

    def give(self, path: Path) -> None:
        """Make the servers' user the owner of a file or folder, where that is not us."""
        if (uid := self.user) is not None:
            os.chown(path, uid, uid)


HERE = Ground()
"""This machine, as it is."""


def give(path: Path) -> None:
    """Make the unprivileged user the owner of a file or folder; nothing to do unless root."""
    HERE.give(path)


def clean_environment(home: Path, extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """An environment without the caller's ``PG*`` variables, locale or time zone."""
    path = os.environ.get("PATH", os.defpath)
    return {"PATH": path, "HOME": str(home), "LC_ALL": "C", "TZ": "UTC", **(extra or {})}


def spawn(
    argv: Sequence[str | Path],
    *,
    folder: Path,
    log: Path,
    env: Mapping[str, str] | None = None,
    as_ourselves: bool = False,
    keep: Sequence[int] = (),
    ground: Ground = HERE,
) -> subprocess.Popen[bytes]:
    """Start a process in a session of its own, its output in ``log``, as the unprivileged user.

    ``keep`` are file descriptors that it inherits. Raises HostError when it cannot be executed.
    """
    uid = None if as_ourselves else ground.user
    with log.open("ab") as out:
        try:
            return subprocess.Popen(
                [*ground.entering, *map(str, argv)],
                cwd=folder,
                env=clean_environment(folder, env),
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                pass_fds=keep,
                user=uid,
                group=uid,
                extra_groups=None if uid is None else [],
            )
        except OSError as error:
            raise HostError(THIS_MACHINE, f"start {argv[0]}", str(error)) from error


def spawn_module(
    module: str,
    *words: str | Path,
    folder: Path,
    log: Path,
    keep: Sequence[int] = (),
    ground: Ground = HERE,
) -> subprocess.Popen[bytes]:
    """Start a module of ours with this interpreter, as ourselves, wherever we are installed.

    It has a home of its own, and our cache: what was fetched once is not fetched again.
    """
    paths = [str(Path(__file__).parents[1]), os.environ.get("PYTHONPATH", "")]
    cache = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    here = {"PYTHONPATH": os.pathsep.join(filter(None, paths)), "XDG_CACHE_HOME": cache}
    argv = [sys.executable, "-P", "-m", module, *words]
    return spawn(
        argv, folder=folder, log=log, env=here, as_ourselves=True, keep=keep, ground=ground
    )


async def run(
    argv: Sequence[str | Path],
    *,
    folder: Path,
    log: Path,
    deadline_s: float,
    ground: Ground = HERE,
) -> None:
    """Run a process to its end; raises HostError when it fails or outlasts the deadline."""
    process = spawn(argv, folder=folder, log=log, ground=ground)
    if not await until(lambda: process.poll() is not None, deadline_s):
        process.kill()
        process.wait()
        raise HostError(THIS_MACHINE, f"run {argv[0]}", f"no end within {deadline_s:g} s")
    if process.returncode != 0:
        said = f"exit code {process.returncode}: {tail(log)}"
        raise HostError(THIS_MACHINE, f"run {argv[0]}", said)


async def until(condition: Callable[[], bool], deadline_s: float, every_s: float = 0.01) -> bool:
    """Wait for a condition; false when it does not come true within the deadline."""
    end = time.monotonic() + deadline_s
    while not condition():
        if time.monotonic() > end:
            return False
        await asyncio.sleep(every_s)
    return True


async def stop(
    process: subprocess.Popen[bytes], gently: signal.Signals, firmly: signal.Signals, wait_s: float
) -> None:
    """End a process: gently, after ``wait_s`` firmly, after ``wait_s`` more by SIGKILL."""
    for sent in (gently, firmly, signal.SIGKILL):
        if process.poll() is not None:
            return
        process.send_signal(sent)
        if await until(lambda: process.poll() is not None, wait_s):
            return
    process.wait()


def record(name: str, process: subprocess.Popen[bytes]) -> Running | None:
    """What is written down of a process we started; None when it is gone already."""
    started = start_time(process.pid)
    return None if started is None else Running(name=name, pid=process.pid, started=started)


def start_time(pid: int) -> int | None:
    """When a process was started, in clock ticks since boot; None when it is gone or a zombie."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return None
    state, *fields = text.rpartition(")")[2].split()
    return None if state in "ZX" else int(fields[18])


def is_running(process: Running) -> bool:
    """Whether that very process lives, and not another one that got its pid."""
    return start_time(process.pid) == process.started


async def end_recorded(recorded: Iterable[Running], wait_s: float = 3.0) -> list[Running]:
    """End processes known from disk only: SIGQUIT, after ``wait_s`` SIGKILL; returns who lived.

    SIGQUIT is PostgreSQL's immediate shutdown (it takes its children along) and ends PgBouncer.
    """
    living = [process for process in recorded if is_running(process)]
    for sent in (signal.SIGQUIT, signal.SIGKILL):
        for process in filter(is_running, living):
            os.kill(process.pid, sent)
        if await until(lambda: not any(map(is_running, living)), wait_s):
            break
    return living


def tail(log: Path, lines: int = 5) -> str:
    """The last lines of a log, for an error message; empty when there is none."""
    if not log.exists():
        return ""
    return "\n".join(log.read_text(encoding="utf-8", errors="replace").splitlines()[-lines:])
