"""The armed sequence: the stretch in which writes wait, run as a whole or one key a step.

Before the turn any failure, the abort key, the deadline and the end of the engine come to the same:
the old server is opened again, then clients go on there. After the turn there is only forward, and
every stage is tried until it holds. Whether the turn was won is never guessed: the next
compare-and-set says it. No driver, no socket and no wall clock here.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Coroutine
from functools import partial
from typing import Any, TypeVar

from actions.armed_stages import (
    AFTER_THE_TURN,
    BEFORE_THE_TURN,
    RESUME_LATER_S,
    Stage,
    Stretch,
    resume,
)
from actions.armed_words import aborting_means, choices, missing, named, told
from profiles.errors import DeadlineError, EvidenceError, NightferryError, RefusedError
from profiles.events import StretchState

T = TypeVar("T")
Ask = Callable[[Stage], Awaitable[None]]
"""Returns when the operator has pressed the key for this stage."""

ARM_S = 30.0
UNDO_TRY_S = 1.0
"""How long one try to undo may take."""
SETTLE_S = 10.0
PATIENCE_S = 10.0
"""How long something is tried before it is called WRITES STOPPED, and then tried on."""
FIRST_WAIT_S = 0.05
LONGEST_WAIT_S = 1.0
"""How long it waits between two tries: twice as long each time, from the first to the longest."""


class ArmedSequence:
    """One attempt, from arming to its end; `abort` is allowed at any time before the turn."""

    def __init__(self, stretch: Stretch) -> None:
        self.stretch = stretch
        self.state: StretchState = "disarmed"
        self.turned = False
        """The arbiter says ``moved``: only forward."""
        self._ends_s = 0.0
        self._before: asyncio.Task[None] | None = None
        self._may_be_paused = False
        self._aborted_because = ""
        self._leaving = False

    async def arm(self) -> None:
        """Makes ready what can be before the pause; no client notices, nothing is left to undo.

        Raises RefusedError when the new server is open already, EvidenceError when a timer cannot
        be placed, DeadlineError, and what the servers and the traffic raise.
        """
        await self._in_time(self.stretch.old.name, "arm", ARM_S, self._make_ready())
        if self._aborted_because:
            raise RefusedError(self.stretch.old.name, "arm", self._aborted_because)
        self._say("armed", "everything is ready; writes go on")

    async def run(self, ask: Ask | None = None) -> StretchState:
        """The whole stretch; returns ``moved``, ``aborted``, or ``disarmed`` if nothing was paused.

        With ``ask`` it waits for a key before every stage but the first; the deadline runs on, and
        after the turn it does not wait beyond it. Cancelled, it undoes (before the turn) or
        finishes (after it), and then raises CancelledError; earlier only once writes are stopped.
        An error that is none of ours is raised too, after it has been undone.
        """
        if self._before or self.state != "armed":
            raise RefusedError(
                self.stretch.old.name, "go", "this attempt is not armed", "Arm again."
            )
        self._before = asyncio.ensure_future(self._before_the_turn(ask))
        try:
            await self._before
        except (Exception, asyncio.CancelledError) as cause:
            await self._see_through(self._undo(self._reason(cause)))
            if not isinstance(cause, NightferryError | asyncio.CancelledError):
                raise
        else:
            await self._see_through(self._finish(ask))
        return self._end()

    async def recover(self, *, turned: bool = False) -> StretchState:
        """What an engine does that was started again in the middle: undo it or finish it.

        The arbiter decides. ``turned``: the journal says that the turn was won, which is final, so
        it is finished even when the old server no longer answers.
        """
        self.turned = turned
        self._may_be_paused = True
        self._ends_s = self.stretch.clock.now_s() + self.stretch.whole_s
        await self._see_through(self._undo("the engine was started again in the middle"))
        return self._end()

    def abort(self, why: str) -> None:
        """Undoes it, in the task that runs it; raises RefusedError after the turn."""
        if self.turned:
            answered = aborting_means(self.stretch, turned=True)
            raise RefusedError(self.stretch.new.name, "abort", answered)
        self._aborted_because = self._aborted_because or why
        if self._before:
            self._before.cancel()
        else:
            self._say("disarmed", why)

    # Before the turn

    async def _make_ready(self) -> None:
        new, traffic = self.stretch.new, self.stretch.traffic
        if await new.is_open():
            answered = "an application role may log in there already"
            raise RefusedError(new.name, "arm", answered, "Close it, and arm again.")
        await traffic.place_timers(self.stretch.whole_s + RESUME_LATER_S)
        if not await traffic.timers_stand():
            raise EvidenceError(traffic.name, "place the timer that resumes it", "it does not run")
        await traffic.lift_timers()
        self.stretch.preset = await self.stretch.old.sequences()
        await new.set_sequences(self.stretch.preset)

    async def _before_the_turn(self, ask: Ask | None) -> None:
        self._ends_s = self.stretch.clock.now_s() + self.stretch.whole_s
        for stage in BEFORE_THE_TURN:
            if ask and stage is not BEFORE_THE_TURN[0]:
                await self._in_time("operator", stage.name, self._left_s(), ask(stage))
            self.stretch.holding_up = ""
            seconds = min(stage.deadline_s, self._left_s())
            where = named(stage.where, self.stretch)
            await self._in_time(where, stage.name, seconds, stage.act(self.stretch))
            self.turned = stage.reaches == "turned"
            self._reached(stage)

    def _left_s(self) -> float:
        """Until we undo it ourselves, a while before the old server's timer would."""
        margin_s = min(2.0, self.stretch.whole_s / 5)
        return self._ends_s - margin_s - self.stretch.clock.now_s()

    async def _in_time(self, where: str, tried: str, seconds: float, work: Awaitable[None]) -> None:
        try:
            await self.stretch.clock.within(seconds, work)
        except TimeoutError as error:
            answered = self.stretch.holding_up or f"no answer within {seconds:.1f} s"
            raise DeadlineError(where, tried, answered) from error

    # The ways out

    async def _undo(self, why: str) -> None:
        """Opens the old server, then resumes; in that order, or a pooler holds clients off."""
        if self.turned or not await self._open_old_again(why):
            return await self._finish(None)
        if self._may_be_paused or self.stretch.paused_at_s is not None:
            traffic, act = self.stretch.traffic.name, partial(resume, self.stretch)
            await self._insist(traffic, "resume", UNDO_TRY_S, act)
            self._say("aborted", why)
        else:
            self._say("disarmed", why)
        await self._settle()

    async def _open_old_again(self, why: str) -> bool:
        """False when the arbiter says that the turn was won after all."""
        self._say("aborting", why)
        old = self.stretch.old
        if await self._insist(old.name, "open it again", UNDO_TRY_S, old.abort):
            return True
        self.turned = True
        self._say("turned", f"the arbiter on {old.name} says that the turn was won")
        return False

    async def _finish(self, ask: Ask | None) -> None:
        for stage in AFTER_THE_TURN:
            if ask:
                await self._key_or_deadline(ask(stage))
            where, act = named(stage.where, self.stretch), partial(stage.act, self.stretch)
            await self._insist(where, stage.name, stage.deadline_s, act)
            self._reached(stage)
        await self._settle()

    async def _key_or_deadline(self, key: Awaitable[None]) -> None:
        """After the turn nothing about a key may keep writes waiting."""
        with contextlib.suppress(Exception):
            await self.stretch.clock.within(self._left_s(), key)

    async def _settle(self) -> None:
        """Nothing is paused any more: takes the timers away, and lets the journal reach the disk.

        None of it holds writes up, and a timer that stays ends by itself without doing harm: what
        fails is said, and not insisted on.
        """
        old, traffic, observer = self.stretch.old, self.stretch.traffic, self.stretch.observer
        for who, tried, seconds, work in (
            (old.name, "take its timer away", UNDO_TRY_S, old.lift_timers),
            (traffic.name, "take its timer away", UNDO_TRY_S, traffic.lift_timers),
            ("journal", "sync", SETTLE_S, observer.settled),
        ):
            try:
                await self.stretch.clock.within(seconds, work())
            except Exception as error:
                self._say(self.state, told(who, tried, error))

    async def _insist(
        self, who: str, tried: str, try_s: float, act: Callable[[], Awaitable[T]]
    ) -> T:
        """Tries until it holds, whatever goes wrong; says WRITES STOPPED when it takes too long."""
        clock = self.stretch.clock
        patient_until_s = min(self._ends_s, clock.now_s() + PATIENCE_S)
        wait_s, stopped, why = FIRST_WAIT_S, False, ""
        while True:
            try:
                return await clock.within(self._up_to(patient_until_s, try_s), act())
            except TimeoutError as error:
                why = why or told(who, tried, error)  # a real answer says more
            except Exception as error:
                why = told(who, tried, error)
            await clock.sleep(self._up_to(patient_until_s, wait_s))
            wait_s = min(wait_s * 2, LONGEST_WAIT_S)
            if not stopped and clock.now_s() >= patient_until_s:
                stopped = True
                self._stopped(who, why)
            if stopped and self._leaving:
                raise asyncio.CancelledError

    def _up_to(self, until_s: float, wanted_s: float) -> float:
        left_s = until_s - self.stretch.clock.now_s()
        return min(wanted_s, left_s) if left_s > 0 else wanted_s

    async def _see_through(self, work: Coroutine[Any, Any, None]) -> None:
        """Cancelling waits for ``work``: halfway is where nobody may write."""
        task = asyncio.ensure_future(work)
        while not task.done():
            try:
                await asyncio.wait({task})
            except asyncio.CancelledError:
                self._leaving = True
        task.result()

    # What is told

    def _reason(self, cause: BaseException) -> str:
        if isinstance(cause, asyncio.CancelledError):
            self._leaving = not self._aborted_because
            return self._aborted_because or "the engine ends"
        return told("the sequence", "run", cause)

    def _end(self) -> StretchState:
        if self._leaving:
            raise asyncio.CancelledError
        return self.state

    def _reached(self, stage: Stage) -> None:
        self._say(stage.reaches, named(stage.says, self.stretch))

    def _say(self, state: StretchState, says: str) -> None:
        self.state = state
        means = aborting_means(self.stretch, turned=self.turned)
        self.stretch.observer.moved(state, self._paused_ms(), says, means)

    def _stopped(self, who: str, why: str) -> None:
        self.state = "stopped"
        turned = self.turned
        self.stretch.observer.stopped(
            why,
            missing(self.stretch, who, turned=turned),
            choices(self.stretch, who, turned=turned),
        )

    def _paused_ms(self) -> float | None:
        began_s, ended_s = self.stretch.paused_at_s, self.stretch.resumed_at_s
        if began_s is None:
            return None
        return ((self.stretch.clock.now_s() if ended_s is None else ended_s) - began_s) * 1000
