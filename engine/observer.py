"""What the armed sequence tells, as events; inside the pause nothing here waits for a disk."""

from __future__ import annotations

import time
from collections.abc import Mapping

from engine.night import LiveNight
from profiles.events import CommandRan, StepEnded, StretchMoved, StretchState, WritesStopped
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

    def moved(
        self, state: StretchState, paused_ms: float | None, says: str, aborting_means: str
    ) -> None:
        """One state further; the step that led there is done."""
        self._live.publish(
            StretchMoved(
                attempt=self._attempt,
                state=state,
                paused_ms=paused_ms,
                says=says,
                aborting_means=aborting_means,
            ),
            wait=False,
        )
        if state == "armed" and self._ran_any("arm"):
            self._done("arm", says)
            self._done("timer", says)
        self._done(REACHED_BY.get(state, ""), says)

    def stopped(self, why: str, missing: str, choices: tuple[str, ...]) -> None:
        """WRITES STOPPED: on disk, because nothing waits any more."""
        self._live.publish(StretchMoved(attempt=self._attempt, state="stopped", says=why))
        self._live.publish(
            WritesStopped(attempt=self._attempt, why=why, missing=missing, choices=choices)
        )

    async def intent(self) -> None:
        """Before PAUSE: everything up to here is on disk."""
        self._live.sync()

    async def settled(self) -> None:
        """After RESUME: and all that came since."""
        self._live.sync()

    def ran(self, command: Command, text: str, answer: str, took_ms: float) -> None:
        """A command was run; the step it stands in is found by the command itself."""
        for step in self._steps.values():
            if command in step.commands or command in step.undo:
                self._ran.add(step.id)
                self._live.publish(
                    CommandRan(
                        step=step.id,
                        attempt=self._attempt,
                        index=_index(step, command),
                        text=text,
                        answer=answer,
                        ok=not answer.startswith("error:"),
                        duration_ms=took_ms,
                    ),
                    wait=False,
                )
                return

    def _ran_any(self, kind: str) -> bool:
        return any(step_id.startswith(kind + "@") for step_id in self._ran)

    def _done(self, kind: str, says: str) -> None:
        took_ms, self._since = (time.monotonic() - self._since) * 1000.0, time.monotonic()
        for step in self._steps.values():
            if kind and step.id.startswith(kind + "@"):
                self._live.publish(
                    StepEnded(
                        step=step.id,
                        attempt=self._attempt,
                        outcome="done",
                        evidence=says,
                        duration_ms=took_ms,
                    ),
                    wait=False,
                )


def _index(step: Step, command: Command) -> int:
    return step.commands.index(command) if command in step.commands else len(step.commands)
