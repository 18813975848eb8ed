"""The event loop's clock for the armed sequence; a test may run it on a loop of made-up time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

T = TypeVar("T")


class LoopClock:
    """The `Clock` of `actions.armed_protocols`: monotonic, and never waits longer than it says."""

    def now_s(self) -> float:
        """The loop's own time in seconds."""
        return asyncio.get_running_loop().time()

    async def sleep(self, seconds: float) -> None:
        """Lets that time pass."""
        await asyncio.sleep(seconds)

    async def within(self, seconds: float, work: Awaitable[T]) -> T:
        """The result of ``work``; raises TimeoutError at the deadline, even if it will not end.

        ``asyncio.timeout`` would wait for the cancelled work, and psycopg takes five seconds for
        its own cancelling.
        """
        task = asyncio.ensure_future(work)
        task.add_done_callback(_take_note)
        try:
            await asyncio.wait({task}, timeout=seconds)
        finally:
            given_up = task.cancel()
        if given_up or task.cancelled():
            raise TimeoutError(f"no answer within {seconds:.1f} s")
        return task.result()


def _take_note(task: asyncio.Future[T]) -> None:
    """Whatever comes of work that was given up, nobody waits for it."""
    if not task.cancelled():
        task.exception()
