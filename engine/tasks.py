"""Waiting for tasks that others may end meanwhile. Knows nothing of what they do."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any


async def through(task: asyncio.Task[None]) -> None:
    """Waits for it, and ends it when nobody waits any more; ended by others, it is just over."""
    try:
        await asyncio.wait({task})
    except asyncio.CancelledError:
        await ended([task])
        raise
    if not task.cancelled():
        task.result()


async def ended(tasks: Iterable[asyncio.Task[Any]]) -> None:
    """Ends them; nothing of them runs any more on return. Who waits for one has its answer."""
    running = set(tasks)
    for task in running:
        task.cancel()
    if running:
        await asyncio.wait(running)
