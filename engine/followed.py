"""One server's log while somebody listens, and who listens: a step, or an armed stretch.

Knows whose a line is by where it stands in the file: where the log ended as each began; not where
logs are, nor who is to listen.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress

from checks.log_lines import SIEVE, Entry, LogReader, worst
from connections.answers import hidden
from connections.follow import follow
from connections.logfile import LogFile, as_it_is_now
from profiles.errors import NightferryError
from profiles.events import LogSaid

SHOWN = 20
"""So many entries a listener are told; what comes after is counted."""
COUNTED = 1000
"""And so many are counted: from a flood one does not drink."""
FOLLOWED_S = 2.0e6
"""Longer than any step: following is ended by whoever wanted it."""
ROTATED_S = 30.0
"""How often it is asked whether another file has taken the log's place."""
WHOLE_S = 0.1
"""How long detail and hint of an entry are waited for: they are written in one go."""


class Listener:
    """Tells what came into the logs while a step, or the stretch of an attempt, was under way."""

    def __init__(
        self,
        tell: Callable[[LogSaid], object],
        secrets: Sequence[str] = (),
        *,
        step: str | None = None,
        attempt: int | None = None,
    ) -> None:
        """``secrets`` are those of the step, which no entry may show."""
        self.muted = False
        """Nothing is told now, and nothing counted."""
        self._tell = tell
        self._secrets = tuple(secrets)
        self._step = step
        self._attempt = attempt
        self._count = 0
        self._more: dict[str, tuple[int, str]] = {}

    @property
    def full(self) -> bool:
        """It has heard more than anybody wants to know."""
        return self._count >= COUNTED

    def hear(self, server: str, entry: Entry) -> None:
        """One entry of a server's log."""
        if self.muted:
            return
        self._count += 1
        if self._count <= SHOWN:
            self._say(server, entry.severity, hidden(entry.text, self._secrets))
            return
        count, severity = self._more.get(server, (0, entry.severity))
        self._more[server] = (count + 1, worst(severity, entry.severity))

    def close(self) -> None:
        """The last word: how many more there were."""
        over = "over " if self.full else ""
        for server, (count, severity) in self._more.items():
            self._say(server, severity, f"and {over}{count} more")
        self._more.clear()
        self.muted = True

    def _say(self, server: str, severity: str, text: str) -> None:
        self._tell(
            LogSaid(
                server=server, step=self._step, attempt=self._attempt, severity=severity, text=text
            )
        )


class Followed:
    """One file, followed from the first listener's beginning until the last one leaves."""

    def __init__(
        self,
        name: str,
        log: LogFile,
        moved: Callable[[Followed, LogFile], None],
        ended: Callable[[Followed, BaseException | None], None],
    ) -> None:
        """``moved`` is told of the file that takes its place, ``ended`` of the end, and why."""
        self.name = name
        self.log = log
        self.stopped = False
        """It takes no further listener."""
        self._moved = moved
        self._ended = ended
        self._reader = LogReader(log.path)
        self._marks: list[tuple[int, Listener | None]] = []
        self._task: asyncio.Task[None] | None = None
        self._flushing: asyncio.TimerHandle | None = None

    @property
    def newest(self) -> Listener | None:
        """Who came last, and has not left."""
        return self._marks[-1][1] if self._marks else None

    def mark(self, since: int, listener: Listener) -> None:
        """What stands behind the first ``since`` bytes is the listener's, until another comes."""
        self._marks.append((since, listener))
        if self._task is None:
            self._task = asyncio.create_task(self._follow(since))
            self._task.add_done_callback(self._over)

    def leave(self, listener: Listener) -> None:
        """It hears what was read so far, and no more; nobody left, nothing is followed."""
        if all(one is not listener for _, one in self._marks):
            return
        self._flush()
        self._marks = [(since, None if one is listener else one) for since, one in self._marks]
        if all(one is None for _, one in self._marks):
            self.stop()

    def stop(self) -> None:
        """End it, on its host too; `ended` is called once it has."""
        if self._task is not None and not self.stopped:
            self._task.cancel()
        self.stopped = True

    async def wait(self) -> None:
        """Until it has ended."""
        if self._task is not None:
            await asyncio.wait({self._task})

    async def _follow(self, since: int) -> None:
        watching = asyncio.create_task(self._watch())
        try:
            await follow(
                self.log.host,
                self.log.path,
                since,
                self._take,
                deadline_s=FOLLOWED_S,
                only=SIEVE,
            )
        finally:
            watching.cancel()
            await asyncio.wait({watching})

    async def _watch(self) -> None:
        """A collector begins a new file under a new name, at midnight or when one is full."""
        now = self.log
        while now.path == self.log.path:
            await asyncio.sleep(ROTATED_S)
            with suppress(NightferryError):
                now = await as_it_is_now(self.log)
        self._moved(self, now)

    def _take(self, line: str, at: int) -> None:
        for entry in self._reader.take(line, at):
            self._hear(entry)
        if self._flushing is not None:
            self._flushing.cancel()
        self._flushing = asyncio.get_running_loop().call_later(WHOLE_S, self._flush)

    def _flush(self) -> None:
        for entry in self._reader.rest():
            self._hear(entry)

    def _hear(self, entry: Entry) -> None:
        owner = self._owner(entry.at)
        if owner is not None:
            owner.hear(self.name, entry)
            if owner.full:
                self.stop()

    def _owner(self, at: int) -> Listener | None:
        """The last who came before it was written; in a file begun anew, the newest."""
        if at < self._marks[0][0]:
            return self.newest
        return next(one for since, one in reversed(self._marks) if since <= at)

    def _over(self, task: asyncio.Task[None]) -> None:
        if self._flushing is not None:
            self._flushing.cancel()
        self._ended(self, None if task.cancelled() else task.exception())
