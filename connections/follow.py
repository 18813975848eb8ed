"""A server's log, followed line by line from a point on, through whatever its host goes through.

Knows files that grow, and are replaced when they are rotated; not what their lines mean. What is
not wanted stays on the host, where its grep can tell: a busy log is no load on the road.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from shlex import quote

from connections.host import Host
from profiles.errors import DeadlineError, HostError, HostLostError, UnreachableError
from profiles.secrets import masked

LOOK_S = 10.0
AGAIN_S = 1.0
"""Between a connection that died and the next attempt to follow the file on a new one."""
ORPHAN_S = 5
BEHIND_LINES = 3
"""So many lines behind a wanted one come with it."""

GREP = f"grep -a -b -E --line-buffered -A {BEHIND_LINES} -e"
"""Busybox's has neither offsets nor line buffering: there every line comes."""

_LIFELINE = (
    f"(while kill -s 0 $PPID; do sleep {ORPHAN_S}; done; kill 0) >/dev/null 2>&1 & lifeline=$!; "
)
"""Ends the process group when who started it was killed: then nobody cancels it."""

OnLine = Callable[[str, int], None]
"""A line, and at which byte of the log it begins; an empty one where others were left out."""


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
        remedy = "Let the host's user read it, or name a sudo_user for the host who may."
        raise HostError(host.name, f"follow {path}", answered, remedy)
    return int(ran.out)


async def follow(
    host: Host, path: str, since: int, on_line: OnLine, *, deadline_s: float, only: str = ""
) -> None:
    """Hands on the lines after the first ``since`` bytes, until the deadline.

    They come as they are: a mask would spoil a record of CSV, so who shows a part of one masks
    that. Those that match ``only`` (an extended regular expression) come, and maybe others. It
    goes on where it was when the connection died meanwhile, and with the new file when the log
    was rotated. Ended by cancelling it, too. Raises HostError, ConnectError and SecretError.
    """
    loop = asyncio.get_running_loop()
    end = loop.time() + deadline_s
    told = _Told(since, on_line)
    while (left_s := end - loop.time()) > 0:
        told.begin()
        try:
            ran = await host.run(told.line(path, only), deadline_s=left_s, on_line=told.hear)
        except DeadlineError:
            return
        except (HostLostError, UnreachableError):
            await asyncio.sleep(min(AGAIN_S, left_s))
        else:
            said = f"tail ended with exit code {ran.code}"
            raise HostError(host.name, f"follow {path}", said, "Look whether the file is there.")


_NUMBERED = re.compile(r"(\d+)[:-](.*)", re.S)


class _Told:
    """How far the lines were handed on, so that none is lost or told twice."""

    def __init__(self, since: int, on_line: OnLine) -> None:
        self._since = since
        self._on_line = on_line
        self._count = 0
        self._skip = 0
        self._at = since
        self._begun = False
        self._sifted = False

    def line(self, path: str, only: str) -> str:
        """Says first from which byte on it follows: from 0 where the file is a new one."""
        there = quote(path)
        tail = f'tail -c "+$((since + 1))" -F -- {there} 2>/dev/null'
        return (
            f"export LC_ALL=C; {_LIFELINE}since={self._since}"
            f'; [ "$(stat -L -c %s -- {there} 2>/dev/null || echo 0)" -ge "$since" ] || since=0'
            f"; if echo x | {GREP} x >/dev/null 2>&1"
            f'; then echo "$since sifted"; {tail} | {GREP} {quote(only)}'
            f'; else echo "$since whole"; {tail}; fi'
            '; code=$?; kill "$lifeline"; exit "$code"'
        )

    def begin(self) -> None:
        """What was told before comes again, and is passed over."""
        self._begun = False
        self._skip = self._count

    def hear(self, line: str) -> None:
        """A line of what `line` prints."""
        if not self._begun:
            self._open(*line.split())
            return
        at, text = self._placed(line)
        if self._skip:
            self._skip -= 1
        else:
            self._count += 1
            self._on_line(text, at)

    def _open(self, since: str, mode: str) -> None:
        self._begun, self._sifted = True, mode == "sifted"
        if int(since) != self._since:
            self._since, self._count, self._skip = int(since), 0, 0
        self._at = self._since

    def _placed(self, line: str) -> tuple[int, str]:
        """Where it begins: as grep says, or counted; bytes that are no UTF-8 count for three."""
        if not self._sifted:
            at, self._at = self._at, self._at + len(line.encode()) + 1
            return at, line
        numbered = _NUMBERED.match(line)
        if numbered is None:
            return self._at, ""
        self._at = self._since + int(numbered[1])
        return self._at, numbered[2]
