"""The armed stretch of a night: builds the four sides for an attempt and drives the sequence.

Knows how sides are made of a profile and its steps; what happens in which order is the sequence's.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from pathlib import Path

from actions.armed import ArmedSequence, Ask
from actions.armed_clock import LoopClock
from actions.armed_postgres import NewPostgres, OldPostgres
from actions.armed_protocols import Attempt
from actions.armed_stages import Stage, Stretch
from actions.armed_traffic import Endpoints, Pool
from actions.cutover import acts
from connections.hands import Hands
from connections.pgbouncer import Console
from connections.postgres import Session
from connections.sessions import Sessions
from engine.followed import Listener
from engine.logs import Logs
from engine.night import LiveNight
from engine.observer import Told
from profiles.errors import RefusedError
from profiles.events import Armed, StretchState
from profiles.profile import PgBouncer, Profile
from profiles.steps import Step

OPEN_S = 3.0


class ArmedStretch:
    """One attempt, from arming to its end."""

    def __init__(
        self,
        live: LiveNight,
        profile: Profile,
        folder: Path,
        hands: Hands,
        sessions: Sessions,
        logs: Logs,
        armed: Armed,
    ) -> None:
        self.armed = armed
        self.number = armed.attempt or 0
        self._live = live
        self._profile = profile
        self._folder = folder
        self._hands = hands
        self._sessions = sessions
        self._logs = logs
        self._listener: Listener | None = None
        self._open = AsyncExitStack()
        self._key = asyncio.Event()
        self._going: asyncio.Task[StretchState] | None = None
        self._sequence: ArmedSequence | None = None
        self._ready = False
        self._recovering = False
        self._traffic_side: Endpoints

    @property
    def ready(self) -> bool:
        """Everything is ready, and nobody has said go."""
        return self._ready and self._going is None

    @property
    def under_way(self) -> bool:
        """Somebody has said go, or it is being undone or finished after a restart."""
        return self._going is not None

    async def arm(self) -> None:
        """Make everything ready. Raises what cannot be made ready; then nothing is armed."""
        try:
            await self._listen()
            sequence = await self._build()
            await self._traffic_side.open()
            await sequence.arm()
        except BaseException:
            await self.close()
            raise
        self._ready = True

    async def go(self, quieten: Callable[[], Awaitable[None]]) -> StretchState:
        """The first key: the stretch, or its first step when it is gone through by hand.

        ``quieten`` ends whatever else of ours talks to the servers, before anything is paused.
        """
        assert self._sequence is not None
        ask = self._wait_for_key if self.armed.by_hand else None
        self._going = asyncio.create_task(self._run(self._sequence, ask, quieten))
        return await self._going

    def press(self) -> None:
        """The key for the next step. Raises RefusedError when none is waited for."""
        if not self.armed.by_hand or self._recovering:
            raise RefusedError("cutover", "go", "it is under way already", "Wait for its end.")
        self._key.set()

    async def recover(self) -> StretchState:
        """Undo or finish what a dead engine left in the middle; the arbiter decides."""
        stretch = self._live.state.stretch
        turned = stretch is not None and stretch.turned
        self._recovering = True
        sequence = await self._build()
        self._going = asyncio.create_task(sequence.recover(turned=turned))
        try:
            return await self._going
        finally:
            await self.close()

    def abort(self, why: str) -> None:
        """Before the turn: undo it. Raises RefusedError after it, and when that is being done."""
        if self._recovering:
            answered = "it is being undone, or finished, already: the arbiter decides"
            raise RefusedError("cutover", "abort", answered, "Wait for its end.")
        if self._sequence is None:
            raise RefusedError("cutover", "abort", "nothing of it has begun", "Try again.")
        self._sequence.abort(why)

    async def leave(self) -> None:
        """The engine ends: before the turn it is undone, after it finished."""
        if self._going is not None and not self._going.done():
            self._going.cancel()
            await asyncio.wait({self._going})
        elif self._sequence is not None and self._going is None:
            self._sequence.abort("the engine ends")
        await self.close()

    async def close(self) -> None:
        """Ends every session and console of the attempt."""
        await self._open.aclose()

    async def _run(
        self, sequence: ArmedSequence, ask: Ask | None, quieten: Callable[[], Awaitable[None]]
    ) -> StretchState:
        try:
            await quieten()
            if self._listener is not None:
                self._listener.muted = False
            return await sequence.run(ask)
        finally:
            await self.close()

    async def _wait_for_key(self, stage: Stage) -> None:
        self._key.clear()
        await self._key.wait()

    async def _listen(self) -> None:
        """From now on the logs are followed, and nothing is told of them before the first key."""
        paused = [step for step in self._live.state.plan("cutover") if step.paused]
        beside = self._logs.beside_stretch(self.number, paused)
        self._listener = await self._open.enter_async_context(beside)

    async def _build(self) -> ArmedSequence:
        steps = {step.id: step for step in self._live.state.plan("cutover") if step.paused}
        told = Told(self._live, self.number, steps)
        attempt = Attempt(self._live.name, self.number, self.armed.direction)
        statements = acts(steps.values())
        old = OldPostgres(statements, attempt, self._connect, told.ran)
        new = NewPostgres(statements, attempt, self._connect, told.ran)
        traffic = self._traffic_side = await self._traffic(steps, attempt, told)
        self._open.push_async_callback(old.close)
        self._open.push_async_callback(new.close)
        self._open.push_async_callback(traffic.close)
        stretch = Stretch(
            old,
            new,
            traffic,
            LoopClock(),
            told,
            whole_s=self.armed.deadline_s,
            pause_s=self._profile.thresholds.pool_pause_deadline_s,
        )
        self._sequence = ArmedSequence(stretch)
        return self._sequence

    async def _traffic(self, steps: Mapping[str, Step], attempt: Attempt, told: Told) -> Endpoints:
        work = await self._open.enter_async_context(self._hands.at_work())
        pools = [
            Pool(endpoint, self._console)
            for endpoint in self._profile.endpoints
            if isinstance(endpoint, PgBouncer) and endpoint.access == "write"
        ]
        return Endpoints(pools, steps, work, attempt, self._folder, told.ran)

    async def _connect(self, server: str, application: str, settings: Mapping[str, str]) -> Session:
        return await self._sessions.server(
            server, application=application, deadline_s=OPEN_S, settings=settings
        )

    async def _console(self, endpoint: PgBouncer) -> Console:
        return await self._sessions.console(endpoint, deadline_s=OPEN_S)
