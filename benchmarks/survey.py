"""One look at a host over SSH, in a process of its own on the near host of a road.

    python -m benchmarks.survey script|files SSH_CONFIG SSH_HOST SECONDS

Logs in, says how long that took, and looks when it is told to by a line; then says how long that
took, each time as a line of JSON. ``script`` is Nightferry's own look, ``files`` an ``ssh`` for
each file, over a connection that is kept.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec

from checks.host.gather import gather
from connections.ssh_host import RemoteMachine
from connections.ssh_link import Link
from profiles.errors import HostError
from profiles.profile import SshHost
from tui.surveying import PLACES

COUNTERS = ("/proc/uptime", "/proc/stat", "/proc/diskstats")
"""Read a second time when they have been watched."""
FILES = (
    "/etc/os-release",
    "/proc/cpuinfo",
    "/proc/1/cgroup",
    "/proc/meminfo",
    "/sys/kernel/mm/transparent_hugepage/enabled",
    "/sys/devices/system/clocksource/clocksource0/current_clocksource",
    "/proc/self/mountinfo",
    "/etc/resolv.conf",
    "/proc/net/tcp",
    "/proc/net/tcp6",
    *COUNTERS,
)
"""Of those that the script reads, the ones with a name of their own: fewer than it reads."""
PATIENCE_S = 20.0


class Told(msgspec.Struct, frozen=True):
    """How long it took, in seconds; of the look, how many lines were run there."""

    took_s: float
    asked: int = 0


def _tell(told: Told) -> None:
    print(msgspec.json.encode(told).decode(), flush=True)


async def script(config: str, far: str, seconds: float) -> None:
    """Log in and look as Nightferry does. Raises NightferryError."""
    link = Link(far, SshHost(ssh=far, config=config), _no_secret)
    try:
        began_s = time.monotonic()
        await link.open()
        _tell(Told(time.monotonic() - began_s))
        await asyncio.to_thread(sys.stdin.readline)
        began_s = time.monotonic()
        await gather(RemoteMachine(link), far, PLACES, seconds, None)
        _tell(Told(time.monotonic() - began_s, 1))
    finally:
        await link.close()


async def _no_secret(name: str) -> str | None:
    return None


def files(config: str, far: str, seconds: float) -> None:
    """Log in and look as one does by hand. Raises HostError."""
    with tempfile.TemporaryDirectory() as folder:
        ssh = ["ssh", "-F", config, "-S", str(Path(folder) / "kept")]
        began_s = time.monotonic()
        _ran([*ssh, "-M", "-f", "-N", far])
        _tell(Told(time.monotonic() - began_s))
        try:
            sys.stdin.readline()
            began_s = time.monotonic()
            asked = _each(lambda path: _ran([*ssh, far, f"cat {path}"]), seconds)
            _tell(Told(time.monotonic() - began_s, asked))
        finally:
            _ran([*ssh, "-q", "-O", "exit", far])


def _each(ask: Callable[[str], None], seconds: float) -> int:
    """Ask for every file, and for the counters again; how many times that was."""
    for path in FILES:
        ask(path)
    time.sleep(seconds)
    for path in COUNTERS:
        ask(path)
    return len(FILES) + len(COUNTERS)


def _ran(words: Sequence[str]) -> None:
    ran = subprocess.run(
        words, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, timeout=PATIENCE_S, check=False
    )
    if ran.returncode:
        raise HostError("the near host", f"run {' '.join(words)}", f"exit code {ran.returncode}")


def main(words: Sequence[str]) -> None:
    """Look the way the command line says."""
    way, config, far, seconds = words
    if way == "script":
        asyncio.run(script(config, far, float(seconds)))
    else:
        files(config, far, float(seconds))


if __name__ == "__main__":
    main(sys.argv[1:])
