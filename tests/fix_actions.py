"""A night on two real servers without a desk: the route's steps, the runner, and what it told."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field

from checks.facts import gather
from connections.hands import Hands
from connections.hosts import Hosts
from connections.passwords import Passwords
from connections.postgres import Session, connect
from connections.unit import host_key_of, keeper_of
from engine.launch import begin
from engine.night import LiveNight
from engine.runner import Runner
from profiles.events import CommandRan, Event, StepEnded
from profiles.findings import Finding
from profiles.fold import fold
from profiles.journal import Journal
from profiles.profile import (
    ConnectionFile,
    LocalHost,
    PgBouncer,
    Profile,
    SecretRef,
    Server,
    Thresholds,
)
from profiles.steps import Outcome, Step
from rehearsal import server
from rehearsal.server import Server as Running
from routes.given import Given, TunnelGiven
from tests.fix_servers import PASSWORD, Pair, Templates

PATIENCE_S = 10.0

QUICK = Thresholds(slot_deadline_s=10.0, copy_deadline_s=30.0, write_rate_window_s=0.05)


@dataclass(frozen=True)
class ANight:
    """What a step needs to be run, and every event so far."""

    live: LiveNight
    profile: Profile
    passwords: Passwords
    hands: Hands
    runner: Runner
    told: list[Event] = field(default_factory=list)

    async def runs(self, *steps: Step) -> list[Outcome]:
        """What becomes of each of them, one after the other."""
        return [await self.runner.run(step) for step in steps]

    async def holds(self, step: Step) -> bool:
        """Whether all of its evidence holds now."""
        async with self.hands.at_work() as work:
            return all([(await work.ask(one, {}))[0] for one in step.holds])

    def ended(self, step: Step) -> StepEnded:
        """The last end of a step."""
        ends = [it for it in self.told if isinstance(it, StepEnded) and it.step == step.id]
        return ends[-1]

    def commands(self, step: Step) -> list[CommandRan]:
        """Every command of a step that was run."""
        return [it for it in self.told if isinstance(it, CommandRan) and it.step == step.id]


@contextmanager
def a_night(profile: Profile) -> Iterator[ANight]:
    """A night that has just begun, in the state folder that the test has set."""
    folder = begin(profile)
    passwords = Passwords(profile)
    for choice in (profile.source, profile.destination):
        passwords.tell(choice.name, PASSWORD)
    hands = Hands(profile, passwords)
    with Journal.open(folder) as journal:
        live = LiveNight(folder, journal, fold(journal.events))
        night = ANight(live, profile, passwords, hands, Runner(live, hands))
        live.listeners.append(night.told.append)
        yield night


def started(templates: Templates, settings: dict[str, str], hba: str | None = None) -> Pair:
    """A PostgreSQL 16 and an 18 of the caller's, both with these settings; the caller stops it."""
    pair = Pair(templates.copy("old", 16, settings), templates.copy("new", 18, settings))
    if hba is not None:
        server.configure(pair.old.folder, {}, hba)
    asyncio.run(_both(pair))
    return pair


async def _both(pair: Pair) -> None:
    await asyncio.gather(pair.old.start(), pair.new.start())


def stopped(pair: Pair) -> None:
    """Both of them end."""
    for one in (pair.old, pair.new):
        asyncio.run(one.stop())


def moving(pair: Pair, database: str, *endpoints: PgBouncer | ConnectionFile) -> Profile:
    """The profile of a move between the two, with hosts that can be reached."""
    return Profile(
        name="shop",
        databases=[database],
        source=_choice(pair.old),
        destination=_choice(pair.new),
        endpoints=[*endpoints],
        thresholds=QUICK,
    )


def _choice(running: Running) -> Server:
    return Server(
        name=running.name,
        address="127.0.0.1",
        port=running.port,
        password=SecretRef(ask=True),
        country="NO",
        operated_by="us",
        host=LocalHost(),
        client_tools=str(running.programs),
    )


@asynccontextmanager
async def session(running: Running, database: str = "postgres") -> AsyncIterator[Session]:
    """A session of the superuser's."""
    opened = await connect(_choice(running), database, PASSWORD, application="the test")
    try:
        yield opened
    finally:
        await opened.close()


async def given(night: ANight, pair: Pair, *findings: Finding) -> Given:
    """What the route renders from, as the servers say now."""
    async with (
        session(pair.old, night.profile.database) as old,
        session(pair.new) as new,
    ):
        facts = await gather(old, new, night.profile)
    return Given(
        profile=night.profile,
        facts=facts,
        findings=findings,
        night=night.live.state,
        tools=str(pair.new.programs),
        login_retry={},
        configured={},
        folder=night.live.folder,
        tunnel=await _tunnel(night),
    )


async def _tunnel(night: ANight) -> TunnelGiven | None:
    source, destination = night.profile.source, night.profile.destination
    if source.replication_tunnel is None:
        return None
    hosts = Hosts(night.profile, night.passwords)
    try:
        keeper = await keeper_of(hosts.of(destination.name))
        return TunnelGiven(keeper, await host_key_of(hosts, source.name))
    finally:
        await hosts.close()
