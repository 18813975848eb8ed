"""A small world for the armed sequence: two servers, a pooler, clients that write, time made up.

The world knows nothing of the sequence. It asserts what must never happen at the moment it would,
and keeps a record of what clients were told, so that the end can be judged.
"""

from __future__ import annotations

import asyncio
import functools
import selectors
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any, Literal, ParamSpec, TypeVar

from actions.armed_protocols import Attempt

P = ParamSpec("P")
T = TypeVar("T")
TRANSACTION_S = 0.001
REPLICATION_S = 0.003
BACK_AFTER_S = 1.5
ENOUGH_CLIENTS = 4
A_DAY_S = 86400.0


class _Leap(selectors.SelectSelector):
    """Instead of waiting for anything, lets the time pass at once."""

    now_s = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None or self.now_s > A_DAY_S:
            raise AssertionError("this will never end")
        self.now_s += max(timeout, 0.0)
        return []


class Violation(BaseException):
    """What must never happen has happened; nobody's ``except Exception`` makes it good."""


class MadeUpTime(asyncio.SelectorEventLoop):
    """An event loop in which an hour takes no time, and everything comes in the same order."""

    def __init__(self) -> None:
        self.leap = _Leap()
        self.violations: list[str] = []
        super().__init__(self.leap)

    def time(self) -> float:
        return self.leap.now_s


def in_made_up_time(story: Coroutine[Any, Any, T]) -> T:
    """What a story comes to; raises Violation if anything in it was one, a timer's too."""
    loop = MadeUpTime()
    try:
        came_to = loop.run_until_complete(story)
    finally:
        while left := asyncio.all_tasks(loop):
            for task in left:
                task.cancel()
            loop.run_until_complete(asyncio.gather(*left, return_exceptions=True))
        loop.close()
    if loop.violations:
        raise Violation(*loop.violations)
    return came_to


def made_up_time(test: Callable[P, Coroutine[Any, Any, None]]) -> Callable[P, None]:
    """A test of its own made-up time."""

    @functools.wraps(test)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        in_made_up_time(test(*args, **kwargs))

    return run


def must(holds: bool, what: str) -> None:
    """Ends the story with a Violation unless it holds."""
    loop = asyncio.get_running_loop()
    if not holds and isinstance(loop, MadeUpTime):
        loop.violations.append(f"{what}, at {loop.time():.4f} s")
        loop.set_exception_handler(lambda _loop, _context: None)
        raise Violation(what)


def now_s() -> float:
    return asyncio.get_running_loop().time()


async def forever() -> None:
    await asyncio.get_running_loop().create_future()


class Node:
    """A database server: roles, rows, sessions, the arbiter and its timers."""

    def __init__(self, name: str, *, may_log_in: bool) -> None:
        self.name = name
        self.up = True
        self.may_log_in = may_log_in
        self.rows: set[int | str] = set()
        self.log: list[int | str] = []
        self.sequence = 1
        self.sessions: set[str] = set()
        self.arbiter: dict[Attempt, Literal["armed", "moved", "aborted"]] = {}
        self.timers: dict[Attempt, asyncio.TimerHandle] = {}

    def commit(self, row: int | str) -> None:
        self.rows.add(row)
        self.log.append(row)
        self.sequence += isinstance(row, int)

    def crash(self) -> None:
        """What is committed stays, as do roles and arbiter; sessions and timers do not."""
        self.up = False
        self.sessions.clear()
        lift(self.timers)


class Pooler:
    """What most clients go through."""

    def __init__(self, points_to: Node) -> None:
        self.up = True
        self.paused = False
        self.points_to = points_to
        self.busy: set[str] = set()
        self.resumes = 0
        self.resumed = asyncio.Event()
        self.timers: dict[Attempt, asyncio.TimerHandle] = {}

    def resume(self) -> None:
        self.paused = False
        self.resumes += 1
        self.resumed.set()
        self.resumed = asyncio.Event()

    def crash(self) -> None:
        self.up = False
        self.busy.clear()
        self.resume()


def lift(timers: dict[Attempt, asyncio.TimerHandle]) -> None:
    while timers:
        timers.popitem()[1].cancel()


@dataclass(frozen=True)
class Gap:
    """A time in which no client could write through the pooler."""

    began_s: float
    ended_s: float | None


class World:
    """Everything there is, and the record of it."""

    def __init__(self) -> None:
        self.old, self.new = Node("old", may_log_in=True), Node("new", may_log_in=False)
        self.pooler = Pooler(self.old)
        self.acknowledged: dict[int, Node] = {}
        self.waiting: set[asyncio.Task[bool]] = set()
        self.gaps: list[Gap] = []
        self.pauses: list[Gap] = []
        self.stalled = False
        """Nothing arrives on the new server any more."""
        self._written = 0

    # Clients

    def clients_try(self) -> None:
        """One goes through the pooler, one stays logged in to the old server while it is let."""
        self._direct_client()
        if len(self.waiting) < ENOUGH_CLIENTS:
            task = asyncio.ensure_future(self.write_through_pool())
            self.waiting.add(task)
            task.add_done_callback(self.waiting.discard)

    def _direct_client(self) -> None:
        if self.old.up and self.old.may_log_in:
            self.old.sessions.add("a client of its own")
        if "a client of its own" in self.old.sessions:
            self._acknowledge(self.old)

    def straggler(self) -> None:
        """Was being let in as the door closed, and is seen only now."""
        if self.old.up:
            self.old.sessions.add("straggler")
            self._acknowledge(self.old)

    async def write_through_pool(self) -> bool:
        """True when the write was acknowledged; waits while the pooler is paused."""
        while self.pooler.up and self.pooler.paused:
            await self.pooler.resumed.wait()
        server = self.pooler.points_to
        if not (self.pooler.up and server.up and server.may_log_in):
            return False
        me = f"client {len(self.acknowledged)} {now_s()}"
        self.pooler.busy.add(me)
        server.sessions.add(me)
        await asyncio.sleep(TRANSACTION_S)
        self.pooler.busy.discard(me)
        alive = me in server.sessions
        server.sessions.discard(me)
        if alive:
            self._acknowledge(server)
        return alive

    def _acknowledge(self, server: Node) -> None:
        self._written += 1
        self.commit(server, self._written)
        self.acknowledged[self._written] = server

    # What happens

    def commit(self, server: Node, row: int | str) -> None:
        server.commit(row)
        if server is self.old:
            self._ship()

    def _ship(self) -> None:
        asyncio.get_running_loop().call_later(REPLICATION_S, self._apply, len(self.old.log))

    def _apply(self, up_to: int) -> None:
        if self.old.up and self.new.up and not self.stalled:
            self.new.rows.update(self.old.log[:up_to])

    def abort(self, attempt: Attempt) -> bool:
        """The arbiter's compare-and-set, by whoever asks for it."""
        was = self.old.arbiter.get(attempt)
        if was == "moved":
            return False
        self.old.arbiter[attempt] = "aborted"
        if was == "armed":
            self.open_old()
        return True

    def open_old(self) -> None:
        must(not self.moved(), "the old server opened after the turn")
        self.old.may_log_in = True
        self.changed()

    def open_new(self, attempt: Attempt) -> None:
        must(self.old.arbiter.get(attempt) == "moved", "the new server opened before the turn")
        if not self.new.may_log_in:
            must(not self.lost(), "opened without every acknowledged write")
            must(self.new.sequence == self.old.sequence, "opened with a sequence elsewhere")
        self.new.may_log_in = True
        self.changed()

    def resume(self) -> None:
        if self.pooler.up:
            self.pooler.resume()
            self.changed()

    def crash(self, thing: Node | Pooler, *, for_good: bool) -> None:
        thing.crash()
        self.changed()
        if not for_good:
            asyncio.get_running_loop().call_later(BACK_AFTER_S, self._back, thing)

    def _back(self, thing: Node | Pooler) -> None:
        thing.up = True
        self._ship()
        self.changed()

    # What is seen

    def changed(self) -> None:
        """Called after everything that happens: asserts safety, and records who could write."""
        must(not (self.old.may_log_in and self.new.may_log_in), "both servers are writable")
        _record(self.pauses, self.pooler.up and self.pooler.paused)
        _record(self.gaps, not self.flows())

    def flows(self) -> bool:
        server = self.pooler.points_to
        return self.pooler.up and not self.pooler.paused and server.up and server.may_log_in

    def moved(self) -> bool:
        """What the arbiter says of the last attempt."""
        return list(self.old.arbiter.values())[-1:] == ["moved"]

    def lost(self) -> list[int]:
        """Writes that were acknowledged and are not on the server that the writes belong to."""
        home = self.new if self.moved() else self.old
        return [row for row in self.acknowledged if row not in home.rows]


def _record(gaps: list[Gap], now: bool) -> None:
    running = bool(gaps) and gaps[-1].ended_s is None
    if now and not running:
        gaps.append(Gap(now_s(), None))
    elif running and not now:
        gaps[-1] = Gap(gaps[-1].began_s, now_s())
