"""Every way in which a call of the armed sequence can go wrong, in the made-up world.

Each await of the sequence is a numbered call. A plan says which fault comes at which: by number, or
by name (``old.strangers#2`` is the second time that is called).
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple, TypeVar

from actions.armed_protocols import Attempt
from profiles.errors import EvidenceError, RefusedError, ServerLostError, UnreachableError
from profiles.events import StretchState
from tests.fix_armed_world import MadeUpTime, Node, Pooler, World, forever, lift

T = TypeVar("T")
LATENCY_S = 0.0003
FROZEN_S = 15.0

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
    "aborted by another",
    "aborted by another after",
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


class Side:
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
        elif fault == "aborted by another":
            world.abort(self.attempt)
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
