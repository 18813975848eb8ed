"""A host's pulse: CPU steal, iowait and the await of one disk, every few seconds all night.

One command that prints a line each time, so one SSH channel; it ends with the connection. Knows
the counters; must not know whom the readings are for.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable
from functools import cache
from importlib import resources
from typing import NamedTuple

from checks.check import Machine
from checks.host.sections import decimal
from checks.host.times import CpuShares, DiskRates, cpu_shares, disk_rates
from profiles.errors import DeadlineError, HostError

TRIED = "watch the host"
MARK = "@@ "


class Line(NamedTuple):
    """The counters at one moment."""

    up_s: float
    cpu: str
    disk: tuple[str, ...]


class Reading(NamedTuple):
    """What went on between two lines; None where it was not to be seen, or there was nothing."""

    cpu: CpuShares
    disk: DiskRates


async def pulse(
    machine: Machine,
    disk: str | None,
    every_s: float,
    on_reading: Callable[[Reading], None],
    deadline_s: float,
) -> None:
    """Hand on a reading every so many seconds; returns when ``deadline_s`` has passed.

    Raises HostError when it ends before, HostLostError among them, and ConnectError.
    """
    before: Line | None = None

    def heard(text: str) -> None:
        nonlocal before
        if (now := line(text)) is None:
            return
        if before is not None and (read := reading(before, now)) is not None:
            on_reading(read)
        before = now

    try:
        ran = await machine.run(shell_line(disk, every_s), deadline_s=deadline_s, on_line=heard)
    except DeadlineError:
        return
    except HostError as error:  # it would quote the whole script
        raise type(error)(error.where, TRIED, error.answered, error.remedy) from error
    answered = (ran.err.strip().splitlines() or [f"it ended with exit code {ran.code}"])[-1]
    raise HostError(machine.name, TRIED, answered)


def shell_line(disk: str | None, every_s: float) -> str:
    """The script and its arguments, for /bin/sh."""
    return f"set -- {shlex.join([f'{every_s:g}', disk or '-'])}\n{_script()}"


@cache
def _script() -> str:
    return resources.files("checks.host").joinpath("pulse.sh").read_text(encoding="utf-8")


def line(text: str) -> Line | None:
    """The counters of one line; None for anything else that was printed."""
    parts = text.removeprefix(MARK).split("|")
    up_s = decimal(parts[0]) if text.startswith(MARK) and len(parts) == 3 else None
    return None if up_s is None else Line(up_s, parts[1], tuple(parts[2].split()))


def reading(before: Line, now: Line) -> Reading | None:
    """What went on between them; None when no time has passed, or the host was started anew."""
    passed_s = now.up_s - before.up_s
    if passed_s <= 0:
        return None
    rates = disk_rates(before.disk, now.disk, passed_s)
    return Reading(cpu_shares(before.cpu, now.cpu), rates)
