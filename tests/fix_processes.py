"""Processes as /proc shows them, for tests that start some and must find them gone again."""

from __future__ import annotations

import os
import signal
from contextlib import suppress
from pathlib import Path

PROC = Path("/proc")


def words(pid: int) -> list[str]:
    """The command line; empty when the process is gone, or is only waiting to be buried."""
    try:
        return (PROC / str(pid) / "cmdline").read_text().split("\0")[:-1]
    except (FileNotFoundError, ProcessLookupError):
        return []


def environment(pid: int) -> str:
    """The environment as one text."""
    return (PROC / str(pid) / "environ").read_text()


def parent_of(pid: int) -> int:
    """The pid of the process that started it."""
    return int(_status(pid, "PPid"))


def rss_mib(pid: int) -> float:
    """The memory it has in RAM, MiB."""
    return int(_status(pid, "VmRSS").removesuffix("kB")) / 1024


def about(folder: Path) -> list[int]:
    """The processes that name the folder in their command line."""
    pids = [int(entry.name) for entry in PROC.iterdir() if entry.name.isdigit()]
    return [pid for pid in pids if str(folder) in words(pid)]


def end_all(folder: Path) -> None:
    """Kill every process that names the folder, until a keeper can start no engine any more."""
    while pids := about(folder):
        for pid in pids:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


def _status(pid: int, name: str) -> str:
    for line in (PROC / str(pid) / "status").read_text().splitlines():
        key, _, value = line.partition(":")
        if key == name:
            return value.strip()
    raise KeyError(name)
