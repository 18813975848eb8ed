"""The four sides of the armed sequence in the made-up world, and every way a call can go wrong.

Each await of the sequence is a numbered call. A plan says which fault comes at which: by number, or
by name (``old.strangers#2`` is the second time that is called).
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, TypeVar

from actions.armed import ArmedSequence
from actions.armed_clock import LoopClock
from actions.armed_protocols import Attempt, Sequences, SequenceValue
from actions.armed_stages import Stretch
from profiles.errors import (
    EvidenceError,
    PoolerError,
    RefusedError,
    ServerLostError,
    UnreachableError,
)
from profiles.events import StretchState
from tests.fix_armed_world import MadeUpTime, Node, Pooler, World, forever, lift, now_s

T = TypeVar("T")
LATENCY_S = 0.0003
FROZEN_S = 15.0
NEVER_USED = SequenceValue(1, False)

CALL_FAULTS = (
    "raises",
    "raises something else",
    "answer lost",
    "hangs",
    "hangs after",
    "late by 0.001",
    "late by 0.6",
)
"""What becomes of the call itself; "late": given up by us, and takes effect nevertheless."""
ENGINE_FAULTS = (
    "engine dies",
    "engine dies after",
    "engine dies, late by 0.005",
    "engine dies, late by 0.6",
)
HAPPENINGS = (
    "abort key",
    "abort key after",
    "cancelled",
    "cancelled after",
    "freezes",
    "freezes after",
    "old crashes",
    "old dies",
    "new crashes",
    "new dies",
    "old timer vanishes",
    "pooler crashes",
    "pooler dies",
    "pooler timer vanishes",
    "replication stalls",
    "straggler",
    "stuck transaction",
)
EVERY_FAULT = CALL_FAULTS + ENGINE_FAULTS + HAPPENINGS


class EngineKilled(BaseException):
    """kill -9: nothing of this engine runs any more."""


class Said(NamedTuple):
    """What the observer was told, and when."""

    at_s: float
    state: StretchState
    says: str
    paused_ms: float | None = None
    aborting_means: str = ""
    choices: tuple[str, ...] = ()


@dataclass
class Plan:
    """What goes wrong, and what has been called and said so far."""

    faults: Mapping[int | str, str] = field(default_factory=dict)
    calls: list[str] = field(default_factory=list)
    came: list[str] = field(default_factory=list)
    """The faults that really came."""
    said: list[Said] = field(default_factory=list)
    engine: int = 0
    """Which engine lives; the calls of an earlier one never return."""
    turning: bool = False
    stuck: bool = False
    on_abort_key: Callable[[], None] = lambda: None
    on_cancel: Callable[[], object] = lambda: None

    def next_fault(self, name: str) -> str:
        number = len(self.calls)
        self.calls.append(name)
        times = self.calls.count(name)
        by_name = self.faults.get(f"{name}#{times}" if times > 1 else name, "")
        return self.faults.get(number, by_name)

    def states(self) -> list[StretchState]:
        return [said.state for said in self.said]


class _Side:
    """One side as one engine sees it during one attempt."""

    def __init__(self, world: World, plan: Plan, attempt: Attempt) -> None:
        self.world = world
        self.plan = plan
        self.attempt = attempt
        self.engine = plan.engine

    async def call(self, name: str, effect: Callable[[], T], needs: Node | Pooler | None) -> T:
        if self.plan.engine != self.engine:
            await forever()
        self.world.clients_try()
        fault = self.plan.next_fault(name)
        await asyncio.sleep(LATENCY_S)
        if fault and self._fits(fault, name):
            self.plan.came.append(fault)
            answer = await self._go_wrong(fault, lambda: self._do(effect, needs))
        else:
            answer = self._do(effect, needs)
        await asyncio.sleep(LATENCY_S)
        return answer

    def _fits(self, fault: str, name: str) -> bool:
        if fault == "straggler":
            return not self.plan.turning and name != "old.turn"
        return fault not in CALL_FAULTS or name != "clock.sleep"

    def _do(self, effect: Callable[[], T], needs: Node | Pooler | None) -> T:
        if needs is not None and not needs.up:
            raise UnreachableError("the server", "connect", "connection refused")
        answer = effect()
        self.world.changed()
        return answer

    async def _go_wrong(self, fault: str, do: Callable[[], T]) -> T:
        if fault in CALL_FAULTS:
            return await self._break(fault, do)
        if fault in ENGINE_FAULTS:
            self._kill(fault, do)
        if not fault.endswith("after"):
            await self._happens(fault)
            return do()
        answer = do()
        await self._happens(fault.removesuffix(" after"))
        return answer

    async def _break(self, fault: str, do: Callable[[], T]) -> T:
        if fault in ("answer lost", "hangs after"):
            do()
        if fault in ("raises", "answer lost"):
            raise ServerLostError("the server", "ask", "connection reset")
        if fault == "raises something else":
            raise KeyError("nobody thought of this")
        try:
            await forever()
        except asyncio.CancelledError:
            if fault.startswith("late"):
                self._later(float(fault.split()[-1]), do)
            raise
        raise AssertionError("unreachable")

    def _kill(self, fault: str, do: Callable[[], T]) -> None:
        self.plan.engine += 1
        if fault == "engine dies after":
            with contextlib.suppress(Exception):
                do()
        if "late" in fault:
            self._later(float(fault.split()[-1]), do)
        raise EngineKilled

    def _later(self, seconds: float, do: Callable[[], T]) -> None:
        def quietly() -> None:
            with contextlib.suppress(EvidenceError, RefusedError, UnreachableError):
                do()

        asyncio.get_running_loop().call_later(seconds, quietly)

    async def _happens(self, fault: str) -> None:
        world, (what, *how) = self.world, fault.split()
        things: dict[str, Node | Pooler] = {
            "old": world.old,
            "new": world.new,
            "pooler": world.pooler,
        }
        if how == ["timer", "vanishes"]:
            lift(things[what].timers)
        elif what in things:
            world.crash(things[what], for_good=how == ["dies"])
        elif fault == "straggler":
            world.straggler()
        elif fault == "replication stalls":
            world.stalled = True
        elif fault == "stuck transaction":
            self.plan.stuck = True
        elif fault == "abort key":
            self.plan.on_abort_key()
        elif fault == "cancelled":
            self.plan.on_cancel()
        elif fault == "freezes":
            await _freeze()


async def _freeze() -> None:
    """The engine's process stands still while the world goes on."""
    loop = asyncio.get_running_loop()
    assert isinstance(loop, MadeUpTime)
    loop.leap.now_s += FROZEN_S
    for _ in range(5):
        await asyncio.sleep(0)


class Old(_Side):
    """The old server's side."""

    name = "old"

    async def sequences(self) -> Sequences:
        old = self.world.old
        return await self.call(
            "old.sequences",
            lambda: {"used": SequenceValue(old.sequence, True), "never used": NEVER_USED},
            old,
        )

    async def arm(self, after_s: float) -> None:
        await self.call("old.arm", lambda: self._arm(after_s), self.world.old)

    def _arm(self, after_s: float) -> None:
        old, me = self.world.old, self.attempt
        if me in old.arbiter:
            raise RefusedError("old", "arm", f"this attempt is {old.arbiter[me]} already")
        for other in [key for key, state in old.arbiter.items() if state == "armed"]:
            self._abort(other)
        old.arbiter[me] = "armed"
        fire = asyncio.get_running_loop().call_later(after_s, self._fire)
        old.timers[me] = fire

    def _fire(self) -> None:
        self.world.old.timers.pop(self.attempt, None)
        if self.world.old.arbiter.get(self.attempt) == "armed":
            self._abort(self.attempt)

    async def timers_stand(self) -> bool:
        old, me = self.world.old, self.attempt
        return await self.call(
            "old.timers_stand", lambda: me in old.timers and old.arbiter[me] == "armed", old
        )

    async def lift_timers(self) -> None:
        await self.call("old.lift_timers", self._lift, self.world.old)

    def _lift(self) -> None:
        old = self.world.old
        for attempt in [key for key in old.timers if old.arbiter[key] != "armed"]:
            old.timers.pop(attempt).cancel()

    async def fence(self) -> None:
        await self.call("old.fence", self._fence, self.world.old)

    def _fence(self) -> None:
        if self.world.old.arbiter.get(self.attempt) != "armed":
            raise EvidenceError("old", "fence", "this attempt is not armed")
        self.world.old.may_log_in = False

    async def expel(self) -> None:
        await self.call("old.expel", self.world.old.sessions.clear, self.world.old)

    async def strangers(self) -> Sequence[str]:
        old = self.world.old
        return await self.call(
            "old.strangers",
            lambda: sorted(old.sessions) + ["role app may log in"] * old.may_log_in,
            old,
        )

    async def mark(self) -> str:
        marker = f"marker {self.attempt.number} {len(self.plan.calls)}"
        await self.call(
            "old.mark", lambda: self.world.commit(self.world.old, marker), self.world.old
        )
        return marker

    async def turn(self) -> bool:
        self.plan.turning = True
        return await self.call("old.turn", self._turn, self.world.old)

    def _turn(self) -> bool:
        if self.world.old.arbiter.get(self.attempt) != "armed":
            return False
        self.world.old.arbiter[self.attempt] = "moved"
        return True

    async def abort(self) -> bool:
        return await self.call("old.abort", lambda: self._abort(self.attempt), self.world.old)

    def _abort(self, attempt: Attempt) -> bool:
        old = self.world.old
        was = old.arbiter.get(attempt)
        if was == "moved":
            return False
        old.arbiter[attempt] = "aborted"
        if was == "armed":
            self.world.open_old()
        return True


class New(_Side):
    """The new server's side."""

    name = "new"

    async def set_sequences(self, values: Sequences) -> None:
        await self.call(
            f"new.set_sequences({', '.join(values)})", lambda: self._set(values), self.world.new
        )

    def _set(self, values: Sequences) -> None:
        if "used" in values:
            self.world.new.sequence = values["used"].last_value

    async def has(self, marker: str) -> bool:
        return await self.call("new.has", lambda: marker in self.world.new.rows, self.world.new)

    async def open(self) -> None:
        await self.call("new.open", lambda: self.world.open_new(self.attempt), self.world.new)

    async def is_open(self) -> bool:
        return await self.call("new.is_open", lambda: self.world.new.may_log_in, self.world.new)


class Pool(_Side):
    """The traffic's side: one pooler."""

    name = "pool"

    async def place_timers(self, after_s: float) -> None:
        await self.call("pool.place_timers", lambda: self._place(after_s), self.world.pooler)

    def _place(self, after_s: float) -> None:
        lift(self.world.pooler.timers)
        fire = asyncio.get_running_loop().call_later(after_s, self._fire)
        self.world.pooler.timers[self.attempt] = fire

    def _fire(self) -> None:
        self.world.pooler.timers.pop(self.attempt, None)
        self.world.resume()

    async def timers_stand(self) -> bool:
        timers = self.world.pooler.timers
        return await self.call("pool.timers_stand", lambda: self.attempt in timers, None)

    async def lift_timers(self) -> None:
        await self.call("pool.lift_timers", lambda: lift(self.world.pooler.timers), None)

    async def pause(self, deadline_s: float) -> None:
        pooler, ends_s = self.world.pooler, now_s() + deadline_s
        resumes = pooler.resumes
        await self.call("pool.pause", lambda: self._pause(resumes), pooler)
        while pooler.busy or self.plan.stuck:
            await asyncio.sleep(LATENCY_S)
            if now_s() > ends_s:
                self.world.resume()
                raise PoolerError("pool", "PAUSE", "a transaction stayed open")

    def _pause(self, resumes: int) -> None:
        self.world.pooler.paused = self.world.pooler.resumes == resumes

    async def point(self) -> None:
        await self.call("pool.point", self._point, self.world.pooler)

    def _point(self) -> None:
        self.world.pooler.points_to = self.world.new

    async def resume(self) -> None:
        await self.call("pool.resume", self.world.resume, self.world.pooler)

    async def prove(self) -> None:
        await self.call("pool.prove", lambda: None, self.world.pooler)
        arrived = await self.world.write_through_pool()
        if not arrived or self.world.pooler.points_to is not self.world.new:
            raise EvidenceError("pool", "write as a client", "it did not arrive")


class MadeUpClock(_Side, LoopClock):
    """The loop's clock, whose sleep is a call like any other."""

    async def sleep(self, seconds: float) -> None:
        await self.call("clock.sleep", lambda: None, None)
        await asyncio.sleep(seconds)


class Journal(_Side):
    """Keeps what it is told, over the death of an engine too."""

    def moved(
        self, state: StretchState, paused_ms: float | None, says: str, aborting_means: str
    ) -> None:
        if self.plan.engine == self.engine:
            self.plan.said.append(Said(now_s(), state, says, paused_ms, aborting_means))

    def stopped(self, why: str, missing: str, choices: tuple[str, ...]) -> None:
        if self.plan.engine == self.engine:
            self.plan.said.append(Said(now_s(), "stopped", f"{why} {missing}", choices=choices))

    async def intent(self) -> None:
        await self.call("journal.intent", lambda: None, None)

    async def settled(self) -> None:
        await self.call("journal.settled", lambda: None, None)


def sequence(world: World, plan: Plan, number: int = 1, whole_s: float = 10.0) -> ArmedSequence:
    """A sequence in the made-up world; the plan's keys for abort and cancel lead to it."""
    attempt = Attempt("night", number)
    stretch = Stretch(
        old=Old(world, plan, attempt),
        new=New(world, plan, attempt),
        traffic=Pool(world, plan, attempt),
        clock=MadeUpClock(world, plan, attempt),
        observer=Journal(world, plan, attempt),
        whole_s=whole_s,
    )
    made = ArmedSequence(stretch)

    def press_abort() -> None:
        with contextlib.suppress(RefusedError):
            made.abort("the abort key")

    plan.on_abort_key = press_abort
    return made
