"""The lag sampler: a heartbeat and a reading a second, progress of the copy, the gates.

Runs while there is a subscription and nothing is paused; its sessions are closed before the armed
stretch, so that they are nobody's strangers.
"""

from __future__ import annotations

import asyncio
import logging
import time

from actions.heartbeat import beat
from checks.forecast import Point, forecast
from checks.lag import Sample, Watched, read_sample
from checks.progress import read_progress
from connections.postgres import Session
from connections.sessions import Sessions
from engine.night import LiveNight
from engine.pacing import Pacer
from profiles.errors import LoginRefusedError, NightferryError
from profiles.events import GateRead, Progressed, Sampled
from profiles.fold import Night
from routes.gates import Behind
from routes.route import route_of

log = logging.getLogger(__name__)

EVERY_S = 1.0
AGAIN_S = 2.0
REFUSED_AGAIN_S = 30.0
"""After a login that was refused: many a host shuts out who knocks too often."""
STOP_S = 3.0
"""How long stopping may wait for the statement under way to be cancelled."""


class Sampler:
    """One night's lag, measured for as long as it makes sense."""

    def __init__(self, live: LiveNight, sessions: Sessions) -> None:
        self._live = live
        self._profile = profile = sessions.profile
        self._sessions = sessions
        self._task: asyncio.Task[None] | None = None
        self._points: list[Point] = []
        self._pacer = Pacer(live)
        self._gates = [GateKeeper(live, gate) for gate in route_of(profile).gates(profile)]

    def follow(self) -> None:
        """Start when there is something to measure, stop when there is nothing any more."""
        wanted = _replicates(self._live.state)
        if wanted and (self._task is None or self._task.done()):
            self._task = asyncio.create_task(self._sample())
        elif not wanted and self._task is not None:
            self._task.cancel()

    async def stop(self) -> None:
        """End it, and its sessions on both servers."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task}, timeout=STOP_S)
            self._task = None

    async def _sample(self) -> None:
        for gate in self._gates:
            gate.forget()
        while True:
            try:
                await self._session_long()
            except NightferryError as error:
                self._publish(Sampled(trouble=str(error)))
                if isinstance(error, LoginRefusedError):
                    await asyncio.sleep(REFUSED_AGAIN_S)
            except Exception as mistake:
                # A sampler that had died would leave its last reading standing as if it were new.
                log.exception("the lag could not be read")
                self._publish(Sampled(trouble=f"a mistake of ours: {type(mistake).__name__}"))
            await asyncio.sleep(AGAIN_S)

    async def _session_long(self) -> None:
        source, destination = await self._open(self._profile.source.name), None
        try:
            destination = await self._open(self._profile.destination.name)
            previous: Sample | None = None
            while True:
                began = time.monotonic()
                await beat(source, self._live.name)
                previous = await self._read(source, destination, previous)
                await self._progress(source, destination)
                await asyncio.sleep(max(0.0, EVERY_S - (time.monotonic() - began)))
        finally:
            await source.close()
            if destination is not None:
                await destination.close()

    async def _open(self, name: str) -> Session:
        return await self._sessions.server(name, application="nightferry sampler")

    async def _read(self, source: Session, destination: Session, previous: Sample | None) -> Sample:
        sample = await read_sample(source, destination, previous, Watched(night=self._live.name))
        if sample.behind_bytes is not None:
            point = Point(
                sample.at.timestamp(), sample.behind_bytes, sample.write_rate, sample.apply_rate
            )
            self._points = [*self._points[-60:], point]
        self._publish(
            Sampled(
                behind_bytes=sample.behind_bytes,
                behind_s=sample.behind_s,
                write_rate=sample.write_rate,
                apply_rate=sample.apply_rate,
                retained_bytes=sample.retained_bytes,
                wal_status=sample.wal_status,
                caught_up_in_s=forecast(self._points).caught_up_in_s,
                trouble=sample.trouble,
            )
        )
        return sample

    async def _progress(self, source: Session, destination: Session) -> None:
        """While a table is still being copied, how far each has come."""
        step = f"copied@{self._profile.destination.name}/{self._profile.database}"
        if self._live.state.state_of(step).settled:
            return
        copy = await read_progress(source, destination)
        for table in copy.tables:
            self._live.publish(
                Progressed(
                    what=table.name,
                    done=table.rows_copied,
                    total=table.rows_estimated,
                    detail=table.state,
                )
            )
        done, total = copy.tables_copied, len(copy.tables)
        self._live.publish(
            Progressed(step=step, what="tables", done=done, total=total, unit="tables")
        )
        self._pacer.read(copy)

    def _publish(self, sampled: Sampled) -> None:
        event = self._live.publish(sampled)
        assert isinstance(event, Sampled)
        for gate in self._gates:
            gate.read(event)


class GateKeeper:
    """One gate: for how long it has held, told once a second, journalled when it turns."""

    def __init__(self, live: LiveNight, gate: Behind) -> None:
        self._live = live
        self._gate = gate
        self._since: float | None = None
        self._open = False

    def forget(self) -> None:
        """Nobody has measured for a while: for how long it has held begins anew."""
        self._since = None

    def read(self, sample: Sampled) -> None:
        """Take one sample in; a figure that is missing closes the gate."""
        now = time.monotonic()
        if not self._gate.holds(sample):
            self._since = None
        elif self._since is None:
            self._since = now
        held_s = 0.0 if self._since is None else now - self._since
        holds = self._since is not None and held_s >= self._gate.for_s
        turned, self._open = holds is not self._open, holds
        figure = self._gate.figure(sample, held_s)
        self._live.publish(
            GateRead(gate=self._gate.id, holds=holds, figure=figure, held_s=held_s, turned=turned)
        )


def _replicates(state: Night) -> bool:
    subscribed = [
        step_state.settled or step_state.outcome == "in-doubt"
        for step_id, step_state in state.states.items()
        if step_id.startswith("subscription@")
    ]
    paused = state.stretch is not None and not state.stretch.over and state.stretch.paused_at
    return any(subscribed) and not state.moved and not paused
