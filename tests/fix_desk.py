"""A desk in this process, for whoever tests what an engine does with a night, without its shell."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import msgspec

from connections.passwords import Passwords
from engine.client import new_id
from engine.desk import Desk
from engine.launch import begin
from engine.night import LiveNight
from profiles.events import Event, StepBegan
from profiles.fold import Night, fold
from profiles.journal import Journal, read_events
from profiles.profile import Profile
from profiles.requests import Confirm, Probe, Request, RunPhase, RunStep
from tests.fix_engine import until


@dataclass(frozen=True)
class AtTheDesk:
    """One night and its desk; `ask` sends what a window would send that has seen everything."""

    live: LiveNight
    desk: Desk
    folder: Path

    @property
    def night(self) -> Night:
        return self.live.state

    async def ask(self, request: Request) -> None:
        """Raises RefusedError, as the desk does."""
        await self.desk.handle(msgspec.structs.replace(request, seen_seq=self.night.seq))

    async def look(self, phase: str) -> None:
        await self.ask(Probe(id=new_id(), phase=phase))

    async def run(self, step: str) -> None:
        await self.ask(RunStep(id=new_id(), step=step))

    async def run_phase(self, phase: str) -> None:
        """With every name typed that its steps want."""
        for server in {name for step in self.night.plan(phase) for name in step.servers}:
            await self.ask(Confirm(id=new_id(), phase=phase, server=server))
        await self.ask(RunPhase(id=new_id(), phase=phase))

    async def until(self, holds: Callable[[Night], bool]) -> None:
        await until(lambda: holds(self.night))

    def events(self) -> list[Event]:
        """What stands in the journal."""
        return read_events(self.folder).events

    def began(self) -> list[str | None]:
        """The steps that were begun, in order."""
        return [event.step for event in self.events() if isinstance(event, StepBegan)]


@asynccontextmanager
async def a_desk(profile: Profile, *before: Event) -> AsyncIterator[AtTheDesk]:
    """A desk that has not started, on a night of which the journal holds these events."""
    folder = begin(profile)
    with Journal.open(folder) as journal:
        live = LiveNight(folder, journal, fold(journal.events))
        for event in before:
            live.publish(event)
        desk = Desk(live, profile, folder, Passwords(profile))
        try:
            yield AtTheDesk(live, desk, folder)
        finally:
            await desk.close("the test ends")
