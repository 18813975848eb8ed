"""The night as it happens: numbers and times each event, journals it, folds it, hands it on.

Knows the journal and the fold; knows neither the windows nor the servers.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec

from profiles.events import Event, HostSampled, Sampled, is_journalled
from profiles.fold import Night
from profiles.journal import Journal

THINNED_EVERY = timedelta(seconds=10)
"""How far apart the lag samples are that go to the journal too."""
HOST_THINNED_EVERY = timedelta(seconds=60)
"""The same of each host's."""

Listener = Callable[[Event], None]


def _now() -> datetime:
    return datetime.now(UTC)


class LiveNight:
    """The one place where events come into being; ``state`` is the fold over them so far.

    What is not journalled carries the number of the last event that is: the journal has no gaps,
    and a restarted engine goes on with the number a window expects.
    """

    def __init__(
        self, folder: Path, journal: Journal, state: Night, clock: Callable[[], datetime] = _now
    ) -> None:
        self.folder = folder
        self.state = state
        self.listeners: list[Listener] = []
        self._journal = journal
        self._clock = clock
        self._thinned_at: dict[str | None, datetime] = {}

    @property
    def name(self) -> str:
        """The night's name: the name of its folder."""
        return self.folder.name

    @property
    def journal_path(self) -> Path:
        """The journal's file, for whoever replays it."""
        return self._journal.path

    def publish(self, event: Event, *, wait: bool = True) -> Event:
        """Make it happen: the event as it was numbered, journalled and handed on.

        With ``wait`` it is on the disk on return; without, `sync` puts it there. Raises
        JournalError: then either nobody has heard of the event, or the disk did not confirm it.
        """
        event = self._thinned(self.stamped(event))
        journalled = is_journalled(event)
        if journalled:
            event = msgspec.structs.replace(event, seq=self.state.seq + 1)
            self._journal.append(event, wait=False)
        self.state.apply(event)
        for listener in tuple(self.listeners):
            listener(event)
        if journalled and wait and not isinstance(event, Sampled | HostSampled):
            self.sync()
        return event

    def stamped(self, event: Event) -> Event:
        """The event with night, time (UTC) and the number of the last journalled one."""
        return msgspec.structs.replace(event, night=self.name, at=self._clock(), seq=self.state.seq)

    def sync(self) -> None:
        """Put everything that was published without waiting on the disk; raises JournalError."""
        self._journal.sync()

    def _thinned(self, event: Event) -> Event:
        """The event, or the copy of a sample that is due for the journal."""
        if not isinstance(event, Sampled | HostSampled):
            return event
        every = THINNED_EVERY if isinstance(event, Sampled) else HOST_THINNED_EVERY
        before = self._thinned_at.get(event.server)
        if before is not None and event.at - before < every:
            return event
        self._thinned_at[event.server] = event.at
        return msgspec.structs.replace(event, thinned=True)
