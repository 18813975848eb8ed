"""Keys pressed faster than the window draws: each waits until the one before it is dealt with.

Textual hands a key to what has focus at that moment. A key that opens a dialog or goes to another
phase does so a little later; the next key, already pressed, would go to the screen before it.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from contextlib import suppress

from textual import events
from textual.app import App
from textual.dom import DOMNode
from textual.message_pump import MessagePump
from textual.screen import Screen
from textual.worker import Worker

DIALOGS = "dialog"
"""The group of the workers that ask something."""
PATIENCE_S = 1.0
"""A key that does something long holds the next one back no longer than this."""
LOOK_AGAIN_S = 0.005

Typed = events.Key | events.Paste


class TypeAhead:
    """What was typed and is still to be handed over, in its order."""

    def __init__(self) -> None:
        self._waiting: deque[Typed] = deque()
        self._before: _Before | None = None
        """How things stood as the key was handed over that is being dealt with now."""

    def next(self, window: App[str], typed: Typed) -> bool:
        """Whether it can be handed over at once; else it is kept, and its turn will come."""
        if self._before is not None:
            self._waiting.append(typed)
            return False
        self._before = _Before(window)
        window.run_worker(self._in_turn(window), group="keys")
        return True

    async def _in_turn(self, window: App[str]) -> None:
        """See every key dealt with that is there, one after the other."""
        while self._before is not None:
            with suppress(TimeoutError):
                async with asyncio.timeout(PATIENCE_S):
                    await _dealt_with(window, self._before)
            self._before = _Before(window) if self._waiting else None
            if self._before is not None:
                # Past this class's own door, which would keep it once more.
                await App.on_event(window, self._waiting.popleft())


class _Before:
    """The screen, its focus and the questions as a key finds them."""

    def __init__(self, window: App[str]) -> None:
        self.screen: Screen[object] = window.screen
        self.nodes: list[DOMNode] = (window.focused or window.screen).ancestors_with_self
        self.asking = _asking(window)


async def _dealt_with(window: App[str], before: _Before) -> None:
    """Wait until the key has been taken, what it opens stands, and can take the next one."""
    for node in before.nodes:  # it bubbles up, from queue to queue
        await _passed(node, node.call_later)
    while _more_to_come(window, before):  # noqa: ASYNC110 (a screen that comes tells nobody)
        await asyncio.sleep(LOOK_AGAIN_S)
    screen = window.screen
    if screen is not before.screen:
        await _passed(screen, screen.call_later)
        await _passed(screen, screen.call_after_refresh)


def _more_to_come(window: App[str], before: _Before) -> bool:
    """The key began a question, or answered one of several, and the next is not shown yet."""
    asking = _asking(window)
    if window.screen is before.screen:
        return bool(asking - before.asking)
    answered = before.screen not in window.screen_stack
    return answered and bool(asking & before.asking) and not window.screen.is_modal


def _asking(window: App[str]) -> set[Worker[object]]:
    return {each for each in window.workers if each.group == DIALOGS and not each.is_finished}


async def _passed(node: MessagePump, call: Callable[..., bool]) -> None:
    """Wait until it has come to everything that was in its queue, or is gone."""
    reached = asyncio.Event()
    if call(reached.set):
        while not reached.is_set() and node.is_running:
            with suppress(TimeoutError):
                async with asyncio.timeout(LOOK_AGAIN_S):
                    await reached.wait()
