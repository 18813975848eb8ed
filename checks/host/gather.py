"""Looks at a host: one script, in one round trip.

Knows how the script gets its arguments; must not know how the host is reached, nor what the
figures mean.
"""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from functools import cache
from importlib import resources
from typing import NamedTuple

from checks.check import Machine
from checks.host.parse import TRIED, parsed
from profiles.errors import DeadlineError, HostError
from profiles.machine import HostSeen

AT_MOST_S = 45.0
"""Beyond the watching: for logging in, and for every question that a host leaves unanswered."""


class Asked(NamedTuple):
    """A path to look at."""

    what: str
    """``data``, ``log``, ``temporary``, ``wal``."""
    path: str


async def gather(
    machine: Machine, name: str, places: Sequence[Asked], seconds: float, pid: int | None
) -> HostSeen:
    """What there is to see of a host, its counters watched for so many seconds.

    ``pid`` is the running server's, for its limits. Raises HostError, DeadlineError, ConnectError.
    """
    line = shell_line(places, seconds, pid)
    try:
        ran = await machine.run(line, deadline_s=AT_MOST_S + seconds)
    except DeadlineError as error:  # it would quote the whole script
        raise DeadlineError(error.where, TRIED, error.answered) from error
    except HostError as error:
        raise HostError(error.where, TRIED, error.answered, error.remedy) from error
    if ran.code != 0:
        answered = (ran.err.strip().splitlines() or [f"exit code {ran.code}"])[-1]
        raise HostError(machine.name, TRIED, answered)
    return parsed(name, ran.out)


def shell_line(places: Sequence[Asked], seconds: float, pid: int | None) -> str:
    """The script and its arguments, for /bin/sh."""
    words = [f"{seconds:g}", "-" if pid is None else str(pid)]
    words += [f"{place.what}={place.path}" for place in places]
    return f"set -- {shlex.join(words)}\n{_script()}"


@cache
def _script() -> str:
    return resources.files("checks.host").joinpath("facts.sh").read_text(encoding="utf-8")
