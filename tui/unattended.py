"""A rehearsal walked from the first phase to the last without a terminal, by the wizard's own road.

A window without a screen: it sends the requests an operator's keys would send, and waits for the
same events. What it reports comes from the journal and from the ledger, never from what it asked.
"""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Callable, Coroutine, Mapping
from pathlib import Path
from typing import Any

import msgspec

from connections.hosts import Hosts
from connections.passwords import Passwords
from connections.sessions import Sessions
from engine.client import Client, connect, new_id
from engine.launch import begin, ensure_engine
from profiles import load
from profiles import requests as rq
from profiles.errors import EngineError, EvidenceError, RefusedError
from profiles.fold import Night, StepState, Stretch
from profiles.names import SCHEMA
from profiles.profile import Profile
from rehearsal.box import Box, start
from rehearsal.folders import Settings, stands_on
from rehearsal.ledger import Verdict, write_pause_ms

LOOK_S = 120.0
STEPS_S = 600.0
GATE_S = 180.0
STRETCH_S = 60.0
WRITES_AFTER_S = 3.5
"""The application goes on for so long on the new server: the pause is measured up to 3 s after."""

ENDED_BY_SIGNAL = 128 + signal.SIGTERM

Say = Callable[[str], None]


class StepTold(msgspec.Struct, frozen=True, kw_only=True):
    """One step of the night, as the journal has it."""

    id: str
    outcome: str
    duration_ms: float


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """The one object that ``--json`` prints."""

    route: str
    traffic: str
    source: str
    destination: str
    rows_copied: int
    acknowledged: int
    lost: int
    duplicated: int
    failed: int
    in_doubt: int
    write_pause_ms: float | None
    """None when no write was due near the pause."""
    steps: list[StepTold]
    loose_ends: list[str]

    @property
    def clean(self) -> bool:
        """Nothing was lost, duplicated or left."""
        return not self.lost and not self.duplicated and not self.loose_ends


def run(*, json: bool, settings: Settings | None = None) -> int:
    """Walk it; the exit code: 0 only if nothing was lost, duplicated or left."""
    say: Say = (lambda text: None) if json else print
    try:
        outcome = asyncio.run(_until_told(_rehearse(say, settings or Settings())))
    except asyncio.CancelledError:
        return ENDED_BY_SIGNAL
    if json:
        sys.stdout.write(msgspec.json.encode(outcome).decode() + "\n")
    else:
        say(_summary(outcome))
    return 0 if outcome.clean else 1


async def _until_told(work: Coroutine[Any, Any, Outcome]) -> Outcome:
    """SIGTERM and SIGHUP end it as ctrl+c does: what was started is taken down."""
    task = asyncio.ensure_future(work)
    for number in (signal.SIGTERM, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, task.cancel)
    return await task


async def _rehearse(say: Say, settings: Settings) -> Outcome:
    say("Starting two PostgreSQL servers and an application that keeps writing …")
    box = await start(settings)
    try:
        say(stands_on(box.state()))
        profile = load.read(box.profile_path)
        folder = begin(profile)
        ensure_engine(folder)
        say(f"The night's journal is {folder / 'journal.jsonl'}")
        return await _night(Walk(folder, profile, say), box)
    finally:
        await box.end()


async def _night(walk: Walk, box: Box) -> Outcome:
    await walk.open()
    try:
        await walk.copy()
        rows = await _rows(walk.profile)
        night = await walk.cut_over()
        await asyncio.sleep(WRITES_AFTER_S)
        await box.stop_application()
        night = await walk.settle()
        verdict = await box.compare()
        return _outcome(walk.profile, night, box, verdict, rows)
    finally:
        await walk.close()


class Walk:
    """The keys an operator would press, one after the other; raises when one does not help."""

    def __init__(self, folder: Path, profile: Profile, say: Say) -> None:
        self.profile = profile
        self._folder = folder
        self._say = say
        self._client: Client | None = None

    async def open(self) -> None:
        """Attach a window."""
        self._client = await connect(self._folder)
        await self._client.caught_up()

    async def close(self) -> None:
        """End the engine, then the window."""
        if not self.night.ended:
            try:
                await self._send(rq.Stop(id=new_id()))
                await self._now.until(lambda night: night.engine_pid is None, STRETCH_S)
            except EngineError:
                pass  # it is gone already
        await self.leave()

    async def leave(self) -> None:
        """End the window alone: the engine goes on."""
        await self._now.close()

    @property
    def night(self) -> Night:
        """The night as far as this window has been told of it."""
        return self._now.state

    async def copy(self) -> None:
        """From Servers to a destination that follows closely."""
        for phase in ("servers", "route", "network"):
            await self.look(phase)
        await self.look("tuning", stopped_by=("stop",))
        await self._run("tuning", self._tunable())
        await self.look("preflight")
        await self._phase("replication")
        self._say("Waiting until the new server has kept up for a while …")
        await self.until(_gates_hold, GATE_S)
        await self.look("verify")

    async def check_off(self) -> None:
        """The checklist, up to the armed stretch."""
        await self._phase("cutover")

    async def cut_over(self) -> Night:
        """The checklist, then the armed stretch in one key."""
        await self.check_off()
        await self.arm()
        await self.go()
        night = await self.until(_is_over, STRETCH_S)
        if not night.moved:
            said = night.stretch.says if night.stretch else ""
            raise EvidenceError("cutover", "move the traffic", said)
        self._say("The traffic is on the new server.")
        return night

    async def arm(self, *, by_hand: bool = False) -> None:
        """Type the source's name, again if a gate closes meanwhile, until everything is ready."""
        while True:
            await self.until(_gates_hold, GATE_S)
            try:
                return await self._arm(by_hand)
            except RefusedError:
                if _gates_hold(self.night):
                    raise

    async def _arm(self, by_hand: bool) -> None:
        before = self.night.stretch
        typed = self.profile.source.name
        await self._send(rq.Arm(id=new_id(), typed=typed, by_hand=by_hand))
        night = await self.until(lambda now: _is_armed(now, before), STRETCH_S)
        assert night.stretch is not None
        if night.stretch.over:
            raise EvidenceError("cutover", "arm", night.stretch.says)

    async def go(self) -> None:
        """The key that runs the stretch; when it is gone through by hand, its next step."""
        stretch = self.night.stretch
        assert stretch is not None
        await self._send(rq.Go(id=new_id(), attempt=stretch.attempt))

    async def abort(self) -> None:
        """The abort key."""
        await self._send(rq.Abort(id=new_id()))

    async def until(self, predicate: Callable[[Night], bool], deadline_s: float) -> Night:
        """Wait for the night to come so far. Raises EngineError, RefusedError."""
        return await self._now.until(predicate, deadline_s)

    async def settle(self) -> Night:
        """Aftercare: every loose end, then the end of the night."""
        await self._phase("aftercare")
        await self._send(rq.EndNight(id=new_id()))
        return await self.until(lambda night: night.ended, LOOK_S)

    def _tunable(self) -> list[str]:
        """Every setting that needs no restart, those for the copy too, and the test of the disk."""
        return [
            step.id
            for step in self.night.plan("tuning")
            if not step.by_hand and not self._at_restart(step.id)
        ]

    def _at_restart(self, step_id: str) -> bool:
        proposal = self.night.proposals.get(step_id)
        restarts = proposal is None and step_id.startswith("restart")
        return restarts or (proposal is not None and proposal.takes_effect == "restart")

    async def _phase(self, phase: str) -> None:
        await self.look(phase)
        plan = self.night.plan(phase)
        await self._run(phase, [it.id for it in plan if not it.paused and not it.after_turn])

    async def _run(self, phase: str, wanted: list[str]) -> None:
        """Every name typed that these steps want, then they are run."""
        steps = [self.night.steps[step_id] for step_id in wanted]
        for server in sorted({name for step in steps if step.danger for name in step.servers}):
            await self._send(rq.Confirm(id=new_id(), phase=phase, server=server))
        before = {step_id: self.night.state_of(step_id) for step_id in wanted}
        await self._send(rq.RunPhase(id=new_id(), phase=phase, steps=tuple(wanted)))
        night = await self.until(lambda now: _through(now, before), STEPS_S)
        for step_id in wanted:
            state = night.state_of(step_id)
            if not state.settled:
                raise EvidenceError(step_id, "run the step", state.error or str(state.outcome))

    async def look(self, phase: str, stopped_by: tuple[str, ...] = ("stop", "unknown")) -> None:
        """Look at a phase; raises EvidenceError for what stops the night, or was not seen."""
        # The engine looks again by itself after steps that mend what was found.
        await self.until(lambda now: phase not in now.looking, LOOK_S)
        before = self.night.looked.get(phase)
        await self._send(rq.Probe(id=new_id(), phase=phase))
        night = await self.until(lambda now: now.looked.get(phase) != before, LOOK_S)
        for found in night.findings_of(phase):
            self._say(f"  {found.verdict:7} {found.check:32} {found.figure}")
            if found.verdict in stopped_by:
                raise EvidenceError(found.server or phase, found.check, found.figure, found.todo)

    async def _send(self, request: rq.Request) -> None:
        await self._now.send(request)

    @property
    def _now(self) -> Client:
        assert self._client is not None
        return self._client


async def _rows(profile: Profile) -> int:
    """Rows on the new server, counted one by one."""
    passwords = Passwords(profile)
    hosts = Hosts(profile, passwords)
    session = await Sessions(profile, passwords, hosts).server(profile.destination.name)
    try:
        tables = await session.rows(
            "SELECT format('%I.%I', schemaname, relname) FROM pg_stat_user_tables"
            f" WHERE schemaname <> '{SCHEMA}'"
        )
        counts = [await session.value(f"SELECT count(*) FROM ONLY {row[0]}") for row in tables]
        return sum(counts)
    finally:
        await session.close()
        await hosts.close()


def _gates_hold(night: Night) -> bool:
    return bool(night.gates) and all(gate.holds for gate in night.gates.values())


def _is_armed(night: Night, before: Stretch | None) -> bool:
    """An attempt after that one is armed, or could not be."""
    stretch = night.stretch
    if stretch is None or stretch is before:
        return False
    return stretch.state == "armed" or stretch.over


def _is_over(night: Night) -> bool:
    return night.stretch is not None and night.stretch.over


def _through(night: Night, before: Mapping[str, StepState]) -> bool:
    """All of them are settled, or one of them has failed since it was as before."""
    states = {step_id: night.state_of(step_id) for step_id in before}
    return all(state.settled for state in states.values()) or any(
        state.outcome == "failed" and state is not before[step_id]
        for step_id, state in states.items()
    )


def _outcome(
    profile: Profile, night: Night, box: Box, verdict: Verdict, rows_copied: int
) -> Outcome:
    stretch = night.stretch
    assert stretch is not None and stretch.paused_at and stretch.resumed_at
    return Outcome(
        route=profile.route,
        traffic=box.state().traffic,
        source=night.servers[profile.source.name].version,
        destination=night.servers[profile.destination.name].version,
        rows_copied=rows_copied,
        acknowledged=verdict.acknowledged,
        lost=verdict.lost,
        duplicated=verdict.duplicated,
        failed=verdict.failed,
        in_doubt=verdict.in_doubt,
        write_pause_ms=write_pause_ms(box.ledger(), stretch.paused_at, stretch.resumed_at),
        steps=[
            StepTold(id=name, outcome=str(state.outcome), duration_ms=state.duration_ms)
            for name, state in night.states.items()
        ],
        loose_ends=[end.loose_end.what for end in night.open_loose_ends()],
    )


def _summary(outcome: Outcome) -> str:
    paused = "–" if outcome.write_pause_ms is None else f"{outcome.write_pause_ms:.1f} ms"
    return (
        f"{outcome.acknowledged} writes acknowledged, {outcome.lost} lost,"
        f" {outcome.duplicated} duplicated, {outcome.failed} failed,"
        f" {outcome.in_doubt} in doubt; writes paused {paused};"
        f" loose ends: {', '.join(outcome.loose_ends) or 'none'}"
    )
