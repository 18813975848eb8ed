"""The four sides of the armed sequence, and who watches it: what each must do, and must never do.

`actions.armed` is written against these alone; it knows no driver, no socket and no wall clock.
They hold for every call on a server or on the traffic:

- It may be cancelled at any moment, may raise, and may have taken effect although its answer was
  lost; all but `OldServer.arm` may be called again, which comes to the same.
- A call that is given up is cancelled on its server too, and the next one uses a fresh session.
- Each carries its attempt, so that nothing of an earlier one touches a later one.
"""

from __future__ import annotations

from collections.abc import Awaitable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple, Protocol, TypeVar

from profiles.events import StretchState

T = TypeVar("T")


@dataclass(frozen=True)
class Attempt:
    """The key of an arbiter row, and of every timer: one try to carry the writes over."""

    night: str
    number: int
    direction: Literal["forward", "back"] = "forward"


class SequenceValue(NamedTuple):
    """Where a sequence stands, as it says itself (``pg_sequences`` hides one never used)."""

    last_value: int
    is_called: bool


Sequences = Mapping[str, SequenceValue]
"""Every sequence by its quoted, schema-qualified name."""


class OldServer(Protocol):
    """The server the writes are on when the attempt begins. It keeps the arbiter row."""

    @property
    def name(self) -> str:
        """Its name in the profile."""

    async def sequences(self) -> Sequences:
        """Where every sequence that moves stands now."""

    async def arm(self, after_s: float) -> None:
        """Writes the arbiter row ``armed`` and starts the timer that aborts after ``after_s``.

        Every other row still ``armed`` becomes ``aborted`` in the same transaction, or its timer
        would open the server in the middle of this attempt. Refused when this attempt has a row
        already, whatever it says. Returns when the timer has been seen in ``pg_stat_activity``.
        """

    async def timers_stand(self) -> bool:
        """Is this attempt's timer running on the server, and its row still ``armed``?"""

    async def lift_timers(self) -> None:
        """Ends every timer of ours whose row no longer says ``armed``."""

    async def fence(self) -> None:
        """No application role may log in from here on.

        One transaction, which locks the arbiter row and fails unless it says ``armed``: a fence
        that arrives late, after an abort, must not close the server for good.
        """

    async def expel(self) -> None:
        """Ends every client, parallel and extension backend that is left, but ours (the timer)."""

    async def strangers(self) -> Sequence[str]:
        """What could still write, in words; empty is the proof of the fence.

        Client, parallel and extension backends but ours, application roles that may log in, and
        prepared transactions. Not the roles the operator has named as exceptions.
        """

    async def mark(self) -> str:
        """Writes a marker that travels behind every earlier write, for `NewServer.has`.

        Never the same twice: an earlier one says nothing of what was written since.
        """

    async def turn(self) -> bool:
        """The compare-and-set ``armed`` → ``moved``; False when the row says anything else.

        True means committed, durably, on this server.
        """

    async def abort(self) -> bool:
        """The compare-and-set ``armed`` → ``aborted``, which opens the server in its transaction.

        True when the row says ``aborted`` afterwards, by us now or by the timer before; False when
        it says ``moved``. Without a row it writes ``aborted``, so that a late `arm` is refused.
        """


class NewServer(Protocol):
    """The server the writes go to. Its application roles cannot log in until it is opened."""

    @property
    def name(self) -> str:
        """Its name in the profile."""

    async def set_sequences(self, values: Sequences) -> None:
        """Puts these sequences exactly where they are said to stand; the others stay."""

    async def has(self, marker: str) -> bool:
        """Has this marker arrived?"""

    async def open(self) -> None:
        """The application roles may log in, just as they could on the old server before."""

    async def is_open(self) -> bool:
        """May any application role log in?"""


class Traffic(Protocol):
    """Every endpoint through which clients write: a pooler, a connection file, or several."""

    @property
    def name(self) -> str:
        """The endpoints' names in the profile."""

    async def place_timers(self, after_s: float) -> None:
        """On each pooler, starts a timer that resumes it after ``after_s`` and does nothing else.

        Timers of earlier attempts are taken away first. Raises where one cannot be placed.
        """

    async def timers_stand(self) -> bool:
        """Is every timer of this attempt running?"""

    async def lift_timers(self) -> None:
        """Takes away every timer of ours, of whatever attempt."""

    async def pause(self, deadline_s: float) -> None:
        """All of it or none: returns with no transaction open and every new one waiting.

        Raises after ``deadline_s`` at the latest. The sequence resumes after any failure, so a
        pause that was given up must not take effect after a later `resume`.
        """

    async def point(self) -> None:
        """From here on it leads to the new server; returns when that has been seen, not said."""

    async def resume(self) -> None:
        """Lets clients through, to wherever it points; no error when nothing was paused."""

    async def prove(self) -> None:
        """Writes as a client through every endpoint and sees it on the new server, or raises."""


class Clock(Protocol):
    """Time, as the sequence knows it: only ever durations."""

    def now_s(self) -> float:
        """Seconds since some moment that does not move."""

    async def sleep(self, seconds: float) -> None:
        """Lets that time pass."""

    async def within(self, seconds: float, work: Awaitable[T]) -> T:
        """The result of ``work``, or TimeoutError at the deadline, even if ``work`` will not end.

        Cancelled, it cancels ``work`` and does not wait for it either. Work that was cancelled by
        anyone else is a TimeoutError too: CancelledError means that we are cancelled.
        """


class Observer(Protocol):
    """Who watches the stretch: the engine, which tells the windows and keeps the journal."""

    def moved(
        self, state: StretchState, paused_ms: float | None, says: str, aborting_means: str
    ) -> None:
        """It came one state further. Never blocks, never waits for a disk, never raises."""

    def stopped(self, why: str, missing: str, choices: tuple[str, ...]) -> None:
        """WRITES STOPPED, the state ``stopped``: as `moved`. What is missing is still tried."""

    async def intent(self) -> None:
        """Called once before PAUSE: returns when the journal up to here is on disk, or raises."""

    async def settled(self) -> None:
        """Called once after RESUME, when time no longer matters: the journal goes to disk."""
