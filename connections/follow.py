"""A server's log, followed line by line from a point on, through whatever its host goes through.

Knows files that grow, and are replaced when they are rotated; not what their lines mean.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from shlex import quote

from connections.host import Host
from profiles.errors import DeadlineError, HostError, HostLostError, UnreachableError
from profiles.secrets import masked

LOOK_S = 10.0
AGAIN_S = 1.0
"""Between a connection that died and the next attempt to follow the file on a new one."""


async def where_it_ends(host: Host, path: str) -> int:
    """The size of a log now, in bytes: the point from which it may be followed later.

    Raises HostError when it cannot be read.
    """
    there = quote(path)
    line = f"export LC_ALL=C; head -c 0 -- {there} && stat -L -c %s -- {there}"
    ran = await host.run(line, deadline_s=LOOK_S)
    if ran.code:
        said = ran.err.strip().splitlines()
        answered = masked(said[-1]) if said else f"exit code {ran.code}"
        remedy = "Give its path in full, and a sudo_user for the host who may read it."
        raise HostError(host.name, f"follow {path}", answered, remedy)
    return int(ran.out)


async def follow(
    host: Host, path: str, since: int, on_line: Callable[[str], None], *, deadline_s: float
) -> None:
    """Hands on every line after the first ``since`` bytes, secrets masked, until the deadline.

    It goes on where it was when the connection died meanwhile, and with the new file when the log
    was rotated. Ended by cancelling it, too. Raises HostError, ConnectError and SecretError.
    """
    loop = asyncio.get_running_loop()
    end = loop.time() + deadline_s
    told = _Told(since, on_line)
    while (left_s := end - loop.time()) > 0:
        told.begin()
        try:
            ran = await host.run(told.line(path), deadline_s=left_s, on_line=told.hear)
        except DeadlineError:
            return
        except (HostLostError, UnreachableError):
            await asyncio.sleep(min(AGAIN_S, left_s))
        else:
            said = f"tail ended with exit code {ran.code}"
            raise HostError(host.name, f"follow {path}", said, "Look whether the file is there.")


class _Told:
    """How far the lines were handed on, so that none is lost or told twice."""

    def __init__(self, since: int, on_line: Callable[[str], None]) -> None:
        self._since = since
        self._on_line = on_line
        self._count = 0
        self._skip = 0
        self._begun = False

    def line(self, path: str) -> str:
        """Says first from which byte on it follows: from 0 where the file is a new one."""
        there = quote(path)
        return (
            f"since={self._since}"
            f'; [ "$(stat -L -c %s -- {there} 2>/dev/null || echo 0)" -ge "$since" ] || since=0'
            f'; echo "$since"; exec tail -c "+$((since + 1))" -F -- {there} 2>/dev/null'
        )

    def begin(self) -> None:
        """What was told before comes again, and is passed over."""
        self._begun = False
        self._skip = self._count

    def hear(self, line: str) -> None:
        """A line of what `line` prints."""
        if not self._begun:
            self._begun = True
            if int(line) != self._since:
                self._since, self._count, self._skip = int(line), 0, 0
        elif self._skip:
            self._skip -= 1
        else:
            self._count += 1
            self._on_line(masked(line))
