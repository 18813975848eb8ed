"""The old and the new server of the armed sequence, when they are PostgreSQL.

Runs the statements of `actions.cutover.Acts`, which are those the checklist shows, and no others.
A session in which a call failed or was given up is not used again.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress

from actions.armed_protocols import Attempt, Sequences, SequenceValue
from actions.cutover import TIMER, Acts, sequence_values
from connections.postgres import Row, Session
from profiles.errors import EvidenceError, NightferryError
from profiles.steps import Sql, fill

Connect = Callable[[str, str, Mapping[str, str]], Awaitable[Session]]
"""(server, application name, settings) to a session with the database that moves."""

Ran = Callable[[Sql, str, str, float], None]
"""Told of each statement that changes something: it, the filled text, the answer, milliseconds."""

CALL_S = 5.0
"""A single call's deadline; the sequence gives up earlier where its own is shorter."""

ENDLESS_S = 86400.0

DURABLE = {"synchronous_commit": "on"}

UNTIMED = DURABLE | {
    "lock_timeout": "0",
    "statement_timeout": "0",
    "idle_in_transaction_session_timeout": "0",
    "transaction_timeout": "0",
    "client_connection_check_interval": "0",
    "track_activities": "on",
}
"""The timer's session: nothing but its own statement may end it."""


class _Side:
    """One server of an attempt: a session that is replaced when it can no longer be trusted."""

    def __init__(
        self, name: str, attempt: Attempt, connect: Connect, ran: Ran, settings: Mapping[str, str]
    ) -> None:
        self.name = name
        self.values = {
            "night": attempt.night,
            "attempt": str(attempt.number),
            "direction": attempt.direction,
        }
        self._connect = connect
        self._ran = ran
        self._settings = settings
        self._session: Session | None = None

    async def session(self) -> Session:
        """The session of this side; opened when there is none, before the pause if asked then."""
        if self._session is None or self._session.lost:
            self._session = await self._connect(self.name, "nightferry cutover", self._settings)
        return self._session

    async def close(self) -> None:
        """Ends the session."""
        if self._session is not None:
            session, self._session = self._session, None
            await session.close()

    async def _rows(self, command: Sql, *, told: bool = True) -> list[Row]:
        session = await self.session()
        text = fill(command.text, command.fills, self.values)
        began = time.perf_counter()
        try:
            rows = await session.rows(text, deadline_s=CALL_S)
        except BaseException as error:
            self._session = None
            _drop(session)
            if isinstance(error, NightferryError):
                self._ran(command, text, f"error: {error.answered}", _ms_since(began))
            raise
        if told:
            answer = " ".join(str(value) for value in rows[0]) if rows else ""
            self._ran(command, text, answer, _ms_since(began))
        return rows


class OldPostgres(_Side):
    """`actions.armed_protocols.OldServer` on PostgreSQL 16 and later.

    Closing it leaves a timer that still runs alone: to run on is what it is for.
    """

    def __init__(self, acts: Acts, attempt: Attempt, connect: Connect, ran: Ran) -> None:
        super().__init__(acts.old, attempt, connect, ran, DURABLE)
        self._acts = acts
        self._timer: Session | None = None
        self._sleeping: asyncio.Task[None] | None = None

    async def sequences(self) -> Sequences:
        """Where every sequence that moves stands now."""
        rows = await self._rows(self._acts.read_sequences, told=False)
        return {row["name"]: SequenceValue(row["last_value"], row["is_called"]) for row in rows}

    async def arm(self, after_s: float) -> None:
        """The row, then the timer in a session of its own, seen before this returns."""
        await self._rows(self._acts.arm)
        self.values["after_s"] = f"{after_s:g}"
        self._timer = await self._connect(self.name, TIMER, UNTIMED)
        self.values["timer_pid"] = str(self._timer.pid)
        text = fill(self._acts.timer.text, self._acts.timer.fills, self.values)
        self._sleeping = asyncio.create_task(self._timer.run(text, deadline_s=ENDLESS_S))
        self._sleeping.add_done_callback(_take_note)
        self._ran(self._acts.timer, text, f"running, pid {self._timer.pid}", 0.0)
        await self._rows_of_strangers(told=False)  # parsed and planned before clients wait
        for _ in range(200):
            if await self.timers_stand():
                return
            await asyncio.sleep(0.005)
        raise EvidenceError(self.name, "look for our timer", "it is not in pg_stat_activity")

    async def timers_stand(self) -> bool:
        """Is the timer's statement running, and the row still ``armed``?"""
        if self._timer is None:
            return False
        rows = await self._rows(self._acts.timer_stands, told=False)
        return bool(rows[0][0])

    async def fence(self) -> None:
        """NOLOGIN for every application role, if this attempt is still armed."""
        await self._rows(self._acts.fence)

    async def expel(self) -> None:
        """End every backend that could write, but ours."""
        self._know_ours(await self.session())
        await self._rows(self._acts.expel)

    async def strangers(self) -> Sequence[str]:
        """Who could still write; the empty answer is told too: it is the proof."""
        return [str(row[0]) for row in await self._rows_of_strangers(told=True)]

    async def _rows_of_strangers(self, *, told: bool) -> list[Row]:
        self._know_ours(await self.session())
        return await self._rows(self._acts.strangers, told=told)

    async def mark(self) -> str:
        """Write a marker that no earlier call has written."""
        self.values["token"] = f"{self.values['attempt']}/{time.time_ns()}"
        await self._rows(self._acts.mark)
        return self.values["token"]

    async def turn(self) -> bool:
        """The compare-and-set."""
        return bool(await self._rows(self._acts.turn))

    async def abort(self) -> bool:
        """The compare-and-set the other way, and the un-fencing with it.

        Raises EvidenceError when the row says neither: then it is not known whose the writes are.
        """
        await self._rows(self._acts.abort)
        rows = await self._rows(self._acts.state)
        state = rows[0][0] if rows else "nothing"
        if state not in ("aborted", "moved"):
            raise EvidenceError(self.name, "abort", f"the arbiter's row says {state}")
        return bool(state == "aborted")

    async def lift_timers(self) -> None:
        """End every timer of ours, also one that a dead engine left, unless a row is armed."""
        ended = await self._rows(self._acts.lift)
        if ended[0][0] and self._sleeping is not None:
            await asyncio.wait({self._sleeping}, timeout=CALL_S)

    def _know_ours(self, control: Session) -> None:
        pids = [control.pid] + ([self._timer.pid] if self._timer else [])
        self.values["ours"] = ", ".join(str(pid) for pid in pids)


class NewPostgres(_Side):
    """`actions.armed_protocols.NewServer` on PostgreSQL 16 and later."""

    def __init__(self, acts: Acts, attempt: Attempt, connect: Connect, ran: Ran) -> None:
        super().__init__(acts.new, attempt, connect, ran, DURABLE)
        self._acts = acts

    async def set_sequences(self, values: Sequences) -> None:
        """Exactly where they are said to stand."""
        if not values:
            return
        self.values["values"] = sequence_values(values)
        await self._rows(self._acts.set_sequences)

    async def has(self, marker: str) -> bool:
        """Has the marker arrived?"""
        self.values["token"] = marker
        rows = await self._rows(self._acts.has, told=False)
        return bool(rows[0][0])

    async def open(self) -> None:
        """The application roles may log in."""
        await self._rows(self._acts.open)

    async def is_open(self) -> bool:
        """May any application role log in?"""
        rows = await self._rows(self._acts.is_open, told=False)
        return bool(rows[0][0])


def _drop(session: Session) -> None:
    """Close a session that nobody waits for."""
    with suppress(RuntimeError):
        task = asyncio.get_running_loop().create_task(session.close())
        _DROPPED.add(task)
        task.add_done_callback(_DROPPED.discard)


_DROPPED: set[asyncio.Task[None]] = set()


def _take_note(task: asyncio.Task[None]) -> None:
    if not task.cancelled():
        task.exception()


def _ms_since(began: float) -> float:
    return (time.perf_counter() - began) * 1000.0
