"""The desk of an engine that was started again in the middle, with nobody there to answer it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import pytest

from actions.cutover import Fence, paused_steps
from actions.source import helpers
from checks.check import Look
from engine import looks, rules
from engine.client import new_id
from profiles import events as ev
from profiles.errors import RefusedError
from profiles.findings import Finding
from profiles.requests import Abort, Arm, Go
from profiles.steps import Step
from tests.fix_desk import AtTheDesk, a_desk
from tests.fix_looks import A_PROFILE

pytestmark = pytest.mark.usefixtures("nights_here")

FENCE = Fence(roles=["app"], exceptions=[], wizard="postgres")
PLAN = ev.Planned(phase="cutover", steps=tuple(paused_steps("old", "new", "app", FENCE, [])))
ARMED = ev.Armed(attempt=1, direction="forward", roles=("app",), may_still_write=(), deadline_s=0.3)
PAUSED = ev.StretchMoved(attempt=1, state="paused")


@asynccontextmanager
async def recovering() -> AsyncIterator[AtTheDesk]:
    """An engine that finds a pause, and no password with which to end it."""
    async with a_desk(A_PROFILE, PLAN, ARMED, PAUSED) as at:
        started = asyncio.create_task(at.desk.start())
        await at.until(lambda night: night.writes_stopped is not None)
        yield at
        await at.desk.close("the test ends")
        started.cancel()
        await asyncio.wait({started})


async def test_it_asks_for_the_password_that_nobody_holds_any_more() -> None:
    async with recovering() as at:
        assert {"old", "new"} <= set(at.night.secrets_wanted)
        assert at.night.writes_stopped is not None
        assert "old" in at.night.writes_stopped.why
        assert at.night.armed


@pytest.mark.parametrize(
    "request_", [Go(id=new_id(), attempt=1), Abort(id=new_id()), Arm(id=new_id(), typed="old")]
)
async def test_no_key_comes_between(request_: Go | Abort | Arm) -> None:
    async with recovering() as at:
        with pytest.raises(RefusedError):
            await at.ask(request_)
        assert at.night.stretch is not None
        assert at.night.stretch.state == "stopped"


async def test_ended_meanwhile_it_leaves_the_stretch_to_the_next_engine() -> None:
    """It said “disarmed”, and the next engine would have left clients at a paused pool."""
    async with recovering() as at:
        pass
    assert at.night.armed
    assert at.night.stretch is not None
    assert at.night.stretch.state == "stopped"


async def test_a_server_that_is_away_leaves_its_steps_in_doubt_and_says_so() -> None:
    steps = (helpers("old", "app"), helpers("new", "app"))
    plan = ev.Planned(phase="replication", steps=steps)
    begun = [ev.StepBegan(step=step.id) for step in steps]
    async with a_desk(A_PROFILE, plan, *begun, ev.EngineStarted(pid=1, resumed=True)) as at:
        await at.desk.start()
        assert at.night.in_doubt() == [step.id for step in steps]
        said = [one.text for one in at.night.said if one.trouble]
        assert len(said) == 2
        assert "still in doubt" in said[0]


async def test_a_look_that_waited_behind_an_arming_is_refused() -> None:
    """Its sessions would be strangers to the fence."""
    async with a_desk(A_PROFILE, PLAN) as at:
        await at.desk._looking.acquire()
        waiting = asyncio.create_task(at.look("verify"))
        await asyncio.sleep(0)
        at.live.publish(ARMED)
        at.desk._looking.release()
        with pytest.raises(RefusedError, match="an attempt is armed"):
            await waiting
        assert "verify" not in at.night.looking


# A look that measures for long


class Looks:
    """Looks that last until the test lets them, by phase."""

    def __init__(self, at: AtTheDesk, monkeypatch: pytest.MonkeyPatch) -> None:
        self.at = at
        self.hold: dict[str, asyncio.Event] = {}
        self.ended: list[str] = []
        monkeypatch.setattr(looks, "looking", self._looking)
        monkeypatch.setattr(at.desk._looker, "_plan", self._plan)
        monkeypatch.setattr(looks, "run_checks", self._run_checks)
        monkeypatch.setattr(looks, "for_phase", lambda phase: phase)
        monkeypatch.setattr(looks, "before_arming", lambda: "cutover")

    @asynccontextmanager
    async def _looking(self, *_: object) -> AsyncIterator[Look]:
        yield Look(A_PROFILE)

    async def _run_checks(self, phase: str, look: Look) -> AsyncIterator[Finding]:
        try:
            await self.hold.setdefault(phase, asyncio.Event()).wait()
            yield Finding(check=f"{phase}.one", phase=phase, verdict="pass", figure="1")
        finally:
            await asyncio.sleep(0.01)
            self.ended.append(phase)

    async def _plan(self, phase: str, look: Look) -> None:
        self.ended.append(f"plan {phase}")

    def let(self, *phases: str) -> None:
        for phase in phases:
            self.hold.setdefault(phase, asyncio.Event()).set()

    async def begin(self, phase: str) -> asyncio.Task[None]:
        look = asyncio.create_task(self.at.look(phase))
        await self.at.until(lambda night: phase in night.looking)
        return look


@pytest.fixture
async def looked_at(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Looks]:
    async with a_desk(A_PROFILE, PLAN) as at:
        monkeypatch.setattr(rules, "may_arm", lambda *_: None)
        yield Looks(at, monkeypatch)


ARM = Arm(id=new_id(), typed="old")


async def test_the_network_test_holds_nothing_up(looked_at: Looks) -> None:
    measuring = await looked_at.begin("network")
    looked_at.let("preflight")
    await looked_at.at.look("preflight")
    night = looked_at.at.night
    assert set(night.looked) == {"preflight"} and night.looking == {"network"}
    with pytest.raises(RefusedError, match="it is being looked at already"):
        await looked_at.at.look("network")
    looked_at.let("network")
    await measuring
    assert set(night.looked) == {"preflight", "network"}
    assert looked_at.ended == ["preflight", "plan preflight", "network"]


async def test_who_hears_of_the_end_of_a_look_may_ask_for_the_next_at_once(
    looked_at: Looks,
) -> None:
    again: list[asyncio.Task[None]] = []

    def heard(event: ev.Event) -> None:
        if isinstance(event, ev.ChecksEnded) and not again:
            again.append(asyncio.create_task(looked_at.at.look("verify")))

    looked_at.at.live.listeners.append(heard)
    looked_at.let("verify")
    await looked_at.at.look("verify")
    await again[0]
    assert looked_at.ended.count("verify") == 2


async def test_other_looks_come_one_after_the_other(looked_at: Looks) -> None:
    first = await looked_at.begin("preflight")
    second = asyncio.create_task(looked_at.at.look("verify"))
    third = asyncio.create_task(looked_at.at.look("network"))
    await asyncio.sleep(0.02)
    assert looked_at.at.night.looking == {"preflight"}
    looked_at.let("preflight", "verify", "network")
    await asyncio.gather(first, second, third)
    assert set(looked_at.at.night.looked) == {"preflight", "verify", "network"}


async def test_arming_ends_the_network_test_first(
    looked_at: Looks, monkeypatch: pytest.MonkeyPatch
) -> None:
    measuring = await looked_at.begin("network")
    ended_before: list[str] = []

    async def look_before_arming() -> tuple[str, ...]:
        ended_before.extend(looked_at.ended)
        raise RefusedError("cutover", "arm", "not tonight")

    monkeypatch.setattr(looked_at.at.desk._looker, "look_before_arming", look_before_arming)
    with pytest.raises(RefusedError, match="not tonight"):
        await looked_at.at.ask(ARM)
    await measuring
    night = looked_at.at.night
    assert ended_before == ["network"]
    assert night.looking == set() and "network" not in night.looked
    [said] = night.said
    assert said.text == "The network test was ended: an attempt is being armed."
    looked_at.let("network")
    await looked_at.at.look("network")
    assert "network" in night.looked


async def test_no_network_test_begins_while_an_attempt_is_being_armed(
    looked_at: Looks, monkeypatch: pytest.MonkeyPatch
) -> None:
    looking = asyncio.Event()

    async def look_before_arming() -> tuple[str, ...]:
        looking.set()
        await asyncio.sleep(0.02)
        looked_at.at.live.publish(ARMED)
        return ()

    monkeypatch.setattr(looked_at.at.desk._looker, "look_before_arming", look_before_arming)
    arming = asyncio.create_task(looked_at.at.ask(ARM))
    await looking.wait()
    with pytest.raises(RefusedError, match="an attempt is armed"):
        await looked_at.at.look("network")
    assert looked_at.at.night.looking == set()
    arming.cancel()
    await asyncio.wait({arming})


async def test_the_engine_ends_a_look_before_it_goes(looked_at: Looks) -> None:
    measuring = await looked_at.begin("network")
    await looked_at.at.desk.close("the test ends")
    assert looked_at.ended == ["network"]
    assert looked_at.at.night.looking == set()
    await measuring


async def test_who_asked_for_a_look_and_is_cancelled_ends_it(looked_at: Looks) -> None:
    for phase in ("network", "preflight"):
        asked = await looked_at.begin(phase)
        asked.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asked
        assert looked_at.at.night.looking == set()
        assert phase not in looked_at.at.night.looked


async def test_a_look_that_goes_wrong_leaves_no_screen_waiting(
    looked_at: Looks, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stumbles(phase: str) -> str:
        raise ZeroDivisionError

    monkeypatch.setattr(looks, "for_phase", stumbles)
    for phase in ("network", "preflight"):
        with pytest.raises(ZeroDivisionError):
            await looked_at.at.look(phase)
        assert looked_at.at.night.looking == set()
    assert looked_at.at.night.looked == {}


async def test_a_step_that_ends_with_the_engine_says_by_what() -> None:
    step = helpers("old", "app")
    async with a_desk(A_PROFILE, ev.Planned(phase="replication", steps=(step,))) as at:
        begun = asyncio.Event()

        @asynccontextmanager
        async def hangs(step: Step, secrets: Sequence[str]) -> AsyncIterator[None]:
            begun.set()
            await asyncio.Event().wait()
            yield

        at.desk._runner._beside = hangs
        running = asyncio.create_task(at.run(step.id))
        await begun.wait()
        await at.desk.close("signal SIGTERM")
        await running
        error = at.night.state_of(step.id).error
        assert error == "cancelled: the engine was stopped (signal SIGTERM)"
