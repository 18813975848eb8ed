"""A database carried from one server to another by the route's own steps, and what it took.

Times and lag are taken here; what the servers are set to is decided elsewhere.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from typing import NamedTuple

import msgspec

from actions.heartbeat import beat
from benchmarks.full import DATABASE, PASSWORD
from checks.facts import gather
from checks.lag import Watched, read_sample
from connections.hands import Hands
from connections.passwords import Passwords
from connections.postgres import Session, connect
from engine.launch import begin
from engine.night import LiveNight
from engine.runner import Runner
from profiles.errors import DeadlineError, EvidenceError
from profiles.events import CommandRan, Event
from profiles.fold import fold
from profiles.journal import Journal
from profiles.names import SUBSCRIPTION
from profiles.profile import LocalHost, Profile, SecretRef
from profiles.profile import Server as Choice
from profiles.steps import Shell, Step
from rehearsal.server import SUPERUSER, Server
from routes import postgres_logical
from routes.given import Given

EVERY_S = 0.1
LOOK_S = 0.02
COPY_S, FOLLOW_S = 600.0, 120.0
NOT_READY = "SELECT count(*) FROM pg_subscription_rel WHERE srsubstate <> 'r'"
APPLIED = f"""\
SELECT coalesce(bool_or(replay_lsn >= $1::text::pg_lsn), false)
  FROM pg_stat_replication WHERE application_name = '{SUBSCRIPTION}'"""


class Passage(msgspec.Struct, frozen=True, kw_only=True):
    """What it took, in seconds."""

    copy_s: float
    """From subscribing until every table follows."""
    indexes_s: float
    """Secondary indexes, all of them, while the changes wait."""
    catch_up_s: float
    """From then until what had been written by then is there."""
    lag_s: float
    """The oldest that any change was when the next one arrived, from the copy's end on."""

    @property
    def whole_s(self) -> float:
        """All three, one after the other."""
        return self.copy_s + self.indexes_s + self.catch_up_s


class Reading(NamedTuple):
    """How far behind it was at a moment of the event loop's clock; None: not known."""

    at_s: float
    behind_s: float | None


@dataclass(frozen=True)
class _Crossing:
    """A night under way."""

    profile: Profile
    live: LiveNight
    runner: Runner
    old: Session
    new: Session
    told: list[Event] = field(default_factory=list)

    async def run(self, step: Step) -> None:
        """Raises EvidenceError when it fails."""
        if await self.runner.run(step) not in ("done", "already"):
            error = self.live.state.state_of(step.id).error
            raise EvidenceError("this machine", step.title, error)


async def carried(old: Server, new: Server) -> Passage:
    """From an empty destination to one that follows. Raises NightferryError."""
    async with _crossing(old, new) as night:
        steps = await _steps(night, str(new.programs))
        names = [step.id.partition("@")[0] for step in steps]
        subscribes, builds = names.index("subscription"), names.index("indexes")
        for step in steps[:subscribes]:
            await night.run(step)
        copy_s = await _timed(night, steps[subscribes])
        async with (
            connected(new, DATABASE) as there,
            _lag(old, new, night.live.name) as readings,
        ):
            copy_s += await _until(there, NOT_READY, 0, COPY_S)
            from_s = asyncio.get_running_loop().time()
            for step in steps[subscribes + 1 : builds + 1]:
                await night.run(step)
            catch_up_s = await _catch_up(night.old)
        for step in steps[builds + 1 :]:
            await night.run(step)
    return Passage(
        copy_s=copy_s,
        indexes_s=_build_s(night.told, steps[builds]),
        catch_up_s=catch_up_s,
        lag_s=largest(readings, from_s),
    )


def largest(readings: Sequence[Reading], from_s: float) -> float:
    """The largest lag from that moment on; 0 where none was read."""
    read = [it.behind_s for it in readings if it.at_s >= from_s and it.behind_s is not None]
    return max(read, default=0.0)


@asynccontextmanager
async def connected(to: Server, database: str = SUPERUSER) -> AsyncIterator[Session]:
    """A session as the wizard has it."""
    session = await connect(_choice(to), database, PASSWORD)
    try:
        yield session
    finally:
        await session.close()


@asynccontextmanager
async def _crossing(old: Server, new: Server) -> AsyncIterator[_Crossing]:
    profile = Profile(
        name="bench", databases=[DATABASE], source=_choice(old), destination=_choice(new)
    )
    passwords = Passwords(profile)
    for server in (old, new):
        passwords.tell(server.name, PASSWORD)
    hands = Hands(profile, passwords)
    with _a_night(profile) as live:
        async with connected(old, DATABASE) as source, connected(new) as destination:
            night = _Crossing(profile, live, Runner(live, hands), source, destination)
            live.listeners.append(night.told.append)
            try:
                yield night
            finally:
                await hands.close()


@contextmanager
def _a_night(profile: Profile) -> Iterator[LiveNight]:
    folder = begin(profile)
    with Journal.open(folder) as journal:
        yield LiveNight(folder, journal, fold(journal.events))


def _choice(server: Server) -> Choice:
    return Choice(
        name=server.name,
        address="127.0.0.1",
        port=server.port,
        password=SecretRef(ask=True),
        country="NO",
        operated_by="us",
        host=LocalHost(),
        client_tools=str(server.programs),
    )


async def _steps(night: _Crossing, tools: str) -> list[Step]:
    given = Given(
        profile=night.profile,
        facts=await gather(night.old, night.new, night.profile),
        findings=(),
        night=night.live.state,
        tools=tools,
        login_retry={},
        configured={},
        folder=night.live.folder,
    )
    return postgres_logical.replicate(given)


async def _timed(night: _Crossing, step: Step) -> float:
    began_s = asyncio.get_running_loop().time()
    await night.run(step)
    return asyncio.get_running_loop().time() - began_s


async def _until(
    session: Session, query: str, answer: object, deadline_s: float, *given: object
) -> float:
    """For how long it had to be asked until it answered so. Raises DeadlineError."""
    loop = asyncio.get_running_loop()
    began_s = loop.time()
    while await session.value(query, *given) != answer:
        if loop.time() - began_s > deadline_s:
            raise DeadlineError("the benchmark", query, f"not {answer} within {deadline_s:g} s")
        await asyncio.sleep(LOOK_S)
    return loop.time() - began_s


async def _catch_up(old: Session) -> float:
    written = await old.value("SELECT pg_current_wal_lsn()::text")
    return await _until(old, APPLIED, True, FOLLOW_S, written)


@asynccontextmanager
async def _lag(old: Server, new: Server, night: str) -> AsyncIterator[list[Reading]]:
    """Read again and again until the end of the block, on sessions of its own."""
    readings: list[Reading] = []
    over = asyncio.Event()
    async with connected(old, DATABASE) as source, connected(new, DATABASE) as destination:
        reading = asyncio.create_task(_read(source, destination, night, readings.append, over))
        try:
            yield readings
        finally:
            over.set()
            await reading


async def _read(
    old: Session, new: Session, night: str, keep: Callable[[Reading], None], over: asyncio.Event
) -> None:
    loop = asyncio.get_running_loop()
    while not over.is_set():
        await beat(old, night)
        sample = await read_sample(old, new, None, Watched(night=night))
        keep(Reading(loop.time(), sample.behind_s))
        await asyncio.sleep(EVERY_S)


def _build_s(told: Sequence[Event], step: Step) -> float:
    """How long the shell line of that step took, which makes the indexes."""
    (index,) = [at for at, command in enumerate(step.commands) if isinstance(command, Shell)]
    ran = [it for it in told if isinstance(it, CommandRan) and it.step == step.id]
    return next(it.duration_ms for it in ran if it.index == index) / 1e3
