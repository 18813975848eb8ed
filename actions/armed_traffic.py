"""The traffic of the armed sequence: every write endpoint that can be switched, all or none.

Runs the commands of the steps that the checklist shows. A console in which a call failed or was
given up is not used again.
"""

from __future__ import annotations

import asyncio
import shlex
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path

from actions.armed_protocols import Attempt
from connections.hands import Work
from connections.pgbouncer import Console, pause
from connections.quoting import quote_ident
from profiles.errors import EvidenceError, NightferryError, PoolerError
from profiles.profile import PgBouncer
from profiles.steps import Command, FileEdit, Step, shown

OpenConsole = Callable[[PgBouncer], Awaitable[Console]]
Ran = Callable[[Command, str, str, float], None]
"""Told of each command that changes something: it, the filled text, the answer, milliseconds."""

SEEN_S = 3.0
"""How long a pooler may take to show what it was told."""
LOOK_AGAIN_S = 0.005
LET_PASS_S = 0.25


class Pool:
    """One PgBouncer: two consoles, because a PAUSE that is given up is freed from the second."""

    def __init__(self, endpoint: PgBouncer, open_console: OpenConsole) -> None:
        self.endpoint = endpoint
        self._open_console = open_console
        self._consoles: list[Console | None] = [None, None]

    async def console(self, number: int) -> Console:
        """One of the two, opened when there is none or it was lost."""
        console = self._consoles[number]
        if console is None or console.lost:
            console = self._consoles[number] = await self._open_console(self.endpoint)
        return console

    async def pause(self, deadline_s: float) -> None:
        """PAUSE, with its own way out."""
        first, second = await self.console(0), await self.console(1)
        try:
            await pause(first, second, self.endpoint.database, deadline_s=deadline_s)
        except BaseException:
            self._consoles[0] = None
            raise

    async def resume(self) -> None:
        """RESUME; a pool that was not paused is no error."""
        console = await self.console(1)
        try:
            await console.run(f"RESUME {quote_ident(self.endpoint.database)}")
        except PoolerError as error:
            if "is not paused" not in error.answered:
                self._consoles[1] = None
                raise
        except BaseException:
            self._consoles[1] = None
            raise

    async def close(self) -> None:
        """Ends both consoles."""
        for console in self._consoles:
            if console is not None:
                await console.close()


class Endpoints:
    """`actions.armed_protocols.Traffic` over every write endpoint that we can switch."""

    def __init__(
        self,
        pools: Sequence[Pool],
        steps: Mapping[str, Step],
        work: Work,
        attempt: Attempt,
        folder: Path,
        ran: Ran,
    ) -> None:
        self.name = ", ".join(_targets(steps, "point@")) or "no endpoint"
        self._pools = pools
        self._steps = steps
        self._work = work
        self._ran = ran
        self._values = {
            "folder": shlex.quote(str(folder)),
            "night": attempt.night,
            "attempt": str(attempt.number),
            "token": f"{attempt.night}/{attempt.number}/{time.time_ns()}",
        }

    async def place_timers(self, after_s: float) -> None:
        """A timer on each pooler's host, which resumes it."""
        await self.lift_timers()
        self._values["after_s"] = f"{after_s:g}"
        for step in self._all("timer@"):
            await self._do(step.commands[0])

    async def timers_stand(self) -> bool:
        """Is each of them running?"""
        answers = [
            (await self._work.do(step.commands[1], self._values)).answer
            for step in self._all("timer@")
        ]
        return all(answer == "standing" for answer in answers)

    async def lift_timers(self) -> None:
        """Take every timer of this night away."""
        for step in self._all("timer@"):
            for command in step.undo:
                await self._do(command)

    async def pause(self, deadline_s: float) -> None:
        """Every pool or none; the sequence resumes those that were paused when one is not."""
        began = time.perf_counter()
        await asyncio.gather(*(pool.pause(deadline_s) for pool in self._pools))
        self._tell("pause@", began)

    async def point(self) -> None:
        """Edit, make it read again, and look at where it really leads now."""
        for step in self._all("point@"):
            for command in step.commands:
                await self._do(command)
            await self._seen(step)

    async def resume(self) -> None:
        """Let clients through everywhere."""
        began = time.perf_counter()
        for pool in self._pools:
            await pool.resume()
        self._tell("resume@", began)

    async def prove(self) -> None:
        """A client's own write through each endpoint, seen on the new server.

        Those who have waited go first: our login would stand in their way.
        """
        await asyncio.sleep(LET_PASS_S)
        self._values["token"] = f"{self._values['token'].rpartition('/')[0]}/{time.time_ns()}"
        for step in self._all("written@"):
            for command in step.commands:
                await self._do(command)

    async def open(self) -> None:
        """Open what the pause will need, before it."""
        for pool in self._pools:
            await pool.console(0)
            await pool.console(1)
        for step in self._all("point@"):
            for command in step.commands:
                if isinstance(command, FileEdit):
                    await self._work.prepare(command)
            for evidence in step.holds:
                await self._work.ask(evidence, self._values)

    async def close(self) -> None:
        """Ends every console."""
        for pool in self._pools:
            await pool.close()

    def _all(self, kind: str) -> list[Step]:
        return [step for step_id, step in self._steps.items() if step_id.startswith(kind)]

    async def _do(self, command: Command) -> None:
        began = time.perf_counter()
        try:
            answer = await self._work.do(command, self._values)
        except NightferryError as error:
            self._ran(command, shown(command), f"error: {error.answered}", _ms_since(began))
            raise
        self._ran(command, answer.text, answer.answer, _ms_since(began))

    async def _seen(self, step: Step) -> None:
        end = time.monotonic() + SEEN_S
        for evidence in step.holds:
            holds, said = await self._work.ask(evidence, self._values)
            while not holds:
                if time.monotonic() > end:
                    raise EvidenceError(step.id, step.title, f"it says “{said}”")
                await asyncio.sleep(LOOK_AGAIN_S)
                holds, said = await self._work.ask(evidence, self._values)

    def _tell(self, kind: str, began: float) -> None:
        for step in self._all(kind):
            self._ran(step.commands[0], shown(step.commands[0]), "", _ms_since(began))


def _targets(steps: Mapping[str, Step], kind: str) -> list[str]:
    return [step_id.removeprefix(kind) for step_id in steps if step_id.startswith(kind)]


def _ms_since(began: float) -> float:
    return (time.perf_counter() - began) * 1000.0
