"""The four sides of the armed sequence, and its observer, in the made-up world.

They keep the contracts of ``actions.armed_protocols``; what goes wrong comes from the plan.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence
from dataclasses import dataclass

from actions.armed import ArmedSequence
from actions.armed_clock import LoopClock
from actions.armed_protocols import Attempt, Sequences, SequenceValue
from actions.armed_stages import Stretch
from profiles.errors import EvidenceError, PoolerError, RefusedError
from profiles.events import StretchState
from tests.fix_armed_plan import LATENCY_S, Plan, Said, Side
from tests.fix_armed_world import World, lift, now_s

NEVER_USED = SequenceValue(1, False)


class Old(Side):
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
            self.world.abort(other)
        old.arbiter[me] = "armed"
        fire = asyncio.get_running_loop().call_later(after_s, self._fire)
        old.timers[me] = fire

    def _fire(self) -> None:
        self.world.old.timers.pop(self.attempt, None)
        if self.world.old.arbiter.get(self.attempt) == "armed":
            self.world.abort(self.attempt)

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
        return await self.call("old.abort", lambda: self.world.abort(self.attempt), self.world.old)


class New(Side):
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


class Pool(Side):
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
            await asyncio.sleep(10 * LATENCY_S)
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


class MadeUpClock(Side, LoopClock):
    """The loop's clock, whose sleep is a call like any other."""

    async def sleep(self, seconds: float) -> None:
        await self.call("clock.sleep", lambda: None, None)
        await asyncio.sleep(seconds)


class Journal(Side):
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


@dataclass
class Scene:
    """One attempt in a world, with what goes wrong in it."""

    world: World
    plan: Plan
    made: ArmedSequence

    async def go(self) -> StretchState:
        await self.made.arm()
        return await self.made.run()

    def calls(self, *names: str) -> list[str]:
        """Those calls, in the order in which they came."""
        return [name for name in self.plan.calls if name in names]

    def says(self, state: StretchState) -> str:
        return next(said.says for said in self.plan.said if said.state == state)

    def began_s(self) -> float:
        return self.plan.said[1].at_s


def scene(faults: dict[int | str, str] | None = None) -> Scene:
    world, plan = World(), Plan(faults or {})
    return Scene(world, plan, sequence(world, plan))


async def again(one: Scene, *, turned: bool = False) -> StretchState:
    """The engine dies, and another one recovers."""
    one.plan.engine += 1
    one.made = sequence(one.world, one.plan)
    return await one.made.recover(turned=turned)
