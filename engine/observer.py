"""What the armed sequence tells, as events; inside the pause nothing here waits for a disk.

A journal that cannot be written must not stop the sequence in the middle: what it could not take is
kept until the stretch is over, and raised then.
"""

from __future__ import annotations

import time
from collections.abc import Mapping

from engine.night import LiveNight
from profiles.errors import JournalError
from profiles.events import (
    CommandRan,
    Event,
    StepEnded,
    StretchMoved,
    StretchState,
    WritesStopped,
)
from profiles.steps import Command, Step

REACHED_BY: Mapping[str, str] = {
    "paused": "pause",
    "fenced": "fence",
    "drained": "drain",
    "sequences": "sequences",
    "turned": "turn",
    "opened": "open",
    "switched": "point",
    "resumed": "resume",
    "moved": "written",
}
"""State of the stretch to the step that has been done when it is reached."""


class Told:
    """`actions.armed_protocols.Observer` of one attempt, and the teller of its commands."""

    def __init__(self, live: LiveNight, attempt: int, steps: Mapping[str, Step]) -> None:
        self._live = live
        self._attempt = attempt
        self._steps = steps
        self._since = time.monotonic()
        self._ran: set[str] = set()
        self._trouble: JournalError | None = None

    def moved(
        self, state: StretchState, paused_ms: float | None, says: str, aborting_means: str
    ) -> None:
        """One state further; the step that led there is done."""
        self._tell(
            StretchMoved(
                attempt=self._attempt,
                state=state,
                paused_ms=paused_ms,
                says=says,
                aborting_means=aborting_means,
            )
        )
        if state == "armed" and self._ran_any("arm"):
            self._done("arm", says)
            self._done("timer", says)
        self._done(REACHED_BY.get(state, ""), says)

    def stopped(self, why: str, missing: str, choices: tuple[str, ...]) -> None:
        """WRITES STOPPED: a state, and what is missing."""
        self._tell(StretchMoved(attempt=self._attempt, state="stopped", says=why))
        self._tell(WritesStopped(attempt=self._attempt, why=why, missing=missing, choices=choices))

    async def intent(self) -> None:
        """Before PAUSE: everything up to here is on disk."""
        self._live.sync()

    async def settled(self) -> None:
        """After RESUME: and all that came since. Raises JournalError, also of what came before."""
        self._live.sync()
        trouble, self._trouble = self._trouble, None
        if trouble is not None:
            raise trouble

    def ran(self, command: Command, text: str, answer: str, took_ms: float) -> None:
        """A command was run; the step it stands in is found by the command itself."""
        for step in self._steps.values():
            if command in step.commands or command in step.undo:
                self._ran.add(step.id)
                self._tell(
                    CommandRan(
                        step=step.id,
                        attempt=self._attempt,
                        index=_index(step, command),
                        text=text,
                        answer=answer,
                        ok=not answer.startswith("error:"),
                        duration_ms=took_ms,
                    )
                )
                return

    def _tell(self, event: Event) -> None:
        try:
            self._live.publish(event, wait=False)
        except JournalError as error:
            self._trouble = self._trouble or error

    def _ran_any(self, kind: str) -> bool:
        return any(step_id.startswith(kind + "@") for step_id in self._ran)

    def _done(self, kind: str, says: str) -> None:
        took_ms, self._since = (time.monotonic() - self._since) * 1000.0, time.monotonic()
        for step in self._steps.values():
            if kind and step.id.startswith(kind + "@"):
                self._tell(
                    StepEnded(
                        step=step.id,
                        attempt=self._attempt,
                        outcome="done",
                        evidence=says,
                        duration_ms=took_ms,
                    )
                )


def _index(step: Step, command: Command) -> int:
    return step.commands.index(command) if command in step.commands else len(step.commands)
