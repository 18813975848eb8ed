"""Runs a step: intent, commands, *holds*, outcome; each of them an event.

Knows nothing of what a step is for. What already holds is not done again; what was run and does not
hold has failed, whatever its commands answered.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext, suppress
from functools import partial
from typing import Any, NamedTuple

from actions.scram import scram_verifier
from connections.answers import secrets_in
from connections.hands import Hands, Work
from engine.night import LiveNight
from profiles.errors import DeadlineError, EvidenceError, NightferryError, RefusedError
from profiles.events import (
    CommandRan,
    LooseEndOpened,
    LooseEndSettled,
    Progressed,
    StepBegan,
    StepEnded,
)
from profiles.steps import Outcome, Sql, Step, Words, shown, undoing

SETTLE_S = 5.0
"""How long evidence may take to show after the commands: a reload, a statistics view."""
LOOK_AGAIN_S = 0.1
MEANWHILE_S = 1.0
STOP_S = 10.0
"""How long a cancelled step may take to be over, on its servers and hosts too."""
CANCELLED = "cancelled: whoever asked for it has gone"


Beside = Callable[[Step, Sequence[str]], AbstractAsyncContextManager[None]]
"""(a step, its secrets) to what goes on while its commands run."""


def _nothing_beside(step: Step, secrets: Sequence[str]) -> AbstractAsyncContextManager[None]:
    return nullcontext()


class Judged(NamedTuple):
    """What became of a step, before anyone is told."""

    outcome: Outcome
    evidence: str = ""
    error: str = ""


class Runner:
    """One step at a time; `busy` names the one under way."""

    def __init__(self, live: LiveNight, hands: Hands, beside: Beside = _nothing_beside) -> None:
        self._live = live
        self._hands = hands
        self._beside = beside
        self._task: asyncio.Task[Outcome] | None = None
        self._why = CANCELLED
        self.busy: Step | None = None

    async def run(self, step: Step, request: str | None = None) -> Outcome:
        """Run it, unless it already holds. Raises RefusedError when another one is under way."""
        values = self._values(step)
        beside = self._beside(step, secrets_in(values))
        act = partial(self._through, values=values)
        return await self._alone(step, "run", self._run(step, "wizard", request, act, beside))

    async def done_by_hand(self, step: Step, request: str | None = None) -> Outcome:
        """The operator did it: look whether it holds. Without evidence their word stands.

        Raises RefusedError when another step is under way.
        """
        looking = self._run(step, "hand", request, self._looked_at, nullcontext())
        return await self._alone(step, "do by hand", looking)

    async def undo(self, step: Step, request: str | None = None) -> Outcome:
        """Take back what it has done: ``undone``, by the evidence that it is as it was.

        Raises RefusedError when another step is under way.
        """
        back = undoing(step)
        act = partial(self._through, values={}, done="undone", already="undone")
        running = self._run(back, "wizard", request, act, self._beside(back, ()))
        return await self._alone(step, "undo", running)

    def cancel(self, why: str = "cancelled by the operator") -> bool:
        """Stop the step that runs now, on the server too; False when none does."""
        if self._task is None or not self._task.cancel():
            return False
        self._why = why
        return True

    async def stop(self, why: str) -> None:
        """Cancel it, and return once what became of it is told."""
        task = self._task
        if task is not None and self.cancel(why):
            await asyncio.wait({task}, timeout=STOP_S)

    def skip(self, step: Step, reason: str, request: str | None = None) -> None:
        """Leave it out, for this reason."""
        self._live.publish(
            StepEnded(
                step=step.id, outcome="skipped", evidence=reason, by="operator", request=request
            )
        )

    async def ask(self, step: Step) -> Outcome:
        """What became of a step that is in doubt: the servers are asked, nothing is changed."""
        async with self._hands.at_work() as work:
            holds, said = await self._holds(step, work, self._values(step))
        outcome: Outcome = "already" if holds else "in-doubt"
        self._live.publish(StepEnded(step=step.id, outcome=outcome, evidence=said, by="engine"))
        if holds:
            self._settle(step)
        return outcome

    async def see_taken_back(self, steps: Iterable[Step]) -> None:
        """What was done and is now as it was before, whoever did that, is undone: it is told.

        Only the servers are asked; raises what that raises.
        """
        async with self._hands.at_work() as work:
            for step in steps:
                if step.undone and not (await self._holds(step, work, {}))[0]:
                    back = undoing(step)
                    gone, said = await self._holds(back, work, {})
                    if gone:
                        self._live.publish(
                            StepEnded(step=step.id, outcome="undone", evidence=said, by="engine")
                        )
                        self._settle(back)

    async def _alone(
        self, step: Step, tried: str, running: Coroutine[Any, Any, Outcome]
    ) -> Outcome:
        if self.busy is not None:
            running.close()
            answered = f"“{self.busy.title}” is under way"
            raise RefusedError(step.id, tried, answered, "Wait for it, or cancel it.")
        self.busy, self._why = step, CANCELLED
        self._task = asyncio.create_task(running)
        try:
            return await self._task
        finally:
            self.busy, self._task = None, None

    async def _run(
        self,
        step: Step,
        by: str,
        request: str | None,
        act: Callable[[Step], Awaitable[Judged]],
        beside: AbstractAsyncContextManager[None],
    ) -> Outcome:
        self._live.publish(StepBegan(step=step.id, by=by, request=request))
        began = time.monotonic()
        try:
            async with beside, asyncio.timeout(step.deadline_s), self._watched(step):
                judged = await act(step)
        except TimeoutError:
            late = f"not done within {step.deadline_s:g} s"
            judged = Judged("failed", error=str(DeadlineError(step.id, step.title, late)))
        except asyncio.CancelledError:
            judged = Judged("failed", error=self._why)
        except NightferryError as answered:
            judged = Judged("failed", error=str(answered))
        except Exception as mistake:
            kind = type(mistake).__name__
            self._ended(step, Judged("failed", error=f"a mistake of ours: {kind}"), began)
            raise
        return self._ended(step, judged, began)

    async def _through(
        self,
        step: Step,
        values: dict[str, str],
        done: Outcome = "done",
        already: Outcome = "already",
    ) -> Judged:
        async with self._hands.at_work() as work:
            holds, said = await self._holds(step, work, values)
            self._owe(step)
            if holds:
                return Judged(already, evidence=said)
            judged = await self._acted(step, work, values, done)
            if judged.outcome == "failed" and step.undo_failed:
                return judged._replace(error=f"{judged.error} {await self._back(step, work)}")
            return judged

    async def _acted(self, step: Step, work: Work, values: dict[str, str], done: Outcome) -> Judged:
        """All of its commands, then its evidence; the first error ends it."""
        try:
            for index, command in enumerate(step.commands):
                if isinstance(command, Words):
                    raise EvidenceError(step.id, command.text, "not done yet", "Do it by hand.")
                await self._command(step, index, work, values)
        except NightferryError as error:
            return Judged("failed", error=str(error))
        return await self._judged(step, work, values, done)

    async def _back(self, step: Step, work: Work) -> str:
        """Undoes what a step has done before it failed, and says what became of that."""
        back = undoing(step)
        try:
            judged = await self._acted(back, work, {}, "undone")
        except NightferryError as error:  # asking for the evidence
            judged = Judged("failed", error=str(error))
        if judged.outcome == "failed":
            return f"It could not be undone: {judged.error}"
        self._settle(back)
        return "What it had done is undone."

    async def _looked_at(self, step: Step) -> Judged:
        self._owe(step)
        async with self._hands.at_work() as work:
            return await self._judged(step, work, {}, "by-hand")

    async def _command(self, step: Step, index: int, work: Work, values: dict[str, str]) -> None:
        command, began = step.commands[index], time.perf_counter()
        try:
            answer = await work.do(command, values)
        except NightferryError as error:
            self._told(step, index, shown(command), str(error), began, ok=False)
            raise
        self._told(step, index, answer.text, answer.answer, began)

    async def _judged(
        self, step: Step, work: Work, values: dict[str, str], outcome: Outcome
    ) -> Judged:
        holds, said = await self._holds(step, work, values)
        end = time.monotonic() + SETTLE_S
        while step.holds and not holds and time.monotonic() < end:
            await asyncio.sleep(LOOK_AGAIN_S)
            holds, said = await self._holds(step, work, values)
        if holds or not step.holds:
            return Judged(outcome, evidence=said)
        return Judged("failed", error=f"It does not hold: {said}")

    async def _holds(self, step: Step, work: Work, values: dict[str, str]) -> tuple[bool, str]:
        """All of its evidence, and what was answered; False for a step without any."""
        told = []
        for evidence in step.holds:
            holds, said = await work.ask(evidence, values)
            if not holds:
                return False, f"not “{evidence.says}”, but “{said}”"
            told.append(f"{evidence.says} ({said})" if len(said) < 40 else evidence.says)
        return bool(step.holds), "; ".join(told)

    @asynccontextmanager
    async def _watched(self, step: Step) -> AsyncIterator[None]:
        if step.meanwhile is None:
            yield
            return
        watching = asyncio.create_task(self._watch(step, step.meanwhile))
        try:
            yield
        finally:
            watching.cancel()
            await asyncio.wait({watching})

    async def _watch(self, step: Step, ask: Sql) -> None:
        async with self._hands.at_work() as work:
            while True:
                await asyncio.sleep(MEANWHILE_S)
                with suppress(NightferryError):
                    said = (await work.do(ask, {})).answer
                    self._live.publish(
                        Progressed(step=step.id, what=step.title, done=0, detail=said)
                    )

    def _values(self, step: Step) -> dict[str, str]:
        if "password" not in step.secrets:
            return {}
        password = secrets.token_urlsafe(24)
        return {"password": password, "verifier": scram_verifier(password)}

    def _owe(self, step: Step) -> None:
        """On disk before the first command: whatever happens next, it is not forgotten."""
        known = self._live.state.loose_ends
        if step.leaves and (
            step.leaves.id not in known or known[step.leaves.id].settled is not None
        ):
            self._live.publish(LooseEndOpened(step=step.id, loose_end=step.leaves))

    def _settle(self, step: Step) -> None:
        if step.settles is not None:
            self._live.publish(LooseEndSettled(step=step.id, id=step.settles))

    def _told(
        self, step: Step, index: int, text: str, answer: str, began: float, *, ok: bool = True
    ) -> None:
        took = (time.perf_counter() - began) * 1000.0
        self._live.publish(
            CommandRan(step=step.id, index=index, text=text, answer=answer, ok=ok, duration_ms=took)
        )

    def _ended(self, step: Step, judged: Judged, began: float) -> Outcome:
        took = (time.monotonic() - began) * 1000.0
        self._live.publish(
            StepEnded(
                step=step.id,
                outcome=judged.outcome,
                evidence=judged.evidence,
                error=judged.error,
                duration_ms=took,
            )
        )
        if judged.outcome in ("done", "already", "by-hand", "undone"):
            self._settle(step)
        return judged.outcome
