"""Processes as /proc shows them (proc(5)): who belongs to a folder, what one of them costs."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

PROC = Path("/proc")
GONE = (FileNotFoundError, ProcessLookupError, PermissionError)
LOOK_AGAIN_S = 0.05


def about(places: Sequence[Path]) -> dict[int, str]:
    """The processes that name one of the folders or work in it, each with its command line.

    Supervisor, application, pooler and engine name one in their command line; the processes of a
    server have their data folder as working directory, even after it was removed.
    """
    pids = [int(entry.name) for entry in PROC.iterdir() if entry.name.isdigit()]
    found = {pid: _words(pid) for pid in pids if pid != os.getpid()}
    wanted = [str(place) for place in places]
    return {
        pid: words or "(no command line)"
        for pid, words in found.items()
        if any(place in f"{words} {_working_directory(pid)}" for place in wanted)
    }


def left(places: Sequence[Path], patience_s: float) -> list[str]:
    """The command lines of those that are still there after so many seconds."""
    until = time.monotonic() + patience_s
    while (found := about(places)) and time.monotonic() < until:
        time.sleep(LOOK_AGAIN_S)
    return list(found.values())


def end_all(places: Sequence[Path]) -> None:
    """Kill whoever belongs to one of the folders."""
    for pid in about(places):
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def memory_mib(pid: int) -> float:
    """The most memory it has had in RAM, MiB (VmHWM)."""
    for line in (PROC / str(pid) / "status").read_text().splitlines():
        name, _, value = line.partition(":")
        if name == "VmHWM":
            return int(value.removesuffix("kB")) / 1024
    raise ProcessLookupError(pid)


def processor_s(pid: int) -> float:
    """The processor time it has used so far, seconds: user and system."""
    fields = (PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _words(pid: int) -> str:
    with suppress(*GONE):
        return (PROC / str(pid) / "cmdline").read_text(errors="replace").replace("\0", " ").strip()
    return ""


def _working_directory(pid: int) -> str:
    with suppress(*GONE):
        return str((PROC / str(pid) / "cwd").readlink())
    return ""
