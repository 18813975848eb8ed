"""A window's link to a night: its events, the state folded from them, and a way to ask.

`EngineLink` keeps the link over an engine that dies: it says so, has it started again, and goes on
after the last event it saw.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Protocol

import msgspec

from engine.client import Client, connect
from engine.launch import ensure_engine
from profiles.errors import EngineError
from profiles.events import EngineStopped, Event
from profiles.fold import Night
from profiles.requests import Request

RETRY_S = 1.0
"""Between two tries to reach an engine."""


class Link(Protocol):
    """What a window needs of a night; the tests give it a recorded one."""

    state: Night
    lost: str
    """Why no engine is heard; empty while one is."""

    @property
    def caught_up(self) -> bool:
        """Everything that had happened before this window came has been told to it."""
        ...

    def events(self) -> AsyncIterator[Event | None]:
        """Every event, already folded into ``state``; None when ``lost`` has changed."""
        ...

    async def send(self, request: Request) -> None:
        """Ask the engine. Raises EngineError when there is none."""
        ...


class EngineLink:
    """The link to the engine of the night in ``folder``."""

    def __init__(self, folder: Path, *, watch: bool = False) -> None:
        self.state = Night()
        self.lost = ""
        self._folder = folder
        self._watch = watch
        self._client: Client | None = None
        self._stopped = False

    @property
    def caught_up(self) -> bool:
        """The state has come as far as the engine was when it said hello."""
        return self._client is not None and self.state.seq >= self._client.welcome.seq

    async def events(self) -> AsyncIterator[Event | None]:
        """Every event for as long as the night has an engine, or can be given one."""
        while not self._stopped:
            try:
                async for event in self._heard():
                    yield event
            except EngineError as error:
                self._client = None
                self.lost = "it has stopped" if self._stopped else _short(error)
                yield None
                if not self._stopped:
                    await asyncio.sleep(RETRY_S)

    async def _heard(self) -> AsyncIterator[Event | None]:
        """The events of one connection. Raises EngineError when it ends."""
        # Starting an engine waits for it: in a thread, so that the window stays awake.
        if not self._watch:
            await asyncio.to_thread(ensure_engine, self._folder)
        client = await connect(self._folder, watch=self._watch, after_seq=self.state.seq)
        async with client:
            self._client, self.lost = client, ""
            yield None
            async for event in client:
                self.state.apply(event)
                # An orderly end is somebody's will: such an engine is not started again.
                self._stopped = isinstance(event, EngineStopped)
                yield event

    async def send(self, request: Request) -> None:
        """Ask the engine. Raises EngineError when there is none."""
        if self._client is None:
            raise EngineError(
                self._folder.name, "ask the engine", "no engine is heard", "Wait, and ask again."
            )
        await self._client.send(msgspec.structs.replace(request, seen_seq=self.state.seq))


def _short(error: EngineError) -> str:
    """What was tried and answered, on one line; the header has no more room."""
    return f"{error.tried}: {error.answered}".splitlines()[0]
